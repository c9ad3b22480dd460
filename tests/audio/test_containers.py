from __future__ import annotations

import contextlib
import functools
import io
import struct
import wave
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selam_agent.audio.containers import InputDecoder, sniff
from selam_agent.audio.pcm import Pcm16, StreamResampler, g711_encode
from selam_agent.errors import AudioError
from tests.audio.media import FRAGMENTED, capture, demuxed, mux
from tests.audio.test_vad import speech

WAV_RATE = 24_000


def _decode(
    decoder: InputDecoder, chunks: Iterable[bytes], label: str = "pcm16", rate: int = 16_000
) -> Pcm16:
    return np.concatenate([np.zeros(0, np.int16), *(decoder.decode(each, label, rate) for each in chunks)])


def _sliced(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@functools.cache
def _source(rate: int) -> Pcm16:
    resampler = StreamResampler(16_000, rate)
    return np.concatenate([resampler.feed(speech()[:32_000]), resampler.flush()])


@functools.cache
def _file(kind: str) -> bytes:
    match kind:
        case "webm":
            return mux("webm", "libopus", _source(48_000), 48_000, {"live": "1"})
        case "ogg":
            return mux("ogg", "libopus", _source(48_000), 48_000)
        case "mp4-aac":
            return mux("mp4", "aac", _source(44_100), 44_100, FRAGMENTED)
        case "mp4-opus":
            return mux("mp4", "libopus", _source(48_000), 48_000, FRAGMENTED)
        case "mp4-absolute":
            return mux("mp4", "aac", _source(16_000), 16_000, {"movflags": "frag_keyframe+empty_moov"})
        case "wav":
            return mux("wav", "pcm_s16le", _source(WAV_RATE), WAV_RATE)
    raise AssertionError(kind)


RECORDINGS = ["webm", "ogg", "mp4-aac", "mp4-opus", "mp4-absolute"]
CONTAINERS = [*RECORDINGS, "wav"]


@functools.cache
def _whole(kind: str) -> Pcm16:
    return _decode(InputDecoder(), [_file(kind)])


def _similarity(pcm: Pcm16, source: Pcm16) -> float:
    """Correlation at the best shift up to 0.15 s."""
    size = min(len(pcm), len(source)) - 2400
    reference = source[:size].astype(float)
    return max(
        float(np.corrcoef(reference, pcm[shift : shift + size].astype(float))[0, 1])
        for shift in range(0, 2400, 1)
        if len(pcm) >= shift + size
    )


# ---------------------------------------------------------------- a real browser


def test_the_capture_of_a_real_browser() -> None:
    decoder = InputDecoder()
    assert not decoder.is_container
    pcm = _decode(decoder, capture())
    assert decoder.is_container
    assert len(pcm) / 16_000 == pytest.approx(3.48, abs=0.002)
    reference = StreamResampler(48_000, 16_000).feed(demuxed(b"".join(capture())))
    size = min(len(pcm), len(reference))
    assert np.corrcoef(pcm[:size].astype(float), reference[:size].astype(float))[0, 1] > 0.999


def test_each_press_of_the_button_begins_a_new_recording() -> None:
    once = _decode(InputDecoder(), capture())
    twice = _decode(InputDecoder(), capture() * 2)
    # The second header also flushes what the resampler held of the first recording.
    assert len(twice) == pytest.approx(2 * len(once), abs=20)
    assert np.array_equal(twice[-len(once) :], once)


def test_a_recording_whose_last_blob_was_lost() -> None:
    once = _decode(InputDecoder(), capture())
    # Chromium's blobs end inside an element.
    pcm = _decode(InputDecoder(), [*capture()[:20], *capture()])
    assert np.array_equal(pcm[-len(once) :], once)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60_000))
@example(1)
@example(2)
@example(60_000)
def test_the_capture_in_any_slices(size: int) -> None:
    data = b"".join(capture())
    assert np.array_equal(_decode(InputDecoder(), _sliced(data, size)), _decode(InputDecoder(), capture()))


def test_blobs_without_their_header_are_no_noise() -> None:
    decoder = InputDecoder()
    with pytest.raises(AudioError) as caught:
        decoder.decode(capture()[3], "pcm16", 16_000)
    assert caught.value.code == "missing_header"
    assert not len(_decode(decoder, capture()[4:9]))
    assert len(_decode(decoder, capture())) > 50_000


# ---------------------------------------------------------------- every container


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_decode_whatever_the_label(kind: str) -> None:
    decoder = InputDecoder()
    pcm = _decode(decoder, [_file(kind)], "pcmu", 8_000)
    assert 2 <= len(pcm) / 16_000 + 0.002 < 2.15
    assert _similarity(pcm, _source(16_000)) > 0.95
    assert decoder.is_container == (kind in RECORDINGS)


