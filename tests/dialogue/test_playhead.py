from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from selam_agent.dialogue.playhead import SpokenText
from selam_agent.ports import Word


def two_fragments() -> SpokenText:
    spoken = SpokenText()
    spoken.begin("Good morning, friend. ", 0)
    spoken.words([Word("Good", 0, 200), Word("morning,", 200, 600), Word("friend.", 600, 1000)])
    spoken.end(1100)
    spoken.begin("Come in.", 1100)
    spoken.words([Word("Come", 0, 200), Word("in.", 200, 400)])
    spoken.end(1500)
    return spoken


def test_a_word_is_heard_when_its_middle_was_played() -> None:
    spoken = two_fragments()
    assert spoken.heard(0) == ""
    assert spoken.heard(100) == "Good"
    assert spoken.heard(399) == "Good"
    assert spoken.heard(400) == "Good morning,"
    assert spoken.heard(1100) == "Good morning, friend."
    assert spoken.heard(1250) == "Good morning, friend. Come"
    assert spoken.heard(float("inf")) == "Good morning, friend. Come in."


def test_without_word_times_the_text_is_spread_over_the_sound() -> None:
    spoken = SpokenText()
    spoken.begin("one two three four", 0)
    spoken.end(1000)
    assert spoken.heard(0) == ""
    assert spoken.heard(500) == "one two"
    assert spoken.heard(1000) == "one two three four"


def test_a_fragment_still_being_made_counts_by_its_words() -> None:
    spoken = SpokenText()
    spoken.begin("one two three", 0)
    spoken.words([Word("one", 0, 100), Word("two", 100, 200)])
    assert spoken.heard(160) == "one two"


def test_chunks_carry_their_text_and_words_once() -> None:
    spoken = two_fragments()
    ends = range(300, 1501, 300)
    assert [spoken.next_text(end) for end in ends] == ["Good morning,", "", " friend.", " Come", " in."]
    spoken = two_fragments()
    assert [[word.text for word in spoken.next_words(end)] for end in ends] == [
        ["Good", "morning,"],
        [],
        ["friend."],
        ["Come"],
        ["in."],
    ]
    assert spoken.next_words(1500) == ()


def test_a_word_that_becomes_known_late_comes_with_the_next_chunk() -> None:
    spoken = SpokenText()
    spoken.begin("one two", 0)
    assert spoken.next_text(300) == "" and spoken.next_words(300) == ()
    spoken.words([Word("one", 0, 200), Word("two", 200, 400)])
    spoken.end(400)
    assert spoken.next_text(400) == "one two"
    assert [word.text for word in spoken.next_words(400)] == ["one", "two"]


@given(st.data())
def test_however_chunks_fall_each_word_is_told_once_and_the_text_is_whole(data: st.DataObject) -> None:
    """With words that come late, engines that hand over in mid-fragment, and phrases that are said again."""
    spoken, text, words, now_ms = SpokenText(), "", 0, 0
    told, told_words = "", []

    def tell(ms: float) -> None:
        nonlocal told
        told += spoken.next_text(ms)
        told_words.extend(spoken.next_words(ms))

    for _ in range(data.draw(st.integers(1, 4))):
        left = [f"w{words + n}" for n in range(data.draw(st.integers(1, 5)))]
        words += len(left)
        text += (fragment := " ".join(left) + " ")
        spoken.begin(fragment, now_ms)
        begun_ms, timed = now_ms, data.draw(st.booleans())
        while left:
            if data.draw(st.booleans()):
                tell(data.draw(st.integers(0, now_ms)))
            if data.draw(st.integers(0, 4)) == 0:
                # Another engine goes on with the words that are left, the one just begun among them.
                if timed and now_ms > begun_ms:
                    spoken.words([Word(left[0], now_ms - begun_ms - 50, now_ms - begun_ms)])
                    tell(now_ms)
                fragment, rest = fragment.split(left[0])[0], left[0] + fragment.split(left[0])[1]
                spoken.cut(len(fragment), now_ms)
                fragment, begun_ms = rest, now_ms
                spoken.begin(fragment, now_ms)
            if timed:
                at = now_ms - begun_ms
                spoken.words([Word(left[0], at, at + 200)])
            left.pop(0)
            now_ms += 200
        spoken.end(now_ms)
        assert text.startswith(told)
    tell(now_ms)
    assert told == text == spoken.heard(now_ms) + " "
    starts = [word.start_ms for word in told_words]
    assert starts == sorted(starts) and len({word.text for word in told_words}) == len(told_words)
