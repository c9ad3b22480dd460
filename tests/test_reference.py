"""The reference pages and the OpenAPI document say what the code does."""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web
from typer.testing import CliRunner

from selam_agent.cli import main_app
from selam_agent.programs import reference
from selam_agent.store import KeyStore
from selam_agent.wire.api import openapi
from selam_agent.wire.api.routes import DOCUMENT, Api
from selam_agent.wire.tokens import TemporaryTokens

PAGES = Path(__file__).parent.parent / "docs" / "reference"


def test_the_pages_are_what_the_models_say() -> None:
    """Otherwise: ``selam-agent schema --pages docs/reference``."""
    kept = {each.name: each.read_text(encoding="utf-8") for each in PAGES.glob("*.md")}
    assert kept == reference.pages()


def test_every_route_is_in_the_document() -> None:
    app = web.Application()
    nothing = object()
    Api(
        keys=KeyStore(None),
        tokens=TemporaryTokens(lambda key: True),
        agents=nothing,  # type: ignore[arg-type]
        records=nothing,  # type: ignore[arg-type]
        files=nothing,  # type: ignore[arg-type]
        notes=nothing,  # type: ignore[arg-type]
        public_url="",
        version="1",
        fits=lambda given: None,
        changed=lambda agent_id, given: None,
    ).attach(app)
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(each.method, each.path) for each in openapi.OPERATIONS}
    assert served == described | {("get", DOCUMENT)}


def test_the_document_holds_together() -> None:
    document = openapi.document("1")
    assert document["openapi"].startswith("3.1")
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text or name.endswith("Query")
    for part in text.split("#/components/schemas/")[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]


def test_the_command_prints_it(tmp_path: Path) -> None:
    printed = json.loads(CliRunner().invoke(main_app, ["schema"]).stdout)
    assert printed["paths"] == openapi.document("1")["paths"]
    assert "session.update" in printed["x-events"]["client"] and "tool.call" in printed["x-events"]["server"]
    CliRunner().invoke(main_app, ["schema", "--pages", str(tmp_path)])
    assert {each.name for each in tmp_path.iterdir()} == set(reference.pages())
