"""Commands for whoever runs a server: ``doctor`` and ``score``."""

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
