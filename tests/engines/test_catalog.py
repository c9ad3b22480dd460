from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from selam_agent import app_engines
from selam_agent.engines import catalog
from selam_agent.engines.addresses import is_loopback
from selam_agent.engines.llm_openai import OpenAIChatModel
from selam_agent.engines.translate_llm import LlmTranslator
from selam_agent.engines.tts_espeak import EspeakSynthesizer
from selam_agent.errors import SettingsError
from selam_agent.languages import packs
from selam_agent.ports import ChatModelInfo, SynthesizerInfo, TranscriberInfo, TranslatorInfo
from selam_agent.settings import Settings


class Theirs:
    """One object that is every kind of engine."""

    def __init__(self, **options) -> None:
        self.options = options

    async def transcribe(self, request): ...
    def reply(self, request): ...
    def suggestions(self, request): ...
    def synthesize(self, request): ...
    async def translate(self, request): ...
    async def aclose(self): ...


class TheirTranscriber(Theirs):
    info = TranscriberInfo(name="theirs", open_vocabulary=True, tested_on="unknown")


class TheirModel(Theirs):
    info = ChatModelInfo(name="theirs", generative=True)


class TheirVoice(Theirs):
    info = SynthesizerInfo(name="theirs")


class TheirTranslator(Theirs):
    info = TranslatorInfo(name="theirs")


def broken(**options):
    raise OSError("no weights")


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """Importable as ``their_engines``, and installed with entry points."""
    module = ModuleType("their_engines")
    for each in (TheirTranscriber, TheirModel, TheirVoice, TheirTranslator, broken):
        setattr(module, each.__name__, each)
    module.nothing = lambda **options: object()
    monkeypatch.setitem(sys.modules, "their_engines", module)
    points = [
        EntryPoint("stt.theirs", "their_engines:TheirTranscriber", catalog.GROUP),
        EntryPoint("llm.theirs", "their_engines:TheirModel", catalog.GROUP),
        EntryPoint("tts.theirs", "their_engines:TheirVoice", catalog.GROUP),
        EntryPoint("translation.theirs", "their_engines:TheirTranslator", catalog.GROUP),
        EntryPoint("stt.gone", "their_engines:Gone", catalog.GROUP),
    ]
    monkeypatch.setattr(catalog, "entry_points", lambda group: points if group == catalog.GROUP else [])


@pytest.mark.parametrize("name", ["theirs", "import:their_engines:{}"])
def test_foreign_engines_get_the_options(name: str) -> None:
    options = {"size": 3}

    def section(kind: str) -> dict:
        return {"engine": name.format(kind), "options": options}

    chosen = Settings(stt=section("TheirTranscriber"), llm=section("TheirModel"), tts=section("TheirVoice"))
    transcriber = catalog.build_transcriber(chosen)
    model = catalog.build_chat_model(chosen, None)
    voices = catalog.build_synthesizers(chosen)
    assert isinstance(transcriber, TheirTranscriber) and transcriber.options == options
    assert isinstance(model, TheirModel) and model.options == options
    assert list(voices) == ["theirs"] and isinstance(voices["theirs"], TheirVoice)


@pytest.mark.parametrize("name", ["theirs", "import:their_engines:TheirTranslator"])
def test_foreign_translators(name: str) -> None:
    chosen = Settings.model_validate({"translation": {"engine": name, "options": {"size": 3}}})
    made = catalog.build_translator(chosen, packs.load(), TheirModel())
    assert isinstance(made, TheirTranslator) and made.options == {"size": 3}


def test_the_language_model_translates_where_there_is_one() -> None:
    flow = catalog.build_chat_model(Settings(), packs.load())
    assert catalog.build_translator(Settings(), packs.load(), flow) is None
    assert isinstance(catalog.build_translator(Settings(), packs.load(), TheirModel()), LlmTranslator)
    for section, sentence in [
        ({"engine": "llm"}, r"llm\.base_url"),
        ({"mode": "pivot"}, r"llm\.base_url"),
        ({"mode": "interpreter", "languages": ["so"]}, "needs two"),
        ({"languages": ["so", "xx"]}, "there is no 'xx'"),
    ]:
        with pytest.raises(SettingsError, match=sentence):
            catalog.build_translator(Settings.model_validate({"translation": section}), packs.load(), flow)


def test_synthesizers_by_the_names_in_the_packs(tmp_path) -> None:
    server = {"data_dir": tmp_path}
    voices = catalog.build_synthesizers(Settings(server=server, tts={"engines": ["theirs", "espeak"]}))
    assert list(voices) == ["theirs", "espeak"]
    assert isinstance(voices["espeak"], EspeakSynthesizer)


