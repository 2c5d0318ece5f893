"""The folder of a batch job: a file of transcripts for each shard, and a table of errors.

A file is written whole or not at all, and then a record of the shard's result. Both are named after
the shard, whose inputs the plan defines. So each input has one result, no matter which worker
writes it, or how often. The folder has

    transcripts/part-00000.parquet …   one row for each input
    errors.parquet                     one row for each input that could not be transcribed
    job/                               the plan, results of shards, journals of unfinished ones
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.data.paths import printable
from wav2vec2_tf.transcription.batch.options import FORMATS
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import (
    read_json,
    remove_leftovers,
    require_writable,
    whole_file,
    write_whole,
)
from wav2vec2_tf.utils.locks import LockedError, exclusive

if TYPE_CHECKING:
    from wav2vec2_tf.text.transcript import Transcript
    from wav2vec2_tf.transcription.batch.inputs import Input

COLUMNS = ("id", "path", "seconds", "text", "confidence", "words")
ERROR_COLUMNS = ("id", "path", "reason", "offset", "duration", "channel")
"""The last three as in a manifest, so that the table can be one."""
LOCK_FILE = "lock"


@dataclass(frozen=True)
class ShardResult:
    """The result of a complete shard."""

    transcribed: int
    seconds: float
    """Duration of the transcribed recordings."""
    errors: tuple[Mapping[str, Any], ...]
    """Rows of the table of errors."""

    def to_json(self) -> str:
        """Returns the result as JSON; the inverse of `of`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ShardResult:
        """Makes a result of its values in JSON."""
        return cls(values["transcribed"], values["seconds"], tuple(values["errors"]))


def row_of(one: Input, seconds: float, transcript: Transcript) -> dict[str, Any]:
    """Returns an input's row of the table of transcripts."""
    words = [
        {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
        for word in transcript.words
    ]
    mean = sum(word.confidence for word in transcript.words) / len(words) if words else None
    return dict(
        zip(
            COLUMNS,
            (one.id, printable(one.path), seconds, transcript.text, mean, words),
            strict=True,
        )
    )


def error_row(one: Input, reason: str) -> dict[str, Any]:
    """Returns an input's row of the table of errors."""
    values = (one.id, printable(one.path), reason, one.offset, one.duration, one.channel)
    return dict(zip(ERROR_COLUMNS, values, strict=True))


@dataclass(frozen=True)
class Store:
    """The folder of a batch job."""

    folder: Path
    format: str

    @property
    def job(self) -> Path:
        """The folder of the job's own files."""
        return self.folder / "job"

    @property
    def _records(self) -> Path:
        return self.job / "done"

    @property
    def attempts(self) -> Path:
        """The folder of journals of unfinished shards."""
        return self.job / "attempts"

    @property
    def errors(self) -> Path:
        """The table of errors."""
        return self.folder / f"errors.{self.format}"

    def part(self, shard: int) -> Path:
        """Returns the path of a shard's transcripts."""
        return self.folder / "transcripts" / f"part-{shard:05}.{self.format}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and locks it for one run.

        Raises:
            UserError: the folder has other files, or another run has locked it.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder}: is a file: name a folder for the results")
        lock_file = self.job / LOCK_FILE
        if not lock_file.exists() and any(not path.is_dir() for path in self.folder.rglob("*")):
            raise UserError(f"{self.folder}: holds other files: name a new or an empty folder")
        require_writable(self.folder)
        self.job.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(exclusive(lock_file, keep=True))
            except LockedError:
                raise UserError(
                    f"{self.folder}: another run uses this folder: wait until it ends"
                ) from None
            yield

    def clear(self) -> None:
        """Removes all results and the plan; records first, because they refer to the others."""
        shutil.rmtree(self._records, ignore_errors=True)
        for format in FORMATS:
            (self.folder / f"errors.{format}").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "transcripts", ignore_errors=True)
        for entry in self.job.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK_FILE:
                entry.unlink()

    def result(self, shard: int) -> ShardResult | None:
        """Returns the result of a shard; None until it is complete."""
        try:
            result = ShardResult.of(read_json(self._record(shard)))
        except (UserError, KeyError, TypeError):  # it does not exist
            return None
        return result if self.part(shard).exists() else None

    def _record(self, shard: int) -> Path:
        return self._records / f"{shard:05}.json"

    def write(
        self, shard: int, rows: Sequence[dict[str, Any]], errors: Sequence[Mapping[str, Any]]
    ) -> ShardResult:
        """Writes the transcripts of a shard, and then its record."""
        with whole_file(self.part(shard), durable=True) as beside:  # before the record exists
            _write_rows(beside, self.format, rows, _transcript_schema)
        result = ShardResult(len(rows), sum(row["seconds"] for row in rows), tuple(errors))
        write_whole(self._record(shard), result.to_json() + "\n")
        return result

    def finish(self, results: Iterable[ShardResult]) -> None:
        """Writes the table of errors, and removes the files that killed workers have left."""
        errors = [dict(error) for result in results for error in result.errors]
        with whole_file(self.errors) as beside:
            _write_rows(beside, self.format, errors, _error_schema)
        for folder in (self.folder, self.folder / "transcripts", self.job, self._records):
            remove_leftovers(folder)
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

    number, text = pa.float64(), pa.string()
    kinds = (text, text, text, number, number, pa.int64())
    return pa.schema(zip(ERROR_COLUMNS, kinds, strict=True))
