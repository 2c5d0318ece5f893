"""The policy for bad recordings, which every program that reads many of them shares.

A recording is bad if it cannot be read: it is missing, damaged, empty or not audio. All that are
bad are found and listed, not only the first. With `skip_bad` they are left out and counted; without
it, the program stops before long work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from wav2vec2_tf.data.utterances import Corpus, Utterance
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import parse_json, write_whole
from wav2vec2_tf.utils.progress import ProgressBar

SKIP_BAD_HELP = (
    "leave out recordings that cannot be read, and count them; otherwise the program lists them "
    "and stops before long work"
)
SKIP_BY_DEFAULT_HELP = (
    "leave out recordings that cannot be read, and count them; without it they are left out too, "
    "but the exit status is 1; --no-skip-bad lists them and stops before long work"
)
REMEDY = "correct them or take them away, or leave them out with --skip-bad"
UNREADABLE = (UserError, OSError)
"""Errors of reading a recording that is bad."""
LISTED = 10
"""Number of bad recordings that a message lists."""
LARGE = 5000
"""Number of recordings from which counting their samples shows its progress."""
CHUNK = 64
"""Recordings that are checked at once: those of an archive are in memory."""
BAD_FILE = "bad_recordings.jsonl"
"""Name of the file, in the folder of a program's results, that lists all of them."""
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class BadRecordings(Mapping[str, str]):
    """The bad recordings of a corpus or a job: id → reason. Several threads may add to it.

    Args:
        skip: leave them out; otherwise `settle` stops the program.
    """

    def __init__(self, *, skip: bool = False) -> None:
        self.skip = skip
        self._reasons: dict[str, str] = {}

    def __getitem__(self, id: str) -> str:
        return self._reasons[id]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._reasons))

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, id: str, reason: BaseException | str) -> bool:
        """Adds a recording; returns whether it is new."""
        if id in self._reasons:
            return False
        self._reasons[id] = reason if isinstance(reason, str) else first_line(reason)
        return True

    def read(self, id: str, read: Callable[[], Result]) -> Result | None:
        """Returns what `read` returns; None, with the recording added, if it cannot be read."""
        try:
            return read()
        except UNREADABLE as error:
            self.add(id, error)
            return None

    def settle(self, source: str, total: int, remedy: str = REMEDY) -> None:
        """Reports the bad recordings of a source, if there are any.

        Args:
            source: its name.
            total: the number of its recordings.
            remedy: what to do about them.

        Raises:
            UserError: they are not to be skipped, or all are bad.
        """
        if not self._reasons:
            return
        found = f"{source}: {len(self)} of {total} recordings cannot be read"
        if not self.skip:
            raise UserError(f"{found}: {self.listed()}; {remedy}")
        if len(self) >= total:
            raise UserError(f"{found}: {self.listed()}; name a source with recordings")
        log.warning("%s and are left out: %s", found, self.listed())

    def listed(self) -> str:
        """Returns the first `LISTED` recordings, with their reasons, on one line."""
        shown = [f"{id!r} ({reason})" for id, reason in list(self._reasons.items())[:LISTED]]
        more = len(self) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")


def left_out(count: int, reasons: object, fault: str = "could not be read") -> str:
    """Returns the line with which a program ends that has left out recordings.

    Args:
        count: the number of recordings.
        reasons: where the reasons are.
        fault: why they were left out.
    """
    subject, verb = ("recording", "was") if count == 1 else ("recordings", "were")
    return f"{count} {subject} {fault} and {verb} left out; the reasons are in {reasons}"


def write_bad(folder: Path, bad: Mapping[str, str]) -> None:
    """Writes `BAD_FILE`, a JSON object with `id` and `reason` for each; none if none is bad."""
    if not bad:
        (folder / BAD_FILE).unlink(missing_ok=True)  # of an earlier run
        return
    lines = (json.dumps({"id": id, "reason": bad[id]}) + "\n" for id in sorted(bad))
    write_whole(folder / BAD_FILE, "".join(lines))


def read_bad(folder: Path) -> dict[str, str]:
    """Returns what `write_bad` has written: nothing if there is no such file, or a damaged one."""
    try:
        lines = (folder / BAD_FILE).read_text(encoding="utf-8").splitlines()
        return {str(row["id"]): str(row["reason"]) for row in map(parse_json, lines)}
    except (OSError, KeyError, TypeError, ValueError):
        return {}


def require_readable(source: str, recordings: Iterable[tuple[str, Callable[[], object]]]) -> None:
    """Raises `UserError`, which lists them, if recordings are bad.

    Args:
        source: the name of what they are from.
        recordings: the id of each, and what reads it; there may be millions.
    """
    bad, total, left = BadRecordings(), 0, iter(recordings)
    with ThreadPoolExecutor() as pool:
        while chunk := list(islice(left, CHUNK)):
            total += len(chunk)
            _read_all(pool, chunk, bad)
    bad.settle(source, total)


def count_all(corpus: Corpus, bad: BadRecordings) -> dict[str, int]:
    """Returns id → number of samples of each utterance of a corpus that is not bad."""
    if corpus.streamed:  # each holds its audio
        pairs = ((one.id, bad.read(one.id, one.samples)) for one in corpus)
        return {id: count for id, count in pairs if count is not None}
    listed = list(corpus)
    counts = zip(listed, count_samples(listed, bad), strict=True)
    return {one.id: count for one, count in counts if count is not None}


def count_samples(utterances: Sequence[Utterance], bad: BadRecordings) -> list[int | None]:
    """Returns the number of samples of each utterance; None, added to `bad`, for a bad one.

    Args:
        utterances: they are counted by several threads.
        bad: collects those that cannot be counted.
    """
    name, total = "reading headers", len(utterances)
    recordings = ((utterance.id, utterance.samples) for utterance in utterances)
    counts: list[int | None] = []
    with (
        ThreadPoolExecutor() as pool,
        ProgressBar(name, total, "file", shown=total >= LARGE, desc=name) as bar,
    ):
        while chunk := list(islice(recordings, CHUNK)):
            counts += _read_all(pool, chunk, bad)
            bar.update(len(chunk))
    return counts


def _read_all(
    pool: ThreadPoolExecutor,
    recordings: Sequence[tuple[str, Callable[[], Result]]],
    bad: BadRecordings,
) -> list[Result | None]:
    """Reads recordings in several threads; adds those that cannot be read to `bad`, in order."""

    def attempt(read: Callable[[], Result]) -> Result | UserError | OSError:
        try:
            return read()
        except UNREADABLE as error:
            return error

    results: list[Result | None] = []
    attempts = pool.map(attempt, [read for _, read in recordings])
    for (id, _), found in zip(recordings, attempts, strict=True):
        if isinstance(found, UNREADABLE):
            bad.add(id, found)
            results.append(None)
        else:
            results.append(found)
    return results
