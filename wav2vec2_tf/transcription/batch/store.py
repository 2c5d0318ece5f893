"""What a batch gives: a file of transcripts for each shard, and a table of errors.

A file is written whole or not at all, and then a record that it is there. Both are named by their
shard, and the plan says which inputs it has: so an input has one result, whoever writes it and how
often. In OUTPUT are

    transcripts/part-00000.parquet …   a row an input
    errors.parquet                     a row an input that could not be transcribed
    job/                               the plan, the records, and what is begun
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import read_json, whole_file, write_whole

if TYPE_CHECKING:
    from wav2vec2_tf.text.transcript import Transcript
    from wav2vec2_tf.transcription.batch.inputs import Input

FORMATS = ("parquet", "jsonl")
COLUMNS = ("id", "path", "seconds", "text", "confidence", "words")
ERROR_COLUMNS = ("id", "path", "reason")
LOCK_FILE = "lock"


@dataclass(frozen=True)
class Done:
    """The record of a shard that is whole."""

    transcribed: int
    seconds: float
    """Of audio."""
    errors: tuple[Mapping[str, str], ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Done:
        """Of the values in JSON."""
        return cls(values["transcribed"], values["seconds"], tuple(values["errors"]))


def row_of(one: Input, seconds: float, transcript: Transcript) -> dict[str, Any]:
    """An input's row of the table of transcripts."""
    words = [
        {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in transcript.words
    ]
    mean = sum(word.confidence for word in transcript.words) / len(words) if words else None
    return dict(
        zip(COLUMNS, (one.id, one.path, seconds, transcript.text, mean, words), strict=True)
    )


@dataclass(frozen=True)
class Output:
    """The folder of a batch."""

    folder: Path
    format: str

    @property
    def job(self) -> Path:
        return self.folder / "job"

    @property
    def _records(self) -> Path:
        return self.job / "done"

    @property
    def attempts(self) -> Path:
        return self.job / "attempts"

    @property
    def errors(self) -> Path:
        return self.folder / f"errors.{self.format}"

    def part(self, shard: int) -> Path:
        """Where the transcripts of a shard go."""
        return self.folder / "transcripts" / f"part-{shard:05}.{self.format}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep others from working in it meanwhile.

        Raises:
            UserError: something else is in it, or another run is at work there.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder}: is a file; name a folder for the results")
        lock_file = self.job / LOCK_FILE
        if self.folder.exists() and any(self.folder.iterdir()) and not lock_file.exists():
            raise UserError(f"{self.folder}: holds something else; name a new or an empty folder")
        self.job.mkdir(parents=True, exist_ok=True)
        with open(lock_file, "ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.folder}: another run is at work here; let it end") from None
            yield

    def clear(self) -> None:
        """Remove all results and the plan; records first, which say that others are there."""
        shutil.rmtree(self._records, ignore_errors=True)
        for format in FORMATS:
            (self.folder / f"errors.{format}").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "transcripts", ignore_errors=True)
        for entry in self.job.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK_FILE:
                entry.unlink()

    def done(self, shard: int) -> Done | None:
        """The record of a shard; None until it is whole."""
        try:
            record = Done.of(read_json(self._record(shard)))
        except (UserError, KeyError, TypeError):  # not there
            return None
        return record if self.part(shard).exists() else None

    def _record(self, shard: int) -> Path:
        return self._records / f"{shard:05}.json"

    def write(
        self, shard: int, rows: Sequence[dict[str, Any]], errors: Sequence[Mapping[str, str]]
    ) -> Done:
        """Write the transcripts of a shard, and then its record."""
        with whole_file(self.part(shard)) as beside:
            _write_rows(beside, self.format, rows, _transcript_schema)
            with open(beside, "rb") as file:
                os.fsync(file.fileno())  # the record must not outlive it
        done = Done(len(rows), sum(row["seconds"] for row in rows), tuple(errors))
        write_whole(self._record(shard), done.to_json() + "\n")
        return done

    def finish(self, done: Iterable[Done]) -> None:
        """Write the table of errors of all shards, and remove what killed workers have left."""
        errors = [dict(error) for shard in done for error in shard.errors]
        with whole_file(self.errors) as beside:
            _write_rows(beside, self.format, errors, _error_schema)
        for left in (*self.folder.glob("transcripts/.*.part"), *self._records.glob(".*.part")):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.attempts, ignore_errors=True)


def _write_rows(path: Path, format: str, rows: Sequence[dict[str, Any]], schema: Any) -> None:
    if format == "jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
        return
    import pyarrow as pa
    import pyarrow.parquet as parquet

    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema()), path)


def _transcript_schema() -> Any:
    import pyarrow as pa

    number, text = pa.float64(), pa.string()
    word = pa.struct([("text", text), ("start", number), ("end", number), ("confidence", number)])
    return pa.schema(zip(COLUMNS, (text, text, number, text, number, pa.list_(word)), strict=True))


def _error_schema() -> Any:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ERROR_COLUMNS])