@pytest.mark.parametrize("kind", CONTAINERS)
@settings(max_examples=8, deadline=None)
@given(size=st.integers(7, 3_000))
@example(size=7)
def test_containers_in_any_slices(kind: str, size: int) -> None:
    pcm = _decode(InputDecoder(), _sliced(_file(kind), size))
    # Without its flush a resampler is in the same state after the same samples.
    assert abs(len(pcm) - len(_whole(kind))) <= 16
    shorter = min(len(pcm), len(_whole(kind)))
    assert np.max(np.abs(pcm[:shorter].astype(int) - _whole(kind)[:shorter])) <= 1


@pytest.mark.parametrize("first", CONTAINERS)
@pytest.mark.parametrize("second", CONTAINERS)
def test_a_new_header_takes_over(first: str, second: str) -> None:
    data = _file(first)
    pcm = _decode(InputDecoder(), [*_sliced(data, 700)[:-3], *_sliced(_file(second), 700)])
    assert np.array_equal(pcm[-len(_whole(second)) :], _whole(second))


@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_header_right_behind_the_last_element(kind: str) -> None:
    pcm = _decode(InputDecoder(), _sliced(_file(kind) * 2, 333))
    assert len(pcm) == pytest.approx(2 * len(_whole(kind)), abs=40)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_the_next_header_works_after_garbage(kind: str) -> None:
    decoder = InputDecoder()
    decoder.decode(_file(kind)[:600], "pcm16", 16_000)
    failed = 0
    for seed in range(400):
        garbage = np.random.default_rng(seed).bytes(4_000)
        try:
            assert kind == "wav" or not len(decoder.decode(garbage, "pcm16", 16_000))
        except AudioError:
            failed += 1
    assert kind == "wav" or 1 <= failed <= 40
    assert np.array_equal(_decode(decoder, [_file(kind)])[-len(_whole(kind)) :], _whole(kind))


# ---------------------------------------------------------------- raw


def test_raw_pcm16_with_odd_chunks() -> None:
    data = speech().tobytes()
    assert np.array_equal(_decode(InputDecoder(), _sliced(data, 333)), speech())


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_raw_g711(law: str) -> None:
    pcm = _decode(InputDecoder(), _sliced(g711_encode(_source(8_000), law), 160), law, 8_000)  # type: ignore[arg-type]
    assert len(pcm) == pytest.approx(32_000, abs=40)
    assert _similarity(pcm, _source(16_000)) > 0.9


def test_a_new_rate_is_a_new_stream() -> None:
    decoder = InputDecoder()
    counts = [len(_decode(decoder, [bytes(rate * 2)], rate=rate)) for rate in (48_000, 8_000, 16_000)]
    # A new stream flushes the 16 or 32 samples that its predecessor held.
    assert counts == pytest.approx([16_000] * 3, abs=40)
    assert sum(counts) == 48_000


@given(st.binary(max_size=40), st.integers(1, 5))
def test_the_first_bytes_are_only_held_until_they_are_decided(start: bytes, size: int) -> None:
    data = b"\x01" + start + bytes(12)
    pcm = _decode(InputDecoder(), _sliced(data, size))
    assert pcm.tobytes() == data[: len(data) // 2 * 2]


@pytest.mark.parametrize("magic", [b"\x1a\x45\xdf\xa3", b"OggS", b"RIFF", b"\0\0\0\x20ftyp"])
def test_a_magic_alone_does_not_end_raw_audio(magic: bytes) -> None:
    decoder = InputDecoder()
    chunk = magic + bytes(640 - len(magic))
    pcm = _decode(decoder, [b"\x05" * 640, chunk])
    assert pcm.tobytes() == b"\x05" * 640 + chunk
    assert not decoder.is_container


def test_a_label_that_changes_ends_a_recording() -> None:
    decoder = InputDecoder()
    _decode(decoder, capture()[:5])
    pcm = _decode(decoder, [speech().tobytes()], "pcm16", 8_000)
    assert len(pcm) > 2 * len(speech()) - 100
    assert not decoder.is_container


def test_reset_begins_anew() -> None:
    decoder = InputDecoder()
    _decode(decoder, capture()[:5])
    decoder.reset()
    assert np.array_equal(_decode(decoder, [speech().tobytes()]), speech())


# ---------------------------------------------------------------- WAV


def _wav(tag: int, bits: int, channels: int, rate: int, body: bytes, size: int | None = None) -> bytes:
    size = len(body) if size is None else size
    align = bits // 8 * channels
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", (36 + size) & 0xFFFFFFFF, b"WAVE", b"fmt ", 16)
        + form
        + struct.pack("<4sI", b"data", size)
        + body
    )


