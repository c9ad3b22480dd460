from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from selam_agent.engines import stt_whisper
from selam_agent.engines.stt_whisper import WhisperTranscriber
from selam_agent.engines.whisper_decoding import WhisperDecoder, split_at_pauses
from selam_agent.engines.whisper_decoding_features import LogMel
from selam_agent.engines.whisper_decoding_files import Decoding
from selam_agent.errors import EngineError, SettingsError
from selam_agent.ports import Priority, Transcriber, TranscriberInfo, TranscriptionRequest
from selam_agent.settings import Stt

INFO = TranscriberInfo(name="whisper", open_vocabulary=True, tested_on="unknown")
# Random weights are never sure of anything: nothing is rejected for that.
LENIENT = Decoding(min_window_s=0.0, log_prob_threshold=-100.0, no_speech_threshold=1.0)


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 3000, int(16_000 * seconds))).astype(np.int16)


def request(seconds: float = 1.0, **options) -> TranscriptionRequest:
    return TranscriptionRequest(audio=speech(seconds), **options)


class Spy:
    """Counts what reaches the model."""

    def __init__(self, decoder: WhisperDecoder) -> None:
        self.encoded: list[tuple[int, ...]] = []
        self.prompts: list[list[int]] = []
        self.max_length: list[int] = []
        self._whisper = decoder._whisper
        decoder._whisper = self

    def encode(self, features):
        self.encoded.append(tuple(features.shape))
        return self._whisper.encode(features)

    def detect_language(self, encoded):
        return self._whisper.detect_language(encoded)

    def generate(self, encoded, prompts, **options):
        self.prompts.extend(prompts)
        self.max_length.append(options["max_length"])
        return self._whisper.generate(encoded, prompts, **options)


def token(decoder: WhisperDecoder, name: str) -> int:
    return decoder._model.hf_tokenizer.token_to_id(f"<|{name}|>")


# ---------------------------------------------------------------- decoding


def test_languages_are_those_the_model_has_tokens_for(stock: Path, five: Path) -> None:
    assert WhisperDecoder(stock, LENIENT).languages == ("am", "en", "so")
    assert set(WhisperDecoder(five, LENIENT).languages) == {"am", "ti", "en", "om", "so"}
    with pytest.raises(SettingsError, match="none of fr"):
        WhisperDecoder(stock, LENIENT, languages=["fr"])


def test_detection_and_decoding_share_one_encoder_pass_over_the_needed_window(five: Path) -> None:
    decoder = WhisperDecoder(five, Decoding(min_window_s=0.0, margin_frames=100), languages=["om", "ti"])
    spy = Spy(decoder)
    (decoded,) = decoder.decode([speech(2.0)])
    assert decoded.language in ("om", "ti")
    assert spy.encoded == [(1, 80, 304)]
    names = ("startoftranscript", decoded.language, "transcribe", "notimestamps")
    assert spy.prompts == [[token(decoder, name) for name in names]]
    assert decoded.log_prob < 0 <= decoded.no_speech <= 1


def test_the_window_has_a_floor_and_an_end(stock: Path) -> None:
    decoder = WhisperDecoder(stock, Decoding(min_window_s=10.0, margin_frames=200))
    spy = Spy(decoder)
    for seconds in (0.05, 3.0, 9.0, 30.0):
        decoder.decode([speech(seconds)], "en")
    assert [shape[2] for shape in spy.encoded] == [1008, 1008, 1104, 3000]


def test_a_batch_is_decoded_in_one_pass_like_its_items(stock: Path) -> None:
    decoder = WhisperDecoder(stock, Decoding(min_window_s=4.0, margin_frames=0))
    spy = Spy(decoder)
    both = decoder.decode([speech(2.0, 1), speech(2.0, 2)], "so")
    assert spy.encoded == [(2, 80, 400)]
    assert [both[0].text, both[1].text] == [
        decoder.decode([speech(2.0, 1)], "so")[0].text,
        decoder.decode([speech(2.0, 2)], "so")[0].text,
    ]


