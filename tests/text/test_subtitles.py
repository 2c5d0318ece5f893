"""Subtitles and the other forms of a transcript: worked by hand, and properties."""

from __future__ import annotations

import html
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2vec2_tf.text import subtitles
from wav2vec2_tf.text.subtitles import FORMATS, clock, cues
from wav2vec2_tf.text.transcript import Character, Transcript, Word

LINE = 42


def words_from(text: str, start: float = 0.0, each: float = 0.3, pause: float = 0.05) -> list[Word]:
    """Returns the words of a text, one after another in time."""
    words = []
    for word in text.split():
        words.append(Word(word, start, start + each, 0.5))
        start += each + pause
    return words


def transcript(words: list[Word]) -> Transcript:
    return Transcript(" ".join(word.text for word in words), tuple(words))


def words_of(drawn: list[tuple[int, int, int, bool]]) -> list[Word]:
    """Returns words from (letters, frames before it, frames per letter, whether timed)."""
    words = []
    at = 0
    for length, before, each, timed in drawn:
        at += before
        places = [at + index * each for index in range(length + 1)]
        at = places[-1]
        letters = tuple(
            Character("abcdefghij"[index % 10], start / 50, (end - (each > 1)) / 50, 0.5)
            for index, (start, end) in enumerate(pairwise(places))
        )
        text = "".join(letter.text for letter in letters)
        kept = letters if timed else ()
        words.append(Word(text, letters[0].start, letters[-1].end, 0.5, kept))
    return words


def spoken() -> st.SearchStrategy[list[Word]]:
    lengths = st.integers(1, 12) | st.integers(30, 120)
    pauses = st.integers(0, 10) | st.integers(0, 300)
    one = st.tuples(lengths, pauses, st.integers(1, 4), st.booleans())
    return st.lists(one, max_size=25).map(words_of)


@settings(deadline=None)
@given(spoken())
def test_what_holds_of_all_subtitles(words: list[Word]) -> None:
    seconds = (words[-1].end if words else 0.0) + 0.5
    made = cues(words, seconds)
    for cue in made:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= 42 and line == line.strip() for line in cue.lines)
        assert 0 <= cue.start < cue.end <= seconds
        assert cue.end - cue.start <= 7 + 1e-9
    for one, other in pairwise(made):
        assert one.end <= other.start + 1e-9
        assert one.end <= other.start - 0.08 + 1e-9 or other.start - one.start <= 0.1
    # all letters are there, in order
    letters = "".join(line for cue in made for line in cue.lines).replace(" ", "")
    assert letters == "".join(word.text for word in words)
    # words that fit on a line are not split
    parts = iter(part for cue in made for line in cue.lines for part in line.split())
    assert all(word.text in parts for word in words if len(word.text) <= LINE)


@settings(deadline=None)
@given(spoken())
def test_a_subtitle_starts_with_its_first_word_and_stays_until_its_last(words: list[Word]) -> None:
    words = [word for word in words if len(word.text) <= 42]
    made = cues(words, 1e6)
    left = list(words)
    for index, cue in enumerate(made):
        count = sum(len(line.split()) for line in cue.lines)
        own, left = left[:count], left[count:]
        assert cue.start == own[0].start
        assert all(b.start - a.end < 2 for a, b in pairwise(own))
        following = made[index + 1].start if index + 1 < len(made) else 1e6
        assert cue.end >= min(own[-1].end, cue.start + 7, following - 0.08) - 1e-9
        wanted = max(1.0, sum(map(len, cue.lines)) / 17)  # reading time before silence
        assert cue.end >= min(cue.start + min(wanted, 7), following - 0.08) - 1e-9
    assert not left


def test_lines_are_alike_and_the_second_is_the_longer() -> None:
    (cue,) = cues(words_from("in the beginning god created the heaven and the earth", each=0.2), 20)
    assert cue.lines == ("in the beginning god created", "the heaven and the earth")
    (cue,) = cues(words_from("aaaa " * 10, each=0.2), 20)
    assert cue.lines == (" ".join(["aaaa"] * 5),) * 2


