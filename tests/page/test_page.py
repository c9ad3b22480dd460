"""The page in Chromium, against a server with the built-in engines, as a person would use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio

from selam_agent.ports import Pcm16
from selam_agent.programs.caller_voice import Line, speak_lines
from selam_agent.programs.local_server import LocalServer, local_server
from tests.clients.tools import AXE_JS, need_chromium, need_node
from tests.page.browser import Chromium, Tab, chromium, tab
from tests.page.network import network

pytestmark = pytest.mark.asyncio(loop_scope="session")
RATE = 16_000
LINES = ("Hello.", "I want to book an appointment.", "Stop.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    need_chromium()
    with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[LocalServer]:
    async with local_server() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def voice() -> dict[str, Pcm16]:
    """The caller's lines, int16 [n] at 16 kHz."""
    spoken = await speak_lines([Line(text, "en-us+m7", pitch=45) for text in LINES])
    return dict(zip(LINES, spoken, strict=True))


def recording(*parts: Pcm16 | float) -> Pcm16:
    """Sounds, and silences in seconds."""
    return np.concatenate(
        [np.zeros(round(part * RATE), np.int16) if isinstance(part, float) else part for part in parts]
    )


async def start(page: Tab, key: str, mode: str, language: str = "en") -> None:
    await page.run(f"document.querySelector('input[name=language][value={language}]').click()")
    await page.run(f"document.querySelector('input[name=mode][value={mode}]').click()")
    await page.run(f"document.querySelector('#key').value = {json.dumps(key)}")
    await page.click("#start")
    await page.until("document.body.dataset.state === 'call'")


async def said(page: Tab, who: str, text: str, count: int = 1) -> None:
    """Waits for the ``count``-th line of that speaker that contains the text."""
    lines = f"[...document.querySelectorAll('#lines .{who}:not(.interim) p')]"
    await page.until(f"{lines}.filter((p) => p.textContent.includes({json.dumps(text)})).length >= {count}")


async def chip(page: Tab, text: str) -> None:
    await page.run(
        f"[...document.querySelectorAll('.chip')].find((c) => c.textContent === {json.dumps(text)}).click()"
    )


async def quiet(page: Tab) -> None:
    """Waits until the agent has begun to speak, and is done."""
    await page.until("document.querySelector('#state').dataset.state === 'speaking'")
    await page.until("document.querySelector('#state').dataset.state !== 'speaking'")


async def test_a_conversation_by_voice(
    browser: Chromium, server: LocalServer, voice: dict[str, Pcm16]
) -> None:
    browser.hears(recording(1.2, voice["Hello."], 2.3, voice["I want to book an appointment."], 20.0))
    async with tab(browser, server.url) as page:
        await start(page, server.api_key, "free")
        await said(page, "caller", "Hello.")
        await said(page, "agent", "How can I help?")
        await page.until("document.querySelector('#meter').style.getPropertyValue('--level') > 0.5")
        await said(page, "caller", "I want to book an appointment.")
        await said(page, "agent", "Which day?")
        await page.until("document.querySelector('.agent:last-child .heard').textContent === 'Which day?'")
        assert await page.run("document.querySelectorAll('#times li').length") == 2
        gaps = await page.run("selamAgent.stats.gaps.map((gap) => gap.ms)")
        print("gaps in the agent's voice (ms):", gaps)
        assert await page.run("document.querySelector('#engines').innerText.includes('fixed phrases')")
        assert "kB per minute" in await page.until("document.querySelector('#traffic').textContent")
        assert page.problems == []


async def test_a_conversation_by_chips_needs_no_microphone(browser: Chromium, server: LocalServer) -> None:
    async with network(server.url, jitter_s=0.1) as way, tab(browser, way.url) as page:
        await start(page, server.api_key, "none")
        await chip(page, "Hello.")
        await said(page, "caller", "Hello.")
        await said(page, "agent", "How can I help?")
        await quiet(page)
        await chip(page, "I want to see a doctor.")
        await said(page, "caller", "I want to see a doctor.")
        await said(page, "agent", "Which day?")
        assert await page.run("document.querySelector('.caller .tag').textContent") == "synthetic caller"
        await page.until("document.querySelector('#chips-now').textContent.includes('Monday.')")
        gaps = await page.run("selamAgent.stats.gaps.map((gap) => gap.ms)")
        print("gaps in the agent's voice at 100 ms of network jitter (ms):", gaps)
        assert not await page.run("selamAgent.floor.microphone.given")
        assert page.problems == []


async def test_little_data(browser: Chromium, server: LocalServer, voice: dict[str, Pcm16]) -> None:
    browser.hears(recording(1.2, voice["Hello."], 20.0))
    async with tab(browser, server.url) as page:
        await page.click("#low-data")
        await start(page, server.api_key, "free")
        await said(page, "caller", "Hello.")
        await said(page, "agent", "How can I help?")
        await page.until("document.querySelector('#state').dataset.state === 'speaking'")
        seconds = await page.run("performance.now() / 1000")
        sent, got = await page.run("[selamAgent.link.bytesUp, selamAgent.link.bytesDown]")
        print(f"low data: {sent / 1000:.0f} kB up, {got / 1000:.0f} kB down in {seconds:.1f} s")
        assert page.problems == []


