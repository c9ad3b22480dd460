"""Commands for whoever runs a server: ``doctor``, ``score`` and ``languages``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; without it ./selam.toml, if it is there.")
]


def doctor(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    api_key: Annotated[str | None, typer.Option(envvar="SELAM_API_KEY", hidden=True)] = None,
) -> None:
    """Say what works here, what is missing, and what mends it; 1 when something fails."""
    from selam_agent.programs import doctor as program

    raise typer.Exit(program.run(config, api_key=api_key or None, as_json=as_json))


def score(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Sound files with .txt files beside them.")
    ],
    language: Annotated[
        str | None, typer.Option("--lang", help="Of files that neither a folder nor manifest.json tells.")
    ] = None,
    config: Config = None,
    json_to: Annotated[
        str | None, typer.Option("--json", help="Write the scores to this file; - prints only them.")
    ] = None,
) -> None:
    """Measure the configured recogniser on your recordings: error rates, language, speed."""
    from selam_agent.programs import score as program

    raise typer.Exit(program.run(directory, config=config, language=language, json_to=json_to))


def languages(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table in the README.")] = False,
    write: Annotated[Path | None, typer.Option(help="Replace the table in this file.")] = None,
) -> None:
    """Tell what the server can do in each language, and how well."""
    from rich.console import Console
    from rich.table import Table

    from selam_agent.languages import packs as language_packs
    from selam_agent.programs import capabilities

    packs = language_packs.load()
    if write is not None:
        capabilities.write(packs, write)
        typer.echo(f"{write}: the table is up to date.")
    elif markdown:
        typer.echo(capabilities.markdown(packs))
    else:
        table = Table("", *(row[0] for row in capabilities.rows(packs)), show_lines=True)
        for name, *cells in list(zip(capabilities.COLUMNS, *capabilities.rows(packs), strict=True))[1:]:
            table.add_row(name, *(cell.replace("<br>", "\n") for cell in cells))
        Console().print(table)
