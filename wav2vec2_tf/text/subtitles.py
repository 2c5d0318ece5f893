"""Writes transcripts as plain text, JSON, subtitles (SubRip, WebVTT) and tables of words.

Subtitles follow common guidelines (Netflix's Timed Text Style Guide, BBC's Subtitle Guidelines): up
to two lines of 42 characters, of similar length, for one to seven seconds, with a gap between
subtitles.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate

from wav2vec2_tf.text.transcript import Character, Transcript, Word

LINE_CHARACTERS = 42
LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0
"""Least duration of a subtitle, if the next one leaves the time."""
GAP_SECONDS = 0.08
"""Two frames at 25 frames a second, so that the eye sees the text change."""
CHARACTERS_A_SECOND = 17
"""Reading speed."""
LONG_PAUSE_SECONDS = 2.0
"""No subtitle extends over a pause as long as this."""
PAUSE_REWARD = 2.0
"""Reward for a second of pause after a subtitle; a subtitle costs 1."""
INSIDE_WORD_COST = 0.5
"""Cost of a subtitle that starts within a word."""


@dataclass(frozen=True)
class Cue:
    """One subtitle."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    lines: tuple[str, ...]
    text: str
    """Its lines as one."""
    characters: tuple[Character, ...]
    """Characters of its words, as far as their times are known."""


@dataclass(frozen=True)
class _Piece:
    """A text that is never broken: a word, or a character of a word longer than a line."""

    text: str
    start: float
    end: float
    characters: tuple[Character, ...] = ()
    joined: bool = False
    """Whether it continues a word, without a space before it."""


def cues(words: Sequence[Word], seconds: float) -> list[Cue]:
    """Returns the subtitles of all words of a recording that lasts `seconds`, in order."""
    pieces = _Pieces([piece for word in words for piece in _pieces(word)])
    result = []
    for first, end in pieces.grouped():
        lines, text = pieces.lines(first, end), pieces.text(first, end)
        characters = tuple(c for piece in pieces[first:end] for c in piece.characters)
        start, spoken_until = pieces[first].start, pieces[end - 1].end
        following = pieces[end].start if end < len(pieces) else seconds
        gap = GAP_SECONDS if end < len(pieces) else 0.0
        reading = max(SHORTEST_SECONDS, sum(map(len, lines)) / CHARACTERS_A_SECOND)
        until = max(spoken_until, start + reading)
        until = min(until, start + LONGEST_SECONDS, following - gap)
        if until <= start:  # there is no time for a gap
            until = min(spoken_until, following)
        result.append(Cue(start, until, lines, text, characters))
    return result


def _pieces(word: Word) -> Iterator[_Piece]:
    if len(word.text) <= LINE_CHARACTERS:
        yield _Piece(word.text, word.start, word.end, word.characters)
        return
    letters = [_Piece(c.text, c.start, c.end, (c,)) for c in word.characters]
    if "".join(letter.text for letter in letters) != word.text:
        # characters without times: spread evenly
        each = (word.end - word.start) / len(word.text)
        times = [word.start + index * each for index in range(len(word.text) + 1)]
        letters = [_Piece(*letter) for letter in zip(word.text, times, times[1:], strict=False)]
    for index, letter in enumerate(letters):
        yield replace(letter, joined=index > 0)


