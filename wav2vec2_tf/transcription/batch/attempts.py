"""What workers have done of shards that are not whole yet, so that another can go on with them.

A worker may be killed at any moment, and so may the whole job. Each time a worker begins a shard it
writes journals of its own, one of transcripts and one of each long recording's windows: nobody else
writes to them, so a worker that was only thought to be dead does no harm. The next takes over what
is in them.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from wav2vec2_tf.transcription.resume import journal_of
from wav2vec2_tf.utils.errors import UserError

MOST_ATTEMPTS = 10  # at a shard, each of which a worker did not survive, in one run of a job
DEADLY = 3  # times that a worker died while it read a file, after which the file is left alone


class Attempt:
    """One worker's go at one shard, with what those before it have done."""

    def __init__(self, folder: Path, shard: int, run: str) -> None:
        """Begin it.

        Args:
            folder: of all journals.
            run: tells this run of the job from others.

        Raises:
            UserError: too many workers have died of this shard in this run.
        """
        self.name = f"{shard:05}.{run}.{secrets.token_hex(4)}"
        self.rows: dict[int, dict[str, Any]] = {}
        """What was found, by the place of the input in the shard."""
        self.reasons: dict[int, str] = {}
        """Why an input could not be transcribed, by its place."""
        deaths: Counter[int] = Counter()
        found = sorted(folder.glob(f"{shard:05}.*.jsonl"))
        for path in found:
            if (place := self._take(path)) is not None:
                deaths[place] += 1
        if sum(path.name.startswith(f"{shard:05}.{run}.") for path in found) >= MOST_ATTEMPTS:
            raise UserError(
                f"shard {shard} was begun {MOST_ATTEMPTS} times and its worker died each time, "
                "perhaps for want of memory: the same command goes on from here; give fewer "
                "--workers or less --batch-seconds"
            )
        self._folder, self._shard = folder, shard
        self._deaths = deaths

    def _take(self, journal: Path) -> int | None:
        """Take over what is in a journal; the place of the input that was being read at its end."""
        reading = None
        for line in journal.read_bytes().split(b"\n"):
            try:
                entry = json.loads(line)
            except ValueError:  # cut off, where its worker died
                continue
            match entry:
                case ["reading", int(place)]:
                    reading = place
                case ["read", int()]:
                    reading = None
                case ["row", int(place), dict(row)]:
                    self.rows[place] = row
                case ["failed", int(place), str(reason)]:
                    self.reasons[place] = reason
        return reading

    def __enter__(self) -> Attempt:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = open(self._folder / f"{self.name}.jsonl", "wb", buffering=0)
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
        self._file.close()
        if kind is None:  # the shard is whole
            for hidden in ("", "."):
                for path in self._folder.glob(f"{hidden}{self._shard:05}.*"):
                    path.unlink(missing_ok=True)

    def output_of(self, place: int) -> Path:
        """What a long recording is transcribed to; its windows are kept beside that.

        It goes on with those of an earlier attempt.
        """
        output = self._folder / f"{self.name}.{place}"
        windows = journal_of(output)
        earlier = self._folder.glob(windows.name.replace(self.name, f"{self._shard:05}.*"))
        longest = max(earlier, key=lambda path: path.stat().st_size, default=None)
        if longest is not None:
            shutil.copyfile(longest, windows)
        return output

    @contextmanager
    def reading(self, place: int) -> Iterator[None]:
        """Around the reading of an input: what is at fault where a worker dies of it."""
        self._write("reading", place)
        try:
            yield
        finally:
            self._write("read", place)

    def add(self, place: int, row: dict[str, Any]) -> None:
        self.rows[place] = row
        self._write("row", place, row)

    def fail(self, place: int, reason: str) -> None:
        self.reasons[place] = reason
        self._write("failed", place, reason)

    def _write(self, *entry: object) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
