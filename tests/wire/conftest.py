from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from selam_agent.app import App
from tests.wire.doors import running


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with running(tmp_path) as app:
        yield app
