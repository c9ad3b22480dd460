"""The ``selam-agent`` command. Each command imports what it needs, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selam_agent import __version__, cli_operator
from selam_agent.cli_models import models_app

if TYPE_CHECKING:
    from selam_agent.store import KeyStore

main_app = typer.Typer(
    name="selam-agent",
    help="A self-hosted voice agent server for Amharic, Somali, Tigrinya, Afaan Oromo and English.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="Create, list and revoke the keys that open the server.", no_args_is_help=True)
main_app.add_typer(keys_app, name="keys")
main_app.add_typer(models_app, name="models")

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; without it ./selam.toml, if it is there.")
]
LANGUAGES = ("am", "so", "en", "om", "ti")


def main() -> None:
    """Runs the command line; what cannot be used, a setting or a file, ends with one sentence and 2."""
    from selam_agent.errors import SelamError

    try:
        main_app()
    except SelamError as error:
        typer.echo(f"selam-agent: {error.message}", err=True)
        raise SystemExit(2) from None
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"selam-agent: {error.filename}: {error.strerror}", err=True)
        raise SystemExit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"selam-agent {__version__}")
        raise typer.Exit


@main_app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass  # a docstring here would replace the program's own help


@main_app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any free one.")] = None,
    config: Config = None,
    offline: Annotated[bool | None, typer.Option("--offline", help="Never leave this machine.")] = None,
    flow: Annotated[str | None, typer.Option(help="A flow's name, or the path of your own .toml.")] = None,
    tls: Annotated[
        str | None, typer.Option(metavar="auto|off", help="auto: HTTPS with a certificate of our own making.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="A certificate of yours, PEM, with --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", envvar="SELAM_API_KEY", show_envvar=True, hidden=True, help="Accept this key."
        ),
    ] = None,
    announce: Annotated[
        bool,
        typer.Option(
            "--announce", hidden=True, help="For programs: say ready in JSON, stop at end of input."
        ),
    ] = False,
) -> None:
    """Serve voice agents until interrupted."""
    from selam_agent import settings_file

    # A flow's path is meant from here, wherever the server looks for it.
    if flow is not None and Path(flow).suffix == ".toml":
        flow = str(Path(flow).resolve())
    loaded = settings_file.load(
        config,
        server__host=host,
        server__port=port,
        server__offline=offline,
        server__tls=tls,
        server__tls_cert=tls_cert,
        server__tls_key=tls_key,
        llm__flow=flow,
    )
    # Imported only now: it loads everything, and a wrong setting should be told at once.
    from selam_agent import cli_serve

    cli_serve.serve(loaded, api_key=api_key or None, announce=announce)


@main_app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the page and the recordings go.")] = Path("demo"),
    language: Annotated[
        str | None,
        typer.Option("--lang", help="am, so, en, om, ti or all; without it am, so and en, which is quick."),
    ] = None,
    json_to: Annotated[
        str | None, typer.Option("--json", help="Write a report to this file; - prints the scores.")
    ] = None,
) -> None:
    """Hear simulated callers book clinic visits, offline, and see how much was understood."""
    if language not in (None, *LANGUAGES, "all"):
        raise typer.BadParameter(
            f"{language!r}: there are {', '.join(LANGUAGES)} and all", param_hint="--lang"
        )
    from selam_agent.programs import demo as program

    raise typer.Exit(program.run(out, language, json_to))


@main_app.command()
def talk(
    file: Annotated[Path, typer.Argument(help="A WAV file, or any other sound file.")],
    url: Annotated[
        str | None, typer.Option(help="A running server; without it a private one is started.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="SELAM_API_KEY", help="The key for --url.")] = None,
    voice: Annotated[
        str | None, typer.Option(help="The voice that answers; see `selam-agent voices`.")
    ] = None,
    language: Annotated[str, typer.Option(help="am, so, ti, om or en.")] = "am",
    out: Annotated[
        Path | None, typer.Option(help="Where the answer goes; FILE.answer.wav by default.")
    ] = None,
) -> None:
    """Play a recording to the agent; print what is said and keep the answer."""
    from selam_agent.languages import packs
    from selam_agent.programs import talk as program

    known = packs.load()
    chosen = voice or known.default_voice(language).name
    if voice is not None:
        language = known.voice(voice)[0].code
    out = out or file.with_suffix(".answer.wav")
    raise typer.Exit(program.run(file, language=language, voice=chosen, out=out, url=url, key=key))


@main_app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recorded session: SESSION.tape in the data directory.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of the timings, such as unknown_ms=1200.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a recorded session's decisions again, and see what other timings would change."""
    from selam_agent.programs import replay as program

    raise typer.Exit(program.run(file, changes or [], as_json=as_json))


