"""Keys pressed during a telephone call reach a flow that asks for digits; on the virtual clock."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from selam_agent import events
from selam_agent.engines.flow import FlowModel
from selam_agent.wire.twilio.call import Call
from tests.engines.test_flow_format import GOOD, write
from tests.session.calls import PACKS, call
from tests.virtual_clock import run


def test_keys_fill_a_slot_of_digits(tmp_path: Path) -> None:
    flow = FlowModel(write(tmp_path, GOOD), PACKS)

    async def story() -> None:
        async with call(llm=flow, language="en") as it:  # type: ignore[arg-type]
            phone = Call(None, None)  # type: ignore[arg-type]
            phone._session = it.session
            for number, said in enumerate(("I want a pizza.", "Small.", "3"), 1):
                it.session.text_input(said)
                await it.until(events.AudioEnd, number)
            assert it.outlet.all(events.Response)[-1].text == "Your number?"
            for digit in "091122":
                await asyncio.sleep(1)
                await phone.receive(json.dumps({"event": "dtmf", "dtmf": {"digit": digit}}))
            await it.until(events.AudioEnd, 4)
            assert it.outlet.all(events.Transcription)[-1].text == "091122"
            assert it.outlet.all(events.Response)[-1].text == "Will you fetch it?"

    run(story())