RAMP = (np.arange(2_000) * 16 - 16_000).astype(np.int16)


@pytest.mark.parametrize(
    ("tag", "bits", "body", "error"),
    [
        (1, 8, ((RAMP >> 8) + 128).astype(np.uint8).tobytes(), 256),
        (1, 16, RAMP.tobytes(), 0),
        (1, 24, b"".join(b"\x7f" + each.tobytes() for each in RAMP), 0),
        (1, 32, (RAMP.astype(np.int32) << 16).tobytes(), 0),
        (3, 32, (RAMP / 32767).astype("<f4").tobytes(), 1),
        (3, 64, (RAMP / 32767).astype("<f8").tobytes(), 1),
        (6, 8, g711_encode(RAMP, "pcma"), 600),
        (7, 8, g711_encode(RAMP, "pcmu"), 600),
    ],
)
@pytest.mark.parametrize("slice_size", [1, 61, 100_000])
def test_wav_sample_formats(tag: int, bits: int, body: bytes, error: int, slice_size: int) -> None:
    data = _wav(tag, bits, 1, 16_000, body)
    pcm = _decode(InputDecoder(), _sliced(data, slice_size), "wav")
    assert len(pcm) == len(RAMP)
    assert np.max(np.abs(pcm.astype(int) - RAMP)) <= error


def test_wav_stereo_is_averaged() -> None:
    body = np.stack((RAMP, -RAMP), axis=1).tobytes()
    assert not _decode(InputDecoder(), _sliced(_wav(1, 16, 2, 16_000, body), 77), "wav").any()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 200])
def test_wav_sizes_that_a_live_stream_could_not_know(size: int) -> None:
    # 200: the header of the first buffer, with bare samples behind it.
    data = _wav(1, 16, 1, 16_000, RAMP.tobytes(), size)
    assert np.array_equal(_decode(InputDecoder(), _sliced(data, 64), "wav"), RAMP)


def test_each_chunk_may_be_a_wav_file() -> None:
    files = []
    for part in np.split(RAMP, 10):
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setparams((1, 2, 16_000, 0, "NONE", ""))
            out.writeframes(part.tobytes())
        files.append(file.getvalue() + b"LIST\x04\0\0\0INFO")
    assert np.array_equal(_decode(InputDecoder(), files, "wav"), RAMP)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"hello, this is no wav", "invalid_audio"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f", "invalid_audio"),
        (_wav(2, 4, 2, 16_000, bytes(100)), "unsupported_audio"),
        (_wav(1, 16, 0, 16_000, bytes(100)), "unsupported_audio"),
        (_wav(1, 16, 1, 7, bytes(100)), "invalid_sample_rate"),
    ],
)
def test_bad_wav(data: bytes, code: str) -> None:
    with pytest.raises(AudioError) as caught:
        InputDecoder().decode(data, "wav", 16_000)
    assert caught.value.code == code


# ---------------------------------------------------------------- refusals and bounds


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("matroska", "flac", {}),
        ("ogg", "flac", {}),
        ("mp4", "aac", {}),
        ("mp4", "mp3", FRAGMENTED),
    ],
)
def test_what_is_not_for_us_is_named(container: str, codec: str, options: dict[str, str]) -> None:
    data = mux(container, codec, _source(48_000), 48_000, options)
    with pytest.raises(AudioError) as caught:
        _decode(InputDecoder(), _sliced(data, 5_000))
    assert caught.value.code == "unsupported_audio"


def test_lacing_is_refused() -> None:
    data = b"".join(capture())
    at = data.index(b"\xa3\x44\x32\x81\x00\x00\x80")
    laced = data[: at + 6] + b"\x86" + data[at + 7 :]
    with pytest.raises(AudioError, match="Lacing"):
        InputDecoder().decode(laced, "pcm16", 16_000)


def test_labels_are_checked() -> None:
    decoder = InputDecoder()
    with pytest.raises(AudioError) as caught:
        decoder.decode(b"\x01" * 20, "flac", 16_000)
    assert caught.value.code == "invalid_format"
    with pytest.raises(AudioError) as caught:
        decoder.decode(b"\x01" * 20, "pcm16", 3)
    assert caught.value.code == "invalid_sample_rate"
    assert len(decoder.decode(b"\x01" * 20, "pcm16", 16_000)) == 10
    assert not len(decoder.decode(b"", "pcm16", 16_000))