AWAY = "https://speech.example/v1"
HERE = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({}, ["espeak"]),
        ({"privacy": {"allow": ["edge"]}}, ["edge", "espeak"]),
        ({"privacy": {"allow": ["edge"]}, "server": {"offline": True}}, ["espeak"]),
        ({"tts": {"base_url": HERE}}, ["openai", "espeak"]),
        ({"tts": {"base_url": HERE}, "server": {"offline": True}}, ["openai", "espeak"]),
        ({"tts": {"base_url": AWAY}}, ["espeak"]),
        ({"tts": {"base_url": AWAY}, "privacy": {"allow": ["openai"]}}, ["openai", "espeak"]),
        ({"tts": {"api_key": "k"}, "privacy": {"allow": ["openai"]}}, ["openai", "espeak"]),
        ({"privacy": {"allow": ["openai"]}}, ["espeak"]),
    ],
)
async def test_what_leaves_the_machine_is_used_only_where_it_is_allowed(
    settings: dict, used: list[str]
) -> None:
    built = catalog.build_synthesizers(Settings.model_validate(settings))
    assert list(built) == used
    for each in built.values():
        await each.aclose()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tts": {"engine": "edge"}}, r'tts\.engine: edge .*\[privacy\]: allow = \["edge"\]'),
        ({"tts": {"engines": ["edge"]}}, r"privacy\.allow"),
        ({"tts": {"engine": "openai"}}, r"tts\.base_url"),
        ({"tts": {"engine": "edge"}, "server": {"offline": True}}, "would leave this machine"),
        (
            {"tts": {"engine": "openai", "base_url": AWAY}, "privacy": {"allow": ["edge"]}},
            r'allow = \["edge", "openai"\]',
        ),
    ],
)
def test_a_refusal_names_the_line_that_changes_it(settings: dict, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        catalog.build_synthesizers(Settings.model_validate(settings))


@pytest.mark.parametrize(
    ("allowed", "meant"),
    [("edg", "edge"), ("Edge", "edge"), ("gpt-audio", "gpt_audio"), ("openaI", "openai")],
)
def test_a_misspelt_engine_in_allow_is_refused(allowed: str, meant: str) -> None:
    settings = Settings(privacy={"allow": ["openai", allowed]})
    with pytest.raises(SettingsError, match=rf"privacy\.allow: .*{allowed!r}; did you mean {meant!r}"):
        catalog.check_allowed_names(settings)
    with pytest.raises(SettingsError, match=r"privacy\.allow"):
        app_engines.build(settings, packs.load())


def test_built_in_and_installed_engines_may_be_allowed(caplog: pytest.LogCaptureFixture) -> None:
    allow = ["edge", "openai", "gpt_audio", "espeak", "whisper", "theirs"]
    catalog.check_allowed_names(Settings(privacy={"allow": allow}))
    assert not caplog.records


@pytest.mark.parametrize(
    "settings",
    [
        {"tts": {"engine": "import:their_engines:TheirVoice"}},
        {"tts": {"engines": ["import:their_engines:TheirVoice", "espeak"]}},
        {"stt": {"models": {"so": "theirs"}}},
        {"translation": {"engine": "theirs"}},
    ],
)
def test_an_engine_of_others_may_go_by_its_own_name(settings: dict, caplog: pytest.LogCaptureFixture) -> None:
    catalog.check_allowed_names(Settings.model_validate({**settings, "privacy": {"allow": ["cloud"]}}))
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "'cloud'" in caplog.text


async def test_a_model_elsewhere_needs_leave() -> None:
    llm = {"base_url": AWAY, "model": "m"}
    with pytest.raises(SettingsError, match=r'llm\.engine: openai .*allow = \["openai"\]'):
        catalog.build_chat_model(Settings(llm=llm), None)
    allowed = Settings(llm=llm, privacy={"allow": ["openai"]})
    model = catalog.build_chat_model(allowed, None)
    assert model.info.leaves_machine
    await model.aclose()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://localhost:1", True),
        ("http://[::1]:8000/v1", True),
        ("http://127.0.0.1.example/v1", False),
        ("http://localhost.example", False),
        ("https://api.openai.com/v1", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_stays_here(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_without_a_base_url_the_flow_answers() -> None:
    model = catalog.build_chat_model(Settings(), packs.load())
    assert model.info.name.startswith("flow") and not model.info.generative


async def test_a_base_url_means_openai() -> None:
    llm = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    model = catalog.build_chat_model(Settings(llm=llm), None)
    assert isinstance(model, OpenAIChatModel)
    await model.aclose()
    for missing, sentence in [("base_url", "needs one"), ("model", "name of a model")]:
        part = {"engine": "openai", **llm, missing: ""}
        with pytest.raises(SettingsError, match=sentence):
            catalog.build_chat_model(Settings(llm=part), None)


@pytest.mark.parametrize(
    ("section", "name", "sentence"),
    [
        ("stt", "wisper", r"stt\.engine: unknown engine 'wisper'; did you mean 'whisper'\?"),
        ("stt", "their", "did you mean 'theirs'"),
        ("llm", "opnai", "did you mean 'openai'"),
        ("tts", "espek", "did you mean 'espeak'"),
        ("stt", "gone", "cannot import 'gone'"),
        ("stt", "import:no_such_module:make", "cannot import"),
        ("llm", "import:their_engines:nothing_here", "cannot import"),
        ("llm", "import:their_engines", "cannot import"),
        ("tts", "import:their_engines:nothing", "is no Synthesizer"),
        ("stt", "import:their_engines:nothing", "is no Transcriber"),
        ("llm", "import:their_engines:broken", "could not be made: OSError: no weights"),
    ],
)
def test_mistakes_are_named(section: str, name: str, sentence: str) -> None:
    chosen = Settings.model_validate({section: {"engine": name}})
    build = {
        "stt": catalog.build_transcriber,
        "llm": lambda settings: catalog.build_chat_model(settings, None),
        "tts": catalog.build_synthesizers,
    }[section]
    with pytest.raises(SettingsError, match=sentence):
        build(chosen)
