"""Who is trained on and who examines."""

from __future__ import annotations

import pytest

from selam_agent.engines.espeak_library import EspeakLibrary
from selam_agent.train.speakers import PRODUCT_VARIANTS, Split, is_normal, read_settings, split_variants

PLAIN = "language variant\nname x\npitch 80 120\nformant 1 100 100 100\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return read_settings(EspeakLibrary(tmp_path_factory.mktemp("es")).variants_dir)


@pytest.mark.parametrize(
    ("settings", "normal"),
    [
        (PLAIN, True),
        (PLAIN + "echo 130 15\n", True),
        (PLAIN + "echo 10 10000\n", False),  # a robot
        (PLAIN + "voicing 17\n", False),  # a whisper
        (PLAIN.replace("80 120", "240 390"), False),
        (PLAIN.replace("variant", "en-us"), False),
        (PLAIN + "formant 2 150 100 100\n", False),
        (PLAIN + "formant 2 80 100\nformant 3 120 100\n", False),  # no single vocal tract
        (PLAIN + "formant 3 100 0 100\n", False),
    ],
)
def test_what_a_normal_variant_is(settings: str, normal: bool) -> None:
    assert is_normal("x", settings) is normal


def test_names_that_are_out(settings: dict[str, str]) -> None:
    assert not [n for n in ("croak", "fast", "Demonic", "whisper", "robosoft") if is_normal(n, settings[n])]


def test_the_split_is_a_split(settings: dict[str, str]) -> None:
    split = split_variants(settings)
    assert len(split.examined) >= 12
    assert not set(split.examined) & set(split.trained)
    assert set(PRODUCT_VARIANTS) <= set(split.trained)
    assert all(is_normal(name, settings[name]) for name in split.examined)
    assert split == Split(split_variants(settings).trained, split.examined)


def test_one_speaker_under_two_names_stays_together(settings: dict[str, str]) -> None:
    twin = split_variants(
        {**settings, **{f"{n}-twin": settings[n] for n in split_variants(settings).examined}}
    )
    for name in twin.examined:
        other = name.removesuffix("-twin") if name.endswith("-twin") else f"{name}-twin"
        assert other in twin.examined or other not in settings
        assert other not in twin.trained