def test_the_limit_of_tokens_follows_duration_and_script(stock: Path) -> None:
    decoder = WhisperDecoder(stock, Decoding(min_window_s=0.0, max_tokens=96))
    spy = Spy(decoder)
    decoder.decode([speech(1.0)], "en")
    decoder.decode([speech(3.0)], "en")
    # CTranslate2 gives the text at most half of max_length.
    assert spy.max_length == [2 * (8 + 10), 2 * (8 + 29)]
    # As in Whisper's own vocabulary, Ge'ez takes several tokens a letter.
    decoder._cost["Ethiopic"] = 4.0
    decoder.decode([speech(1.0)], "am")
    decoder.decode([speech(30.0)], "am")
    assert spy.max_length[2:] == [2 * (8 + 39), 448]
    # And fills the decoder sooner, so its utterances are cut sooner.
    lengths = {code: [len(p) / 16_000 for p in decoder.pieces(speech(28.0), code)] for code in ("en", "am")}
    assert lengths["en"] == [28.0] and len(lengths["am"]) >= 3 and max(lengths["am"]) < 11.7
    assert len(decoder.pieces(speech(28.0))) >= 3


@pytest.mark.parametrize("limit", [1, 3, 10, 224])
def test_so_many_tokens_are_written(stock: Path, limit: int) -> None:
    decoder = WhisperDecoder(stock, Decoding(min_window_s=0.0, max_new_tokens=limit))
    tokens: list[int] = []
    decoder._decoded = lambda result, code: tokens.append(len(result.sequences_ids[0]))
    decoder.decode([speech(1.0)], "en")
    # Random weights never end by themselves; up to four tokens the prompt counts for more.
    assert tokens == [limit if limit > 4 else max(limit, (4 + limit) // 2)]


def test_hints_go_before_where_the_model_takes_them(stock: Path) -> None:
    for takes in (True, False):
        decoder = WhisperDecoder(stock, Decoding(min_window_s=0.0, hints=takes))
        spy = Spy(decoder)
        decoder.decode([speech(1.0)], "so", ["Bosaso", "Garowe"])
        start = spy.prompts[0].index(token(decoder, "startoftranscript"))
        before = spy.prompts[0][:start]
        assert before[:1] == ([token(decoder, "startofprev")] if takes else [])
        if takes:
            assert decoder._model.hf_tokenizer.decode(before) == " Bosaso, Garowe"


def test_a_fine_tune_may_lend_a_language_token(stock: Path) -> None:
    decoder = WhisperDecoder(stock, Decoding(min_window_s=0.0, language_tokens={"ti": "am"}))
    spy = Spy(decoder)
    assert decoder.decode([speech(1.0)], "ti")[0].language == "ti"
    assert spy.prompts[0][1] == token(decoder, "am")


def test_long_audio_is_cut_in_its_quietest_pause() -> None:
    audio = speech(40.0)
    audio[21 * 16_000 : 22 * 16_000] = 0
    pieces = split_at_pauses(audio, 30 * 16_000)
    assert len(pieces) == 2 and 21.0 < len(pieces[0]) / 16_000 < 22.0
    assert np.array_equal(np.concatenate(pieces), audio)
    assert [len(p) for p in split_at_pauses(audio[:320], 8000)] == [320]
    assert max(len(p) for p in split_at_pauses(speech(100.0), 8 * 16_000)) <= 8 * 16_000


# ---------------------------------------------------------------- transcriber


async def test_transcribes_and_closes(five: Path) -> None:
    before = threading.active_count()
    transcriber = WhisperTranscriber(five, INFO, LENIENT, Stt())
    assert isinstance(transcriber, Transcriber)
    heard = await transcriber.transcribe(request(language="ti"))
    assert heard.language == "ti" and heard.confidence is not None and heard.confidence < 0
    detected = await transcriber.transcribe(request())
    assert detected.language in transcriber.info.languages
    await transcriber.aclose()
    assert threading.active_count() == before
    with pytest.raises(EngineError) as error:
        await transcriber.transcribe(request())
    assert error.value.code == "stt_closed"


async def test_gates_reject(stock: Path) -> None:
    transcriber = WhisperTranscriber(stock, INFO, Decoding(min_window_s=0.0), Stt())
    # Random weights never believe in their text.
    assert (await transcriber.transcribe(request(language="en"))).rejected is not None
    nothing = await transcriber.transcribe(TranscriptionRequest(audio=np.zeros(100, np.int16)))
    assert nothing.rejected == "empty"
    await transcriber.aclose()


async def test_a_language_without_a_token_is_refused_with_a_way_out(stock: Path) -> None:
    transcriber = WhisperTranscriber(stock, INFO, LENIENT, Stt())
    assert transcriber.info.languages == ("am", "en", "so")
    for language in ("ti", "om"):
        with pytest.raises(EngineError, match=r"only am, en, so; set stt\.model .* fine-tuned") as error:
            await transcriber.transcribe(request(language=language))
        assert error.value.code == "language_not_supported" and not error.value.retryable
    await transcriber.aclose()


async def test_long_utterances_are_decoded_in_pieces_of_one_language(five: Path) -> None:
    decoding = Decoding(min_window_s=0.0, max_window_s=2.0, log_prob_threshold=-100.0)
    transcriber = WhisperTranscriber(five, INFO, decoding, Stt())
    spy = Spy(transcriber._shared.decoder)
    heard = await transcriber.transcribe(request(5.0))
    assert len(spy.encoded) >= 3 and max(shape[2] for shape in spy.encoded) <= 416
    assert {prompt[1] for prompt in spy.prompts} == {token(transcriber._shared.decoder, heard.language)}
    await transcriber.aclose()


async def test_one_model_per_directory_is_shared_until_its_last_user_closes(stock: Path, five: Path) -> None:
    others = dict(stt_whisper._loaded)
    first, second = (WhisperTranscriber(stock, INFO, LENIENT, Stt()) for _ in range(2))
    third = WhisperTranscriber(five, INFO, LENIENT, Stt())
    assert first._shared is second._shared and first._shared is not third._shared
    await first.aclose()
    await first.aclose()
    await second.transcribe(request(language="en"))
    await second.aclose()
    await third.aclose()
    assert stt_whisper._loaded == others


async def test_a_newer_interim_of_a_stream_replaces_the_waiting_one(stock: Path) -> None:
    transcriber = WhisperTranscriber(stock, INFO, LENIENT, Stt())
    interim = request(language="en", priority=Priority.INTERIM, stream="a")
    running, release, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    decode = transcriber._shared.decoder.decode

    def slow(*args):
        loop.call_soon_threadsafe(running.set)
        release.wait(5)
        return decode(*args)

    transcriber._shared.decoder.decode = slow
    first = asyncio.create_task(transcriber.transcribe(interim))
    await running.wait()
    old = asyncio.create_task(transcriber.transcribe(interim))
    await asyncio.sleep(0)
    new = asyncio.create_task(transcriber.transcribe(interim))
    late = asyncio.create_task(transcriber.transcribe(request(language="en", deadline=0.01)))
    with pytest.raises(EngineError) as error:
        await late
    assert error.value.code == "stt_timeout"
    release.set()
    results = await asyncio.gather(first, old, new, return_exceptions=True)
    assert isinstance(results[1], EngineError) and results[1].code == "stt_superseded"
    assert results[0] == results[2]
    await transcriber.aclose()


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("samples", [16_000, 16_123, 400, 48_001])
def test_the_spectrogram_is_faster_whispers(bins: int, samples: int) -> None:
    extractor = FeatureExtractor(feature_size=bins)
    audio = speech(3.1)[:samples]
    theirs = extractor(audio.astype(np.float32) / 32768.0)
    ours = LogMel(extractor)(audio)
    assert ours.dtype == np.float32 and ours.shape == (bins, -(-samples // 160))
    # Theirs has one frame more, of padding.
    whole = samples // 160
    assert np.allclose(ours[:, :whole], theirs[:, :whole], atol=1e-3)
    assert LogMel(extractor)(audio[:1]).shape == (bins, 1)


async def test_no_window_has_as_many_positions_as_mel_bins(stock: Path) -> None:
    """CTranslate2 takes such an encoder output for features, and encodes it a second time."""
    transcriber = WhisperTranscriber(stock, INFO, LENIENT, Stt(min_window_s=0.0))
    decoder = transcriber._shared.decoder
    for samples in range(16_000, 32_000, 800):
        bins, frames = decoder._spectrogram([np.zeros(samples, np.int16)], samples / 16_000).shape[1:]
        assert frames != 2 * bins
    await transcriber.aclose()


async def test_a_text_without_tokens_has_no_confidence() -> None:
    recogniser = stt_whisper._command(Stt())
    transcript = await recogniser.transcribe(TranscriptionRequest(audio=np.zeros(16_000, np.int16)))
    assert (transcript.text, transcript.confidence) == ("", None)
    await recogniser.aclose()
