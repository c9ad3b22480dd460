import pytest

from selam_agent.languages.packs import Packs, load


@pytest.fixture(scope="session")
def packs() -> Packs:
    return load()
