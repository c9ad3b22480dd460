from __future__ import annotations

from selam_agent.events import AudioChunk, Event, Notice
from selam_agent.session.line import Line


class Sent(list[Event]):
    send = list.append


def chunk(index: int) -> AudioChunk:
    return AudioChunk(
        audio=b"",
        format="pcm16",
        sample_rate=16_000,
        index=index,
        duration_ms=40,
        text="",
        turn_id=1,
        reply_id="r",
    )


def test_a_record_sees_the_first_chunk_of_a_reply_and_the_client_all() -> None:
    sent, record = Sent(), Sent()
    line = Line(sent, record=record.append)
    said = [chunk(0), chunk(1), Notice(code="any", message=""), chunk(2), chunk(0)]
    for event in said:
        line.send(event)
    assert sent == said
    assert record == [said[0], said[2], said[4]]


def test_audio_is_not_kept_for_a_client_that_is_away() -> None:
    sent, later = Sent(), Sent()
    line = Line(sent)
    line.cut()
    missed = Notice(code="any", message="")
    for event in (chunk(0), missed):
        line.send(event)
    back = Notice(code="back", message="")
    line.connect(later, back)
    assert not sent and later == [back, missed]
