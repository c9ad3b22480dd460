from __future__ import annotations

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
