from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from selam_agent.app import App
from tests.wire import doors
from tests.wire.doors import running

# What goes through a Socket.IO connection is tested on the library's own loop as well.
_BOTH_WAYS = {
    f"tests.wire.test_{name}"
    for name in (
        "client_library",
        "conversation",
        "outlet",
        "resume",
        "selam_connect",
        "selam_events",
        "wishes",
    )
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__ in _BOTH_WAYS and inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.insert(0, "fast_path")
        metafunc.parametrize("fast_path", [True, False], ids=["fast", "stock"], indirect=True)


@pytest.fixture
def fast_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(doors, "FAST_PATH", request.param)
    return bool(request.param)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with running(tmp_path) as app:
        yield app


@pytest.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[App]:
    """Closes within a second what does not join."""
    async with running(tmp_path, limits=doors.FAST) as app:
        yield app
