"""The same language in another region: its clock and calendar, from the wish to the model; virtual clock."""

from __future__ import annotations

import pytest

from selam_agent import events
from tests.fakes import FakeSynthesizer, talk
from tests.session.calls import TURN, call
from tests.virtual_clock import run


@pytest.mark.parametrize(
    ("locale", "zone", "told"),
    [
        ("ti-ER", "Africa/Asmara", "Friday 2026-11-20 11:00+03:00."),
        ("ti-ET", "Africa/Addis_Ababa", "11:00+03:00; here people say: ዓርቢ፣ 11 ሕዳር 2019፣ ንግሆ ሰዓት 5"),
        ("", "Africa/Addis_Ababa", "11:00+03:00; here people say: ዓርቢ፣ 11 ሕዳር 2019፣ ንግሆ ሰዓት 5"),
        # Another language's: this one's usual.
        ("am-ER", "Africa/Addis_Ababa", "11:00+03:00; here people say: ዓርቢ፣ 11 ሕዳር 2019፣ ንግሆ ሰዓት 5"),
    ],
)
def test_the_model_is_told_the_time_of_the_region(locale: str, zone: str, told: str) -> None:
    async def story() -> None:
        async with call("ሰዓት ክንደይ ኣሎ?", voice="sami", language="ti", locale=locale) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            request = it.llm.requests[-1]
            assert request.preamble is not None and told.rstrip(".") in request.preamble
            assert ("here people say" in request.preamble) is ("here" in told)
            assert str(request.now.tzinfo) == zone and request.language == "ti"
            assert request.locale == ("ti-ER" if locale == "ti-ER" else "ti-ET")

    run(story())


def test_dates_are_read_in_the_calendar_of_the_region() -> None:
    async def story() -> None:
        tts = FakeSynthesizer()
        async with call(
            tts=tts, voice="sami", language="ti", locale="ti-ER", greeting="ሎሚ 2026-11-20 እዩ።"
        ) as it:
            await it.until(events.AudioEnd)
            assert "ዕስራ ሕዳር" in tts.requests[0].text

    run(story())
