"""Transcripts as files: plain text, JSON, subtitles (SubRip, WebVTT) and tables of words.

Subtitles are as common guidelines want them (Netflix's Timed Text Style Guide, BBC's Subtitle
Guidelines): two lines of 42 characters, one to seven seconds, a gap between them, and lines of like
length.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from wav2vec2_tf.text.transcript import Transcript, Word

LINE_CHARACTERS = 42
LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0  # where what comes next leaves the time
GAP_SECONDS = 0.08  # two pictures at 25 a second: the eye sees that the text changes
CHARACTERS_A_SECOND = 17  # of a reader
LONG_PAUSE_SECONDS = 2.0  # no subtitle goes over it
PAUSE_WORTH = 2.0  # what a second of quiet behind a subtitle is worth, in subtitles
INSIDE_WORD = 0.5  # what it costs that a subtitle ends within a word, in subtitles


@dataclass(frozen=True)
class Cue:
    """One subtitle."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """What no line break comes into: a word, or a character of one that is longer than a line."""

    text: str
    start: float
    end: float
    joined: bool = False
    """Whether it goes on a word, with no space before it."""


def cues(words: Sequence[Word], seconds: float) -> list[Cue]:
    """Subtitles of all words of a recording of so many seconds, one after another in time."""
    pieces = _Pieces([piece for word in words for piece in _pieces(word)])
    result = []
    for first, end in pieces.grouped():
        lines = pieces.lines(first, end)
        start, spoken_until = pieces[first].start, pieces[end - 1].end
        following = pieces[end].start if end < len(pieces) else seconds
        gap = GAP_SECONDS if end < len(pieces) else 0.0
        read_in = max(SHORTEST_SECONDS, sum(map(len, lines)) / CHARACTERS_A_SECOND)
        until = max(spoken_until, start + read_in)
        until = min(until, start + LONGEST_SECONDS, following - gap)
        if until <= start:  # no time for a gap
            until = min(spoken_until, following)
        result.append(Cue(start, until, lines))
    return result


def _pieces(word: Word) -> Iterator[_Piece]:
    if len(word.text) <= LINE_CHARACTERS:
        yield _Piece(word.text, word.start, word.end)
        return
    letters = [(c.text, c.start, c.end) for c in word.characters]
    if "".join(text for text, *_ in letters) != word.text:  # no times of their own: evenly
        each = (word.end - word.start) / len(word.text)
        times = [word.start + index * each for index in range(len(word.text) + 1)]
        letters = list(zip(word.text, times, times[1:], strict=False))
    for index, (text, start, end) in enumerate(letters):
        yield _Piece(text, start, end, joined=index > 0)


class _Pieces(list[_Piece]):
    """All of a recording's, to be parted into subtitles and lines."""

    def __init__(self, pieces: Iterable[_Piece]) -> None:
        super().__init__(pieces)
        widths = (len(piece.text) + (not piece.joined) for piece in self)
        self._ends = list(accumulate(widths, initial=0))  # each with the space before it
        self._reach: list[int] = []  # the piece after those that a line from each piece on holds
        end = 0
        for first in range(len(self)):
            end = max(end, first + 1)
            while end < len(self) and self.width(first, end + 1) <= LINE_CHARACTERS:
                end += 1
            self._reach.append(end)

    def width(self, first: int, end: int) -> int:
        """Characters of the pieces from `first` to before `end`, as one line."""
        return self._ends[end] - self._ends[first] - (not self[first].joined) if first < end else 0

    def text(self, first: int, end: int) -> str:
        spaced = (piece.text if piece.joined else f" {piece.text}" for piece in self[first:end])
        return "".join(spaced).removeprefix("" if self[first].joined else " ")

    def grouped(self) -> list[tuple[int, int]]:
        """The first piece of each subtitle and the one after its last, at the least cost in all.

        A subtitle costs 1, and the square of the part that it leaves empty; a pause behind it, as
        far as a second, takes off `PAUSE_WORTH` a second.
        """
        best, last = [0.0], [0]  # of the first n pieces; where their last subtitle starts
        for end in range(1, len(self) + 1):
            pause = self[end].start - self[end - 1].end if end < len(self) else 1.0
            cost, start = min(
                (best[start] + self._cost(start, end), start) for start in self._starts(end)
            )
            best.append(cost - PAUSE_WORTH * min(max(pause, 0.0), 1.0))
            last.append(start)
        groups = []
        end = len(self)
        while end:
            groups.append((last[end], end))
            end = last[end]
        return groups[::-1]

    def _starts(self, end: int) -> Iterator[int]:
        """Where a subtitle that ends before piece `end` may start; one piece alone always may."""
        yield end - 1
        for start in range(end - 2, -1, -1):
            pause = self[start + 1].start - self[start].end
            seconds = self[end - 1].end - self[start].start
            if pause >= LONG_PAUSE_SECONDS or seconds > LONGEST_SECONDS:
                return
            second = self._reach[start]
            if second < end and self._reach[second] < end:  # two lines do not hold it
                return
            yield start

    def _cost(self, start: int, end: int) -> float:
        empty = max(0.0, 1 - self.width(start, end) / (2 * LINE_CHARACTERS))
        return 1 + empty**2 + (INSIDE_WORD if self[start].joined else 0.0)

    def lines(self, start: int, end: int) -> tuple[str, ...]:
        """One line, or two as alike in length as can be, the second rather the longer."""
        furthest = self._reach[start]
        if furthest >= end:
            return (self.text(start, end),)

        def ugly(at: int) -> tuple[bool, int]:
            longer = self.width(start, at) - self.width(at, end)
            return self[at].joined, 2 * abs(longer) + (longer > 0)

        at = min((at for at in range(start + 1, furthest + 1) if self._reach[at] >= end), key=ugly)
        return self.text(start, at), self.text(at, end)


def clock(seconds: float, point: str) -> str:
    """`hours:minutes:seconds`, with three decimals behind `point`."""
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{milliseconds:03}"


# Formats


def to_text(name: str, seconds: float, transcript: Transcript) -> str:
    return transcript.text + "\n"


def to_json(name: str, seconds: float, transcript: Transcript) -> str:
    """One line: an object with the text, and words and characters with times and confidences."""
    content = {"file": name, "seconds": seconds, **asdict(transcript)}
    return json.dumps(content, ensure_ascii=False) + "\n"


def to_srt(name: str, seconds: float, transcript: Transcript) -> str:
    return "\n".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n" + _stacked(cue.lines)
        for number, cue in enumerate(cues(transcript.words, seconds), start=1)
    )


def to_vtt(name: str, seconds: float, transcript: Transcript) -> str:
    return "WEBVTT\n" + "".join(
        f"\n{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n"
        + _stacked([html.escape(line, quote=False) for line in cue.lines])
        for cue in cues(transcript.words, seconds)
    )


def _stacked(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def to_tsv(name: str, seconds: float, transcript: Transcript) -> str:
    """A row a word, under a header."""
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
"""Name, which is the ending of files too → what writes it: of the audio's name, its seconds, and
what was said."""