def test_subtitles_end_at_pauses() -> None:
    first, second = "one two three four five six", "seven eight nine ten eleven"
    words = words_from(first, each=0.2) + words_from(second, start=2.4, each=0.2)
    assert [cue.lines for cue in cues(words, 30)] == [(first,), (second,)]
    (cue,) = cues(words_from("a b") + words_from("c", start=1.0), 30)  # a short one does not
    assert cue.lines == ("a b c",)
    assert len(cues(words_from("a") + words_from("b", start=2.35), 30)) == 2  # two seconds do


def test_times_worked_by_hand() -> None:
    words = [Word("yes", 1.0, 1.2, 1.0), Word("no", 5.0, 5.2, 1.0)]
    assert [(cue.start, cue.end) for cue in cues(words, 5.5)] == [(1.0, 2.0), (5.0, 5.5)]
    words = [Word("yes", 0.0, 0.5, 1.0), Word("no", 2.5, 2.55, 1.0), Word("so", 5.0, 20.0, 1.0)]
    assert [cue.end for cue in cues(words, 30)] == [1.0, 3.5, 12.0]  # no longer than 7 s


def test_a_text_without_spaces_is_broken_at_its_characters() -> None:
    letters = tuple(Character("語", i * 0.2, i * 0.2 + 0.1, 1.0) for i in range(100))
    word = Word("語" * 100, 0.0, letters[-1].end, 1.0, letters)
    made = cues([word], 20)
    assert [letter for cue in made for letter in "".join(cue.lines)] == ["語"] * 100
    starts = {letter.start for letter in letters}
    assert all(cue.start in starts and cue.end - cue.start <= 7 for cue in made)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "00:00:00,000"),
        (59.9994, "00:00:59,999"),
        (59.9996, "00:01:00,000"),
        (3661.25, "01:01:01,250"),
        (360000.0, "100:00:00,000"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds, ",") == text


def test_forms() -> None:
    letters = (Character("é", 0.1, 0.2, 0.5), Character("<", 0.3, 0.4, 1.0))
    transcript = Transcript(
        "é< b&", (Word("é<", 0.1, 0.4, 0.75, letters), Word("b&", 0.5, 0.625, 0.25))
    )
    made = {name: write("talk.wav", 2.0, transcript) for name, write in FORMATS.items()}
    assert made["txt"] == "é< b&\n"
    assert made["srt"] == "1\n00:00:00,100 --> 00:00:01,100\né< b&\n"
    assert made["vtt"] == "WEBVTT\n\n00:00:00.100 --> 00:00:01.100\né&lt; b&amp;\n"
    assert made["tsv"] == (
        "start\tend\tconfidence\tword\n0.100\t0.400\t0.7500\té<\n0.500\t0.625\t0.2500\tb&\n"
    )
    assert made["json"].count("\n") == 1
    read = json.loads(made["json"])
    assert {"file": "talk.wav", "seconds": 2.0, "text": "é< b&"}.items() <= read.items()
    assert read["words"][0]["characters"][1] == {
        "text": "<",
        "start": 0.3,
        "end": 0.4,
        "confidence": 1.0,
    }


def test_forms_of_silence() -> None:
    made = {name: write("a", 1.0, Transcript("", ())) for name, write in FORMATS.items()}
    assert made["txt"] == "\n"
    assert made["srt"] == ""
    assert made["vtt"] == "WEBVTT\n"
    assert made["tsv"].count("\n") == 1
    assert json.loads(made["json"])["words"] == []


@settings(deadline=None)
@given(spoken())
def test_subtitle_files_parse_and_say_all(words: list[Word]) -> None:
    srt = subtitles.to_srt("a", 1e5, transcript(words))
    blocks = [block.split("\n") for block in srt.rstrip("\n").split("\n\n") if block]
    times = []
    for number, (index, line, *text) in enumerate(blocks, start=1):
        assert index == str(number)
        assert 1 <= len(text) <= 2
        found = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", line)
        assert found
        hours, minutes, seconds, thousandths, *end = map(int, found.groups())
        times.append(((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths)
        times.append(((end[0] * 60 + end[1]) * 60 + end[2]) * 1000 + end[3])
    assert times == sorted(times)
    vtt = subtitles.to_vtt("a", 1e5, transcript(words))
    lines = [line for line in vtt.split("\n")[1:] if line and " --> " not in line]
    assert html.unescape("".join(lines)).replace(" ", "") == "".join(word.text for word in words)
