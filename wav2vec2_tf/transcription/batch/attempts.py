"""Journals of unfinished shards, from which another worker continues.

A worker, or the whole job, may be killed at any moment. Each time a worker starts a shard, it
writes a journal of its own. No other process writes to it, so a worker that was only believed to be
dead does no harm. The next worker at the shard takes over the results in all of its journals.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal

MOST_ATTEMPTS = 10
"""Workers that may die at one shard in one run of a job."""
DEADLY = 3
"""Workers that may die while they read one file, which then counts as unreadable."""
READING, READ, ROW, FAILED = "reading", "read", "row", "failed"


class Attempt:
    """One worker's attempt at one shard, with the results of those before it.

    Args:
        folder: of the journals of all shards.
        shard: its number.
        run: distinguishes this run of the job from others.

    Raises:
        UserError: too many workers have died at this shard in this run.
    """

    def __init__(self, folder: Path, shard: int, run: str) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        """Rows of the transcripts, by the place of the input in the shard."""
        self.reasons: dict[int, str] = {}
        """Why an input could not be transcribed, by its place."""
        self._deaths: Counter[int] = Counter()
        self._shard, self._folder = shard, folder
        earlier = sorted(folder.glob(f"{shard:05}.*.jsonl"))
        for path in earlier:
            if (place := self._take_over(path)) is not None:
                self._deaths[place] += 1
        if sum(path.name.startswith(f"{shard:05}.{run}.") for path in earlier) >= MOST_ATTEMPTS:
            raise UserError(
                f"shard {shard} was started {MOST_ATTEMPTS} times and its worker died each time, "
                "perhaps because memory was exhausted: run the same command, which resumes the "
                "job, with fewer --workers or less --batch-seconds"
            )
        path = folder / f"{shard:05}.{run}.{secrets.token_hex(4)}.jsonl"
        self._journal = self._open(path)

    def _open(self, path: Path) -> Journal:
        # A killed process loses nothing that it has written, so nothing is forced to disk.
        return Journal(path, {"shard": self._shard}, replace=True, durable=False)

    def _take_over(self, path: Path) -> int | None:
        """Takes over a journal; returns the place of the input that was being read at its end."""
        reading = None
        for place, (event, value) in self._open(path):
            if event == READING:
                reading = place
            elif event == READ:
                reading = None
            elif event == ROW:
                self.rows[place] = value
            elif event == FAILED:
                self.reasons[place] = value
        return reading

    def __enter__(self) -> Attempt:
        self._journal.start()
        for place, count in self._deaths.items():
            if count >= DEADLY and place not in self.rows:
                self.fail(place, f"its worker died each of the {count} times that it was read")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:  # the shard is complete
            for path in self._folder.glob(f"{self._shard:05}.*"):
                path.unlink(missing_ok=True)

    @contextmanager
    def reading(self, place: int) -> Iterator[None]:
        """Records that an input is being read, which is the cause if the worker dies then."""
        self._journal.add(place, (READING, None))
        try:
            yield
        finally:
            self._journal.add(place, (READ, None))

    def add(self, place: int, row: dict[str, Any]) -> None:
        """Records the row of an input."""
        self.rows[place] = row
        self._journal.add(place, (ROW, row))

    def fail(self, place: int, reason: str) -> None:
        """Records that an input cannot be transcribed."""
        self.reasons[place] = reason
        self._journal.add(place, (FAILED, reason))
