"""The light resampler: tones come through, aliases do not, and pieces are the same as the whole."""

from __future__ import annotations

import numpy as np
import pytest

from selam_agent.audio.fir import FirResampler


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return 8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("source", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_tone_is_the_same_tone(source: int) -> None:
    for hertz in (300, 1000, 3000):
        heard = FirResampler(source, 16_000).feed(tone(hertz, source).astype(np.int16))[800:-800]
        t = np.arange(len(heard)) / 16_000
        basis = np.stack((np.sin(2 * np.pi * hertz * t), np.cos(2 * np.pi * hertz * t)), axis=1)
        fit = basis @ np.linalg.lstsq(basis, heard, rcond=None)[0]
        assert 20 * np.log10(np.std(fit) / np.std(heard - fit)) > 55
        assert abs(np.std(fit) / (8000 / np.sqrt(2)) - 1) < 0.01


@pytest.mark.parametrize(("source", "hertz"), [(24_000, 10_500), (48_000, 12_000)])
def test_what_is_over_the_new_limit_is_gone(source: int, hertz: float) -> None:
    heard = FirResampler(source, 16_000).feed(tone(hertz, source).astype(np.int16))[800:-800]
    assert np.std(heard) < 8000 / np.sqrt(2) / 300


@pytest.mark.parametrize("source", [8_000, 22_050, 24_000, 48_000])
def test_pieces_are_as_the_whole_and_nothing_is_lost(source: int) -> None:
    sound = np.random.default_rng(1).integers(-9000, 9000, source).astype(np.int16)
    whole = FirResampler(source, 16_000).feed(sound)
    pieces = FirResampler(source, 16_000)
    parts = np.concatenate([pieces.feed(sound[at : at + 613]) for at in range(0, len(sound), 613)])
    assert np.array_equal(parts, whole) or np.abs(parts.astype(int) - whole).max() <= 1
    assert abs(len(whole) - 16_000) <= 400