class _Pieces(list[_Piece]):
    """All pieces of a recording, to be divided into subtitles and lines."""

    def __init__(self, pieces: Iterable[_Piece]) -> None:
        super().__init__(pieces)
        widths = (len(piece.text) + (not piece.joined) for piece in self)
        self._ends = list(accumulate(widths, initial=0))  # with the spaces before pieces
        self._reach: list[int] = []  # for each piece, the end of a line that starts with it
        end = 0
        for first in range(len(self)):
            end = max(end, first + 1)
            while end < len(self) and self.width(first, end + 1) <= LINE_CHARACTERS:
                end += 1
            self._reach.append(end)

    def width(self, first: int, end: int) -> int:
        """Returns the characters of the pieces from `first` to before `end`, as one line."""
        return self._ends[end] - self._ends[first] - (not self[first].joined) if first < end else 0

    def text(self, first: int, end: int) -> str:
        """Returns the pieces from `first` to before `end` as a line."""
        spaced = (piece.text if piece.joined else f" {piece.text}" for piece in self[first:end])
        return "".join(spaced).removeprefix("" if self[first].joined else " ")

    def grouped(self) -> list[tuple[int, int]]:
        """Returns the first piece of each subtitle and the one after its last, at the least cost.

        A subtitle costs 1 plus the square of the share that it leaves empty; a pause after it, up
        to a second, reduces the cost by `PAUSE_REWARD` per second.
        """
        best, last = [0.0], [0]  # cost of the first n pieces; where their last subtitle starts
        for end in range(1, len(self) + 1):
            pause = self[end].start - self[end - 1].end if end < len(self) else 1.0
            cost, start = min(
                (best[start] + self._cost(start, end), start) for start in self._starts(end)
            )
            best.append(cost - PAUSE_REWARD * min(max(pause, 0.0), 1.0))
            last.append(start)
        groups = []
        end = len(self)
        while end:
            groups.append((last[end], end))
            end = last[end]
        return groups[::-1]

    def _starts(self, end: int) -> Iterator[int]:
        """Yields where a subtitle may start that ends before piece `end`, the last piece first."""
        yield end - 1
        for start in range(end - 2, -1, -1):
            pause = self[start + 1].start - self[start].end
            seconds = self[end - 1].end - self[start].start
            if pause >= LONG_PAUSE_SECONDS or seconds > LONGEST_SECONDS:
                return
            second = self._reach[start]
            if second < end and self._reach[second] < end:  # too long for two lines
                return
            yield start

    def _cost(self, start: int, end: int) -> float:
        empty = max(0.0, 1 - self.width(start, end) / (2 * LINE_CHARACTERS))
        return 1 + empty**2 + (INSIDE_WORD_COST if self[start].joined else 0.0)

    def lines(self, start: int, end: int) -> tuple[str, ...]:
        """Returns one line, or two of the most similar length, the second rather the longer."""
        furthest = self._reach[start]
        if furthest >= end:
            return (self.text(start, end),)

        def ugly(at: int) -> tuple[bool, int]:
            longer = self.width(start, at) - self.width(at, end)
            return self[at].joined, 2 * abs(longer) + (longer > 0)

        at = min((at for at in range(start + 1, furthest + 1) if self._reach[at] >= end), key=ugly)
        return self.text(start, at), self.text(at, end)


def clock(seconds: float, point: str) -> str:
    """Returns `hours:minutes:seconds` with three decimals after `point`."""
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{milliseconds:03}"


# Formats


def to_text(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns the text, on one line."""
    return transcript.text + "\n"


def to_json(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns one line of JSON: the text, words and characters with times and confidences."""
    content = {"file": name, "seconds": seconds, **asdict(transcript)}
    return json.dumps(content, ensure_ascii=False) + "\n"


def to_srt(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns SubRip subtitles."""
    return "\n".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n" + _stacked(cue.lines)
        for number, cue in enumerate(cues(transcript.words, seconds), start=1)
    )


def to_vtt(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns WebVTT subtitles."""
    return "WEBVTT\n" + "".join(
        f"\n{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n"
        + _stacked([html.escape(line, quote=False) for line in cue.lines])
        for cue in cues(transcript.words, seconds)
    )


def _stacked(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def to_tsv(name: str, seconds: float, transcript: Transcript) -> str:
    """Returns a table with a header and a row for each word."""
    return "start\tend\tconfidence\tword\n" + "".join(
        f"{word.start:.3f}\t{word.end:.3f}\t{word.confidence:.4f}\t{word.text}\n"
        for word in transcript.words
    )


FORMATS: dict[str, Callable[[str, float, Transcript], str]] = {
    "txt": to_text,
    "json": to_json,
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": to_tsv,
}
"""File ending → function of the audio's name, its duration in seconds, and the transcript."""