@main_app.command()
def bench(
    sessions: Annotated[
        int | None, typer.Option(min=1, max=2048, help="Only so many at once, not all levels from 1 to 256.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="How long each level is measured.")] = 25.0,
    variant: Annotated[str, typer.Option(help="base, chunks100, mp3, stock or everything.")] = "base",
    find_max: Annotated[
        bool, typer.Option("--max", help="Find the largest number of sessions in real time.")
    ] = False,
    real: Annotated[
        bool, typer.Option("--real", help="Calls per core with real work: recognisers, espeak.")
    ] = False,
    footprint: Annotated[
        bool,
        typer.Option("--footprint", help="Start, memory, installed size; calls within 1 CPU and 512 MB."),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All levels, variants and tables: 40 minutes.")
    ] = False,
    json_to: Annotated[
        str | None, typer.Option("--json", help="Write the figures to this file; - prints them.")
    ] = None,
    html_to: Annotated[Path | None, typer.Option("--html", help="Write a page with plots.")] = None,
    markdown_to: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables for a document.")
    ] = None,
) -> None:
    """Measure what a session costs, with engines that take no time; --real: with real ones."""
    from selam_agent.programs.bench import program
    from selam_agent.programs.bench.profile import LEVELS, VARIANTS

    if variant not in VARIANTS:
        raise typer.BadParameter(f"{variant!r}: there are {', '.join(VARIANTS)}", param_hint="--variant")
    chosen = {"max": find_max, "real": real, "footprint": footprint}
    status = program.run(
        VARIANTS[variant],
        parts=program.PARTS if everything else [name for name in chosen if chosen[name]] or ["levels"],
        levels=LEVELS if sessions is None else (sessions,),
        seconds=seconds,
        json_to=json_to,
        html_to=html_to,
        markdown_to=markdown_to,
    )
    raise typer.Exit(status)


@main_app.command()
def voices(
    language: Annotated[str | None, typer.Option(help="Only this language: am, so, ti, om or en.")] = None,
    config: Config = None,
) -> None:
    """List the voices and what speaks them."""
    from rich.console import Console
    from rich.table import Table

    from selam_agent import settings_file
    from selam_agent.languages import packs

    table = Table("voice", "language", "gender", "engines, best first", box=None, pad_edge=False)
    for pack, entry in packs.load(more=settings_file.load(config).server.voices_dir).voices(language):
        engines = ", ".join(f"{each['engine']} ({each.get('voice', '')})" for each in entry.engines)
        table.add_row(entry.name, f"{pack.code} {pack.name}", entry.gender, engines)
    Console().print(table)


@main_app.command()
def schema(
    pages: Annotated[
        Path | None, typer.Option(help="Write the reference pages into this folder instead.")
    ] = None,
) -> None:
    """Print the OpenAPI document of the REST routes, with the schemas of the WebSocket's events."""
    from selam_agent.programs import reference

    if pages is not None:
        reference.write(pages)
    else:
        typer.echo(reference.document())


@keys_app.command("create")
def create_key(
    tier: Annotated[
        str, typer.Option(help="FREE, BETA, PRO or OWNER; the voice agent needs OWNER.")
    ] = "OWNER",
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    max_sessions: Annotated[int | None, typer.Option(help="Sessions at once.")] = None,
    max_session_minutes: Annotated[float | None, typer.Option(help="Length of a session.")] = None,
    audio_minutes: Annotated[float | None, typer.Option(help="Caller audio per day (UTC).")] = None,
    config: Config = None,
) -> None:
    """Make a key and print it; it cannot be printed again."""
    from selam_agent.store_limits import KeyLimits

    limits = KeyLimits(
        max_sessions=max_sessions,
        max_session_s=None if max_session_minutes is None else max_session_minutes * 60,
        audio_s_per_day=None if audio_minutes is None else audio_minutes * 60,
    )
    key_id, secret = _store(config).create(tier, name, limits)
    typer.echo(f"id   {key_id}")
    typer.echo(f"key  {secret}")
    typer.echo("Keep it: only its hash is stored.")


@keys_app.command("list")
def list_keys(config: Config = None) -> None:
    """List all keys, without their secrets."""
    from rich.console import Console
    from rich.table import Table

    keys = _store(config).list()
    if not keys:
        typer.echo("There are no keys yet: selam-agent keys create")
        return
    table = Table("id", "tier", "created", "state", "limits", "name", box=None, pad_edge=False)
    for key in keys:
        state = f"revoked {key.revoked:%Y-%m-%d %H:%M}" if key.revoked else "valid"
        table.add_row(
            key.id, key.tier.name, f"{key.created:%Y-%m-%d %H:%M}", state, str(key.limits), key.name
        )
    Console().print(table)


@keys_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="ID")], config: Config = None) -> None:
    """Close the server to a key."""
    revoked = _store(config).revoke(key_id)
    typer.echo(f"{revoked.id} is revoked.")


def _store(config: Path | None) -> KeyStore:
    from selam_agent import settings_file
    from selam_agent.store import KeyStore

    return KeyStore.open(settings_file.load(config).server.data_dir)


main_app.command()(cli_operator.doctor)
main_app.command()(cli_operator.score)
main_app.command()(cli_operator.languages)


if __name__ == "__main__":
    main()
