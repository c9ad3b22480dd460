"""Chromium, driven over its DevTools protocol: one process for all tests of the page.

The fake microphone plays one WAV file, read anew whenever a page opens the microphone; ``Chromium.hears``
exchanges it. Every test gets a browser context of its own, so no storage is shared.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from selam_agent.ports import Pcm16
from tests.clients.tools import need_chromium

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--mute-audio",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP selam.test 127.0.0.1",  # a name that is not this machine's own
)


class Chromium:
    """The process. ``endpoint``: its DevTools address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound = folder / "microphone.wav"
        self.hears()
        self._process = subprocess.Popen(
            [
                need_chromium(),
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--use-file-for-fake-audio-capture={self._sound}%noloop",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.endpoint = self._wait_for_port()

    def hears(self, pcm: Pcm16 | None = None, rate: int = 16_000) -> None:
        """The next page that opens the microphone hears this, int16 [n], then silence."""
        with wave.open(str(self._sound), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(rate) if pcm is None else pcm.astype("<i2").tobytes())

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait_for_port(self) -> str:
        written = self._folder / "DevToolsActivePort"
        for _ in range(300):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, ValueError):
                port, path = written.read_text().split()
                return f"ws://127.0.0.1:{port}{path}"
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("Chromium did not start")


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Starts Chromium and kills it, with all its children, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="selam-chromium-"))
    browser = Chromium(folder)
    try:
        yield browser
    finally:
        browser.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Tab:
    """One page. ``problems``: console errors, exceptions and failed requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.session = ""
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json({**message, "sessionId": self.session} if self.session else message)
        return await asyncio.wait_for(self._answers[number], 20)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", answer)["description"])
        return answer["result"].get("value")

    async def until(self, condition: str, within: float = 10.0) -> Any:
        """Waits until an expression is true, and returns its value."""
        ends = time.monotonic() + within
        while time.monotonic() < ends:
            if value := await self.run(condition):
                return value
            await asyncio.sleep(0.05)
        seen = await self.run("document.body.innerText")
        raise AssertionError(f"never: {condition}\n{seen}\n{self.problems}")

    async def click(self, selector: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def mouse(self, kind: str, selector: str) -> None:
        x, y = await self.run(
            f"(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def key(self, kind: str, key: str = " ", code: str = "Space") -> None:
        await self.send(
            "Input.dispatchKeyEvent", type=kind, key=key, code=code, text=key if kind == "keyDown" else ""
        )

    async def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        data = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(data["data"])

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            data = message.json()
            if "id" in data:
                answer = self._answers.pop(data["id"])
                if not answer.done():
                    if "error" in data:
                        answer.set_exception(AssertionError(str(data["error"])))
                    else:
                        answer.set_result(data["result"])
            else:
                self._note(data["method"], data["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append("console: " + str([each.get("value") for each in params["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.problems.append("exception: " + str(params["exceptionDetails"].get("exception")))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            self.problems.append(f"request failed: {params['errorText']}")
        elif method == "Network.responseReceived" and params["response"]["status"] >= 400:
            self.problems.append(f"{params['response']['status']}: {params['response']['url']}")


@asynccontextmanager
async def tab(
    browser: Chromium, url: str, *, width: int = 1280, height: int = 860, **media: str
) -> AsyncIterator[Tab]:
    """A page at ``url`` in a browser context of its own; ``media``: features such as a colour scheme."""
    async with aiohttp.ClientSession() as http, http.ws_connect(browser.endpoint, max_msg_size=0) as socket:
        page = Tab(socket)
        try:
            context = (await page.send("Target.createBrowserContext"))["browserContextId"]
            target = await page.send("Target.createTarget", url="about:blank", browserContextId=context)
            attached = await page.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Runtime", "Log", "Network", "Page"):
                await page.send(f"{domain}.enable")
            features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
            await page.send("Emulation.setEmulatedMedia", features=features)
            await page.send(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=width < 600,
            )
            await page.send("Page.navigate", url=url)
            await page.until("document.body?.dataset.ready === ''")
            yield page
            page.session = ""
            await page.send("Target.disposeBrowserContext", browserContextId=context)
        finally:
            await page.close()