async def test_the_caller_interrupts(browser: Chromium, server: LocalServer, voice: dict[str, Pcm16]) -> None:
    browser.hears(recording(2.0, *(voice["Stop."], 1.6) * 3, 20.0))
    async with tab(browser, server.url) as page:
        await start(page, server.api_key, "free")
        await page.run("selamAgent.link.send('text_input', { text: 'What can I say?' })")
        await page.until("document.querySelector('.agent.cut s.rest')?.textContent.length > 0")
        silence = await page.until("selamAgent.stats.silences.at(-1)")
        speech = await page.run("selamAgent.stats.firstVoiced.at(-1)")
        print(f"silent {silence['afterMs']:.0f} ms after the server's clear, measured in the worklet;")
        print(f"{silence['at'] - speech:.0f} ms after the page learnt of the caller's first voiced frame")
        heard = await page.run("document.querySelector('.agent.cut .heard').textContent")
        assert heard and page.problems == []


async def test_hold_to_talk_with_the_space_bar(
    browser: Chromium, server: LocalServer, voice: dict[str, Pcm16]
) -> None:
    browser.hears(recording(1.5, voice["Hello."], 20.0))
    async with tab(browser, server.url) as page:
        await start(page, server.api_key, "hold")
        await page.key("keyDown")
        await page.until("document.querySelector('#mic').ariaPressed === 'true'")
        await page.until("selamAgent.stats.firstVoiced.length")
        await asyncio.sleep(len(voice["Hello."]) / RATE + 0.8)
        assert await page.run("document.querySelectorAll('#lines .caller:not(.interim)').length") == 0
        await page.key("keyUp")
        await said(page, "caller", "Hello.")
        await said(page, "agent", "How can I help?")
        assert not await page.run("selamAgent.floor.microphone.sending")
        await page.mouse("mousePressed", "#mic")
        await page.until("selamAgent.floor.microphone.sending")
        await page.mouse("mouseReleased", "#mic")
        await page.until("!selamAgent.floor.microphone.sending")
        assert page.problems == []


async def test_a_refused_key_is_asked_for_again(browser: Chromium, server: LocalServer) -> None:
    async with tab(browser, server.url) as page:
        await page.run("document.querySelector('#key').value = 'sk-selam-wrong'")
        await page.click("#start")
        told = await page.until("document.querySelector('#key-error').textContent")
        assert "does not accept this key" in told
        assert await page.run("document.activeElement.id === 'key' && !sessionStorage.length")
        await start(page, server.api_key, "none")
        await page.click("#end")
        await page.until("!document.querySelector('#after').hidden")
        assert page.problems == []


async def test_the_one_time_link_opens_the_page_and_opens_it_again(
    browser: Chromium, server: LocalServer
) -> None:
    async with tab(browser, server.page) as page:
        assert await page.run("location.hash === '' && document.querySelector('#key-field').hidden")
        await start(page, "", "none")
        await page.send("Page.reload")
        await page.until("document.body?.dataset.state === 'idle'")
        await start(page, "", "none")
        assert page.problems == []
    async with tab(browser, server.page) as page:
        await page.click("#start")
        told = await page.until("document.querySelector('#key-error').textContent")
        assert "used or is too old" in told


async def test_without_https_the_page_says_what_to_do_and_takes_text(
    browser: Chromium, server: LocalServer
) -> None:
    async with tab(browser, server.url.replace("127.0.0.1", "selam.test")) as page:
        assert await page.run("document.querySelector('#insecure').innerText.includes('--tls auto')")
        await start(page, server.api_key, "none")
        await chip(page, "Hello.")
        await said(page, "agent", "How can I help?")
        assert page.problems == []


async def test_a_lost_connection_comes_back_to_its_conversation(
    browser: Chromium, server: LocalServer
) -> None:
    async with network(server.url) as way, tab(browser, way.url) as page:
        await start(page, server.api_key, "none")
        await page.run("selamAgent.link.send('text_input', { text: 'Hello.' })")
        await said(page, "agent", "How can I help?")
        way.cut()
        await page.until("document.querySelector('#line').dataset.state === 'line_lost'")
        way.broken = False
        await page.until("document.querySelector('#line').dataset.state === 'line_back'")
        await page.run("selamAgent.link.send('text_input', { text: 'I want to book an appointment.' })")
        await said(page, "agent", "Which day?")
        assert await page.run("document.querySelectorAll('#lines .caller').length") == 2


@pytest.mark.parametrize(
    "look", [{"prefers_color_scheme": "light"}, {"prefers_color_scheme": "dark", "width": 390}]
)
async def test_axe_finds_no_serious_fault(
    browser: Chromium, server: LocalServer, look: dict[str, object]
) -> None:
    need_node()
    script = AXE_JS.read_text(encoding="utf-8")
    async with tab(browser, server.url, **look) as page:  # type: ignore[arg-type]
        await page.run(script + ";0")
        await page.run("document.querySelector('#settings').open = true")
        faults = list(await page.run(AXE))
        await start(page, server.api_key, "none")
        await page.run("selamAgent.link.send('text_input', { text: 'Hello.' })")
        await said(page, "agent", "How can I help?")
        await page.run("document.querySelector('#chips-more').open = true")
        faults += await page.run(AXE)
        assert faults == []


AXE = """axe.run().then(({ violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary])))"""
