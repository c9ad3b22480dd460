"""The commands ``selam-agent models list | pull | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(help="Recognisers: list, fetch and check them.", no_args_is_help=True)

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; without it ./selam.toml, if it is there.")
]


@models_app.command("list")
def list_models(config: Config = None) -> None:
    """List the models that can be pulled, with what is published about them."""
    from rich.console import Console
    from rich.table import Table

    from selam_agent.models.curated import CURATED

    here = _models_dir(config)
    table = Table("model", "languages", "size", "licence", "published error rate", "here", box=None)
    for each in CURATED:
        quality = "; ".join(f"{code}: {figure}" for code, figure in each.quality.items())
        pulled = "yes" if (here / each.name).is_dir() else ""
        size = f"{each.size / 1e6:.0f} MB"
        table.add_row(
            each.name, " ".join(each.languages), size, each.licence, f"{quality} ({each.source})", pulled
        )
    Console().print(table)
    typer.echo(
        "Use one in selam.toml, under [stt.models]: am = "
        + ", ".join(f'"{each.engine}:{each.name}"' for each in CURATED)
    )


@models_app.command("pull")
def pull_model(name: Annotated[str, typer.Argument(metavar="MODEL")], config: Config = None) -> None:
    """Fetch a model; a broken download goes on where it stopped."""
    import asyncio

    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from selam_agent import settings_file
    from selam_agent.models.curated import CURATED
    from selam_agent.programs import models

    settings = settings_file.load(config)
    model = models.find(name, CURATED)
    if settings.server.offline:
        raise models.PullFailed("server.offline is set: nothing is fetched")
    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bars:
        tasks = {each.name: bars.add_task(each.name, total=each.size) for each in model.artifacts}

        def progress(file: str, have: int, size: int) -> None:
            bars.update(tasks[file], completed=have)

        path = asyncio.run(models.pull(model, settings.server.data_dir / "models", progress))
    typer.echo(f"{model.name} is in {path} ({model.licence}).")
    typer.echo("Use it, in selam.toml:\n\n[stt.models]")
    for code in model.languages:
        typer.echo(f'{code} = "{model.engine}:{model.name}"')


@models_app.command("check")
def check_models(
    name: Annotated[str | None, typer.Argument(help="Only this one.")] = None, config: Config = None
) -> None:
    """Read every byte of the pulled models and compare; 1 when one is not whole."""
    from selam_agent.programs import models

    found = models.check(_models_dir(config), name)
    for name, faults in found.items():
        typer.echo(f"{name}: {'; '.join(faults) or 'whole'}")
    if not found and name is None:
        typer.echo("No model was pulled yet: selam-agent models list")
    elif not found:
        typer.echo(f"{name} was not pulled yet: selam-agent models pull {name}")
        raise typer.Exit(1)
    raise typer.Exit(1 if any(found.values()) else 0)


def _models_dir(config: Path | None) -> Path:
    from selam_agent import settings_file

    return settings_file.load(config).server.data_dir / "models"
