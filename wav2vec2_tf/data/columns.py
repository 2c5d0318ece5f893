"""What the columns of manifests and data sets mean: audio, text, id, and a part of a recording.

A column that would change the meaning of a row is never ignored: a row is read as its columns say,
or refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wav2vec2_tf.audio.stretch import Stretch
from wav2vec2_tf.utils.errors import UserError, brief, did_you_mean
from wav2vec2_tf.utils.options import option

CORPUS_HELP = (
    "folder or .tar.gz of LibriSpeech or Common Voice; folder of OpenSLR, Kaldi, AudioFolder or "
    "shards; "
    "dataset id[:config], folder or .parquet file; .tsv, .csv or .jsonl manifest, also NeMo's "
    ".json and fairseq's .tsv"
)
SPLIT_HELP = "split of a dataset, of Common Voice, an AudioFolder or fairseq manifests"
ID_COLUMNS = ("id", "utt_id")
AUDIO_COLUMNS = (
    *("audio", "path", "file", "audio_filepath", "file_name", "filename"),
    *("audio_path", "audio_file", "wav", "wav_filename"),
)
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
RATE_COLUMNS = ("sampling_rate", "sample_rate")
START_COLUMNS = ("offset", "start", "start_time", "begin", "begin_time")
DURATION_COLUMN = "duration"
END_COLUMNS = ("end", "end_time", "stop", "stop_time")
CHANNEL_COLUMNS = ("channel", "channel_selector")
STRETCH_COLUMNS = (*START_COLUMNS, DURATION_COLUMN, *END_COLUMNS, *CHANNEL_COLUMNS)
"""Columns that select a part of a recording."""
STRETCH_WORDS = frozenset({"start", "begin", "end", "stop", "offset", "onset"})
"""A column of numbers with one of these words in its name selects a part of a recording."""
LISTED_COLUMNS = 20
"""Names of columns in a message."""
ROUNDING_SECONDS = 0.02
"""By how much the end that a row states may differ from its start plus its duration."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of audio and of transcripts, where a manifest or a data set has other names."""

    audio_column: str | None = option(
        None,
        metavar="NAME",
        help="column of the audio in manifests and datasets (default: the first of "
        f"{', '.join(AUDIO_COLUMNS)})",
    )
    text_column: str | None = option(
        None,
        metavar="NAME",
        help="column of the transcripts in manifests and datasets (default: the first of "
        f"{', '.join(TEXT_COLUMNS)})",
    )

    def audio(self, spec: str, columns: Iterable[str]) -> str:
        """Returns the one of `columns` that holds audio; raises `UserError` if there is none."""
        return _find(spec, columns, self.audio_column, AUDIO_COLUMNS, "--audio-column")

    def text(self, spec: str, columns: Iterable[str]) -> str:
        """Returns the one of `columns` that holds texts; raises `UserError` if there is none."""
        return _find(spec, columns, self.text_column, TEXT_COLUMNS, "--text-column")

    @property
    def identity(self) -> str:
        """A text that differs for other columns; "" if none is named."""
        if self.audio_column is None and self.text_column is None:
            return ""
        return f"audio {self.audio_column!r} text {self.text_column!r}"

    def refuse(self, spec: str) -> None:
        """Raises `UserError` if a column is named, for a corpus that has no columns."""
        for flag, name in (
            ("--audio-column", self.audio_column),
            ("--text-column", self.text_column),
        ):
            if name is not None:
                raise UserError(
                    f"{spec}: {flag} is for manifests and datasets, and this corpus has no "
                    "columns: leave it out"
                )


def stretch_of(row: Mapping[str, Any], *, units_matter: bool = True) -> Stretch:
    """Returns the part of a recording that a row's columns select.

    Args:
        row: column → value.
        units_matter: whether columns that seem to select a part in an unknown unit are refused.

    Raises:
        ValueError: they are not a valid part, contradict each other, or are in an unknown unit. The
            message says so in a few words.
    """
    start_name, start = _only(row, START_COLUMNS)
    end_name, end = _only(row, END_COLUMNS)
    duration = _seconds(row, DURATION_COLUMN)
    channel = _channel(row)
    for name in row if units_matter else ():
        if _has_other_unit(name) and _number(row[name]) is not None:
            raise ValueError(
                f"column {brief(name)} selects a part in an unknown unit: replace it by offset "
                "and duration in seconds"
            )
    if start is not None and start < 0:
        raise ValueError(f"{start_name} must be 0 or more seconds, got {start:g}")
    if duration is not None and duration <= 0:
        raise ValueError(f"duration must be above 0 seconds, got {duration:g}")
    if end is not None:
        length = end - (start or 0.0)
        if length <= 0:
            raise ValueError(f"{end_name} must be after the start, got {end:g}")
        if duration is not None and abs(length - duration) > ROUNDING_SECONDS:
            raise ValueError(
                f"{end_name} {end:g} contradicts duration {duration:g}: leave one of them out"
            )
        duration = length
    is_stated = start is not None or end is not None
    return Stretch(start or 0.0, duration, is_stated, channel)


def selecting(columns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Returns the columns that select a part of a recording, and those that do in other units."""
    columns = list(columns)
    return (
        [name for name in columns if name in STRETCH_COLUMNS],
        [name for name in columns if _has_other_unit(name)],
    )


def stated_id(row: Mapping[str, Any]) -> str:
    """Returns the id that a row states, as text; "" if it has none."""
    return next((str(row[name]) for name in ID_COLUMNS if row.get(name) not in (None, "")), "")


def _find(
    spec: str, columns: Iterable[str], named: str | None, known: tuple[str, ...], flag: str
) -> str:
    columns = list(columns)
    shown = map(brief, columns[:LISTED_COLUMNS])
    has = f"it has {', '.join(shown)}{', …' if len(columns) > LISTED_COLUMNS else ''}"
    if named is not None:
        if named not in columns:
            raise UserError(f"{spec}: no column {named!r}; {has}{did_you_mean(named, columns)}")
        return named
    for name in known:
        if name in columns:
            return name
    raise UserError(
        f"{spec}: no column {', '.join(known[:-1])} or {known[-1]}; {has}: name one with {flag}"
    )


def _only(row: Mapping[str, Any], names: Collection[str]) -> tuple[str, float | None]:
    """Returns the name and the seconds of the only one of these columns that a row has."""
    named = (name for name in names if name in row)
    stated = {name: seconds for name in named if (seconds := _seconds(row, name)) is not None}
    if len(set(stated.values())) > 1:
        raise ValueError(f"{' and '.join(stated)} contradict each other: leave one of them out")
    return next(iter(stated.items()), ("", None))


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    seconds = _number(value)
    if seconds is None:
        raise ValueError(f"{name} must be a number of seconds, got {brief(str(value))}")
    return seconds


def _number(value: Any) -> float | None:
    """Returns a finite number that is written as one or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _channel(row: Mapping[str, Any]) -> int | None:
    """Returns the number of a channel; a text, such as the name of a broadcaster, is not one."""
    for name in CHANNEL_COLUMNS:
        number = _number(row.get(name))
        if number is not None:
            return int(number)
    return None


@lru_cache
def _has_other_unit(name: str) -> bool:
    if name in STRETCH_COLUMNS:
        return False
    return not STRETCH_WORDS.isdisjoint(re.split(r"[^a-z]+", name.lower()))
