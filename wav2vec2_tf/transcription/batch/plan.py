"""The plan of a batch job, fixed before it starts: which inputs are in which shard.

The plan is stored in the job's folder. A later run finds the same shards with the same inputs, so
completed shards stay complete. A run with other inputs, another model or other options is refused.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from wav2vec2_tf.transcription.batch.inputs import Input
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import parse_json, read_json, sha256, whole_file, write_whole

PLAN_FILE, INPUTS_FILE = "plan.json", "inputs.jsonl"
SHARDS = 256
"""Shards of a job. At its end, workers wait for the last one for a small part of the time only."""
LEAST_BYTES, MOST_BYTES = 4_000_000, 250_000_000
"""Bytes of audio in a shard: 4 minutes and 4 hours of LibriSpeech."""
MOST_FILES = 5000
"""Files in a shard."""


@dataclass(frozen=True)
class Shard:
    """A range of inputs that one worker transcribes into one file."""

    number: int
    offset: int
    """Byte offset of the first line in the file of inputs."""
    files: int
    bytes: int
    """Bytes of audio."""


@dataclass(frozen=True)
class Plan:
    """The shards of a job, and what its results depend on."""

    folder: Path
    """The folder that the plan is stored in."""
    identity: Mapping[str, Any]
    """Name → value of everything that the results depend on."""
    shards: tuple[Shard, ...]

    @classmethod
    def make(
        cls,
        folder: Path,
        inputs: Iterable[Input],
        identity: Mapping[str, Any],
        *,
        shard_files: int | None = None,
    ) -> Plan:
        """Makes and stores a plan.

        Args:
            folder: the folder to store it in.
            inputs: the recordings.
            identity: what the results depend on, beside the inputs.
            shard_files: files in each shard; by default shards have similar sizes.

        Raises:
            UserError: there is no input.
        """
        digest = hashlib.sha256()
        sizes, lengths = array("Q"), array("Q")  # bytes of each input and of its line
        with whole_file(folder / INPUTS_FILE) as beside, open(beside, "wb") as file:
            for one in inputs:
                line = _line(one)
                digest.update(line)
                file.write(line)
                sizes.append(one.bytes)
                lengths.append(len(line))
            if not sizes:
                raise UserError("there is no audio in the input: name the files themselves")
        most_bytes = min(max(sum(sizes) // SHARDS, LEAST_BYTES), MOST_BYTES)
        most_files = shard_files or MOST_FILES
        shards = [Shard(0, 0, 0, 0)]
        offset = 0
        for size, length in zip(sizes, lengths, strict=True):
            last = shards[-1]
            if last.files == most_files or (not shard_files and last.bytes >= most_bytes):
                last = Shard(len(shards), offset, 0, 0)
                shards.append(last)
            shards[-1] = replace(last, files=last.files + 1, bytes=last.bytes + size)
            offset += length
        plan = cls(folder, {**identity, "inputs": digest.hexdigest()}, tuple(shards))
        content = {"identity": plan.identity, "shards": [astuple(shard) for shard in shards]}
        write_whole(folder / PLAN_FILE, json.dumps(content, ensure_ascii=False) + "\n")
        return plan

    @classmethod
    def read(cls, folder: Path) -> Plan | None:
        """Reads the plan of an earlier run; None if there is none.

        Raises:
            UserError: it is damaged.
        """
        path = folder / PLAN_FILE
        if not path.exists():
            return None
        try:
            values = read_json(path)
            shards = tuple(Shard(*map(int, shard)) for shard in values["shards"])
            return cls(folder, dict(values["identity"]), shards)
        except (KeyError, TypeError, ValueError):  # a `UserError`, too
            raise UserError(
                f"{path}: damaged, or not the plan of a job: start again with --overwrite"
            ) from None

    def require(self, identity: Mapping[str, Any], inputs: Iterable[Input]) -> None:
        """Raises `UserError` unless this is the plan of a job with this identity and inputs."""
        digest = hashlib.sha256()
        for one in inputs:
            digest.update(_line(one))
        wanted = {**identity, "inputs": digest.hexdigest()}
        other = [name for name, value in wanted.items() if self.identity.get(name) != value]
        if other:
            raise UserError(
                f"{self.folder.parent}: holds a job with other {' and '.join(other)}; name another "
                "folder, or start again with --overwrite"
            )

    def restore(self, inputs: Iterable[Input]) -> None:
        """Writes the file of inputs again if it is damaged.

        Args:
            inputs: those for which `require` did not raise.
        """
        path = self.folder / INPUTS_FILE
        if not path.is_file() or sha256(path) != self.identity["inputs"]:
            with whole_file(path) as beside, open(beside, "wb") as file:
                file.writelines(map(_line, inputs))

    @property
    def files(self) -> int:
        """Inputs of the job."""
        return sum(shard.files for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Bytes of audio."""
        return sum(shard.bytes for shard in self.shards)

    def inputs(self, number: int) -> Iterator[Input]:
        """Yields the inputs of a shard in order."""
        shard = self.shards[number]
        with open(self.folder / INPUTS_FILE, "rb") as file:
            file.seek(shard.offset)
            for _ in range(shard.files):
                yield Input(**parse_json(file.readline()))


def _line(one: Input) -> bytes:
    # names of files need not be UTF-8: what `surrogatepass` writes, `json.loads` reads
    line = json.dumps(asdict(one), ensure_ascii=False) + "\n"
    return line.encode(errors="surrogatepass")