def test_three_bytes_of_opus_do_not_become_half_a_gigabyte() -> None:
    head = b"".join(capture())
    head = head[: head.index(b"\xa3\x44\x32\x81\x00\x00\x80")]
    # A code 3 packet of six frames of 20 ms, each of a byte.
    block = b"\xa3\x8c\x81\0\0\x80" + b"\xfb\x06" + bytes(6)
    with pytest.raises(AudioError) as caught:
        InputDecoder().decode(head + block * 20_000, "pcm16", 16_000)
    assert caught.value.code == "audio_too_long"


def test_more_than_a_minute_of_raw_audio_is_refused() -> None:
    decoder = InputDecoder()
    with pytest.raises(AudioError) as caught:
        decoder.decode(b"\x01" * (16_000 * 2 * 61), "pcm16", 16_000)
    assert caught.value.code == "audio_too_long"
    assert len(decoder.decode(b"\x01" * 640, "pcm16", 16_000)) == 320


def test_a_header_without_audio_is_given_up() -> None:
    header = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm"
    void = b"\xec\x43\xfe" + bytes(0x3FE)
    decoder = InputDecoder()
    with pytest.raises(AudioError, match="no audio"):
        _decode(decoder, [header, *[void] * 2_000])


def _starts() -> st.SearchStrategy[bytes]:
    heads = [_file(kind) for kind in CONTAINERS] + [b"".join(capture())]
    return st.one_of(
        st.just(b""),
        st.sampled_from([head[:size] for head in heads for size in (4, 12, 64, 300, 1200, 3000)]),
        st.sampled_from(
            [b"RIFF", b"OggS\0\x02", b"\x1a\x45\xdf\xa3", b"\0\0\0\x14ftypiso5", b"\0\0\0\x10moof"]
        ),
    )


def _held(value: object, seen: set[int]) -> int:
    """Bytes and elements in all buffers reachable from ``value``'s own attributes."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, list | tuple | dict) or type(value).__name__ == "deque":
        items = value.values() if isinstance(value, dict) else value
        return sum(8 + _held(each, seen) for each in items)  # type: ignore[attr-defined]
    if type(value).__module__.startswith("selam_agent.audio"):
        names = getattr(value, "__slots__", None) or vars(value)
        return sum(_held(getattr(value, name), seen) for name in names)
    return 0


@settings(max_examples=150, deadline=None)
@given(_starts(), st.lists(st.one_of(st.binary(max_size=300), _starts()), max_size=12))
def test_arbitrary_bytes_raise_only_audio_errors(start: bytes, rest: list[bytes]) -> None:
    decoder = InputDecoder()
    for chunk in [start, *rest]:
        with contextlib.suppress(AudioError):
            decoder.decode(chunk, "pcm16", 16_000)
    assert _held(decoder, set()) < 1_200_000


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CONTAINERS), st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=20)
)
def test_flipped_bytes_raise_only_audio_errors(kind: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(_file(kind)[:20_000])
    for at, value in flips:
        # Half of them into the headers, where they hurt.
        data[(at // 2 if at % 2 else at % 800) % len(data)] = value
    decoder = InputDecoder()
    for chunk in _sliced(bytes(data), 1_000):
        with contextlib.suppress(AudioError):
            decoder.decode(chunk, "pcm16", 16_000)
    assert _held(decoder, set()) < 1_200_000
    assert np.array_equal(_decode(decoder, [_file(kind)])[-len(_whole(kind)) :], _whole(kind))


@pytest.mark.parametrize("size", [100, 0x0FFFFF, 0xFFFFFF])
def test_memory_stays_bounded_while_an_element_is_incomplete(size: int) -> None:
    starts = [
        b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\xec\x10" + size.to_bytes(3, "big"),
        struct.pack(">I4s4sI", 16, b"ftyp", b"iso5", 0) + struct.pack(">I4s", size, b"moov"),
        b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"junk", size),
    ]
    for start in starts:
        decoder = InputDecoder()
        for chunk in [start, *[bytes(50_000)] * 60]:
            with contextlib.suppress(AudioError):
                decoder.decode(chunk, "pcm16", 16_000)
            assert _held(decoder, set()) < 1_200_000


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3" + bytes(60), None),
        (b"OggS\0\x02" + bytes(30), "ogg"),
        (b"OggS\0\x00" + bytes(30), None),
        (b"RIFF\x11\x22\x33\x44WAVE", "wav"),
        (b"RIFF\x11\x22\x33\x44AVI ", None),
        (b"\0\0\0\x18ftypiso5", "mp4"),
        (b"\0\1\0\x18ftypiso5", None),
        (b"", None),
    ],
)
def test_signatures(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind
