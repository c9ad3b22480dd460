"""The telephone door over real sockets, with Twilio's side in ``twilio_side.py``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
import websockets

from selam_agent import events
from selam_agent.app import App
from selam_agent.audio.pcm import g711_encode
from selam_agent.session.session import Session
from tests.clients.twilio_side import calling, ring, signed
from tests.fakes import FakeChatModel, FakeSynthesizer, silence, speech
from tests.wire.doors import KEY, SteadyTranscriber, running, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTH = "a-twilio-auth-token"
PUBLIC = "https://agent.example"
LONG = "one two three four five six seven eight nine ten eleven twelve."


def mulaw(pcm16k: bytes) -> bytes:
    return g711_encode(np.frombuffer(pcm16k, np.int16)[::2], "pcmu")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    engines = scripted(
        transcriber=SteadyTranscriber("please wait now"),
        chat_model=FakeChatModel(lambda request: f"You said {request.messages[-1].content}.", delay=0.01),
        synthesizers={"espeak": FakeSynthesizer(delay=0.01, ms_per_word=150)},
    )
    twilio = {"auth_token": AUTH, "greeting": LONG, "voice": "andrew"}
    path = tmp_path_factory.mktemp("twilio")
    async with running(path, engines=engines, sections={"twilio": twilio}) as app:
        yield app


def session_of(app: App) -> Session:
    (session,) = app.registry.sessions.values()
    return session


async def test_a_call_that_is_interrupted(app: App) -> None:
    status, address, parameters = await ring(f"{app.url}/twilio/voice?voice=james", AUTH)
    assert status == 200 and address == app.url.replace("http", "ws") + "/twilio"
    assert parameters["voice"] == "james" and parameters["token"].startswith("tmp-selam-")
    async with calling(address, parameters) as phone:
        await phone.until(lambda: len(phone.heard) > 9_000)
        session = session_of(app)
        assert session.config.voice == "andrew" and session.config.output_format == "pcmu"
        phone.say(mulaw(speech(700) + silence(800)))
        await phone.until(lambda: phone.clears)
        await asyncio.sleep(0.05)
        heard = session._actor._replies.history.messages[0]
        # A word counts when its middle has been heard: within one word of what the phone has played.
        frames = np.frombuffer(bytes(phone.heard), np.uint8).reshape(-1, 160)
        played_ms = 20 * int((frames.min(axis=1) != 0xFF).sum())
        assert heard.interrupted and LONG.startswith(heard.content)
        assert abs(len(heard.content.split()) * 150 - played_ms) <= 150
        await phone.until(lambda: "You said please wait now." in _answers(session))
    await asyncio.wait_for(session.ended.wait(), 5)


def _answers(session: Session) -> list[str]:
    messages = session._actor._replies.history.messages
    return [each.content for each in messages if each.role == "assistant"]


async def test_keys_become_words(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    async with calling(address, parameters) as phone:
        await phone.until(lambda: len(phone.heard) > 3_000)
        session = session_of(app)
        await phone.press("0911")
        await phone.press("22#")
        await phone.until(lambda: "You said 091122." in _answers(session))
        await phone.press("7")
        await phone.until(lambda: "You said 7." in _answers(session))
        assert phone.clears == 1
    await asyncio.wait_for(session.ended.wait(), 5)


async def test_who_is_not_twilio_is_refused(app: App) -> None:
    url = f"{app.url}/twilio/voice"
    assert (await ring(url, AUTH, signature="wrong"))[0] == 403
    assert (await ring(url, "another account"))[0] == 403
    assert (await ring(url, AUTH, signature=signed(AUTH, url, {})))[0] == 403


async def test_a_token_opens_one_call(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    async with calling(address, parameters) as phone:
        await phone.until(lambda: phone.got)
        session = session_of(app)
    await asyncio.wait_for(session.ended.wait(), 5)
    for given in (parameters, {}, {"token": "tmp-selam-wrong"}, {"token": KEY}):
        async with calling(address, given) as phone:
            await asyncio.wait_for(phone.socket.wait_closed(), 5)
            assert phone.socket.close_code == 1008 and not app.registry.sessions


WRONG = (
    ("agent=agent_unknown", "agent_not_found", "agent_unknown"),
    ("voice=nobody", "unknown_voice", "nobody"),
    ("language=xx", "unknown_language", "xx"),
    ("language=am&voice=aria", "voice_language_mismatch", "aria"),
)


@pytest.mark.parametrize(("choice", "code", "named"), WRONG)
async def test_a_wrong_choice_is_said_before_the_call(app: App, choice: str, code: str, named: str) -> None:
    status, text, _ = await ring(f"{app.url}/twilio/voice?{choice}", AUTH)
    error = json.loads(text)["error"]
    assert (status, error["type"], error["code"]) == (400, "validation_error", code), error
    assert named in error["message"]
    # One who makes up the parameters of the stream is still refused.
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    wrong = dict(each.split("=") for each in choice.split("&"))
    async with calling(address, parameters | wrong) as phone:
        await asyncio.wait_for(phone.socket.wait_closed(), 5)
        assert phone.socket.close_code == 1008 and not app.registry.sessions


async def test_a_stream_with_a_wrong_signature_is_refused(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    for wrong in ("wrong", signed("another account", address, {}), signed(AUTH, f"{address}/", {})):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with calling(address, parameters, **{"X-Twilio-Signature": wrong}):
                pass
        assert refusal.value.response.status_code == 403
    # None of them has used up the token.
    async with calling(address, parameters, **{"X-Twilio-Signature": signed(AUTH, address, {})}) as phone:
        await phone.until(lambda: phone.got)
        session = session_of(app)
    await asyncio.wait_for(session.ended.wait(), 5)


async def test_a_language_brings_its_voice(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice?language=so", AUTH)
    async with calling(address, parameters) as phone:
        await phone.until(lambda: phone.got)
        session = session_of(app)
        assert (session.config.voice, session.config.language) == ("ubax", "so")
    await asyncio.wait_for(session.ended.wait(), 5)


async def test_an_agent_answers(app: App) -> None:
    key = app.keys.check(KEY)
    body = {"system_prompt": "", "voice": {"voice_id": "mekdes"}, "greeting": "ሰላም ነው።", "language": "am"}
    agent = await app._doors._agents.create(key.id, "Desk", body)
    _, address, parameters = await ring(f"{app.url}/twilio/voice?agent={agent.id}", AUTH)
    async with calling(address, parameters) as phone:
        await phone.until(lambda: phone.got)
        session = session_of(app)
        assert (session.config.voice, session.config.greeting) == ("mekdes", "ሰላም ነው።")
    await asyncio.wait_for(session.ended.wait(), 5)


async def test_as_many_calls_as_there_may_be(app: App) -> None:
    _, address, first = await ring(f"{app.url}/twilio/voice", AUTH)
    _, _, second = await ring(f"{app.url}/twilio/voice", AUTH)
    app._doors.twilio._settings = app.settings.twilio.model_copy(update={"max_calls": 1})
    try:
        async with calling(address, first) as phone:
            await phone.until(lambda: phone.got)
            session = session_of(app)
            async with calling(address, second) as other:
                await asyncio.wait_for(other.socket.wait_closed(), 5)
                assert other.socket.close_code == 1008
        await asyncio.wait_for(session.ended.wait(), 5)
    finally:
        app._doors.twilio._settings = app.settings.twilio


async def test_nonsense_is_passed_over(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    async with calling(address, parameters) as phone:
        for text in ("{", "7", "{}", '{"event": "media"}', '{"event": "dtmf", "dtmf": {"digit": 3}}'):
            await phone.socket.send(text)
        await phone.send("media", media={"track": "inbound", "payload": "?"})
        await phone.send("mark", mark={"name": "somebody else's"})
        await phone.until(lambda: phone.got)
        session = session_of(app)
    await asyncio.wait_for(session.ended.wait(), 5)


async def test_the_public_address_is_what_is_signed(tmp_path_factory: pytest.TempPathFactory) -> None:
    sections = {"twilio": {"auth_token": AUTH}}
    path = tmp_path_factory.mktemp("public")
    async with running(path, sections=sections, public_url=PUBLIC) as app:
        url = f"{app.url}/twilio/voice?language=am"
        assert (await ring(url, AUTH))[0] == 403
        form = {"CallSid": "CA1", "From": "+251911000000", "To": "+251911000001"}
        right = signed(AUTH, f"{PUBLIC}/twilio/voice?language=am", form)
        status, address, _ = await ring(url, AUTH, signature=right)
        assert status == 200 and address == "wss://agent.example/twilio"


async def test_without_a_token_there_is_no_such_door(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with running(tmp_path_factory.mktemp("off")) as app:
        assert (await ring(f"{app.url}/twilio/voice", AUTH))[0] == 404


async def test_the_model_may_end_the_call() -> None:
    """``end_call`` closes the connection, after which Twilio goes on with its own document."""
    from selam_agent.wire.twilio.call import Call

    class Socket:
        code: int | None = None

        def close(self, code: int = 1000, reason: str = "") -> None:
            self.code = code

    socket = Socket()
    Call(socket, None).send(events.SessionEnded(session_id="sess_1", reason="agent"))  # type: ignore[arg-type]
    assert socket.code == 1000
