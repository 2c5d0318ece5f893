"""What a batch is to do, fixed before it starts: which inputs are in which shard.

The plan lies in the output's folder. Whoever starts the job again, however it ended, finds the same
shards with the same inputs, so those that are done stay done; a job of other inputs, of another
model or with other options is another job, and refused.
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
from wav2vec2_tf.utils.files import read_json, whole_file, write_whole

PLAN_FILE, INPUTS_FILE = "plan.json", "inputs.jsonl"
PARTS = 256  # of a job: the last worker to end keeps the others waiting for a small part of it
LEAST_BYTES, MOST_BYTES = 4_000_000, 250_000_000  # of a shard: 4 minutes, 4 hours of LibriSpeech
MOST_FILES = 5000  # of a shard, however small they are


@dataclass(frozen=True)
class Shard:
    """What is one task, and one file of results."""

    number: int
    offset: int
    """Of its first line in the file of inputs."""
    files: int
    bytes: int
    """Of audio."""


@dataclass(frozen=True)
class Plan:
    folder: Path
    """Where it lies."""
    identity: Mapping[str, Any]
    """What its results depend on, by name: another value is another job."""
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
        """Fix and write it, with `shard_files` in each shard, or else by their size.

        Raises `UserError` where there is no input.
        """
        digest = hashlib.sha256()
        sizes, lengths = array("Q"), array("Q")  # of each input: bytes of audio, and of its line
        with whole_file(folder / INPUTS_FILE) as beside, open(beside, "wb") as file:
            for one in inputs:
                line = _line(one)
                digest.update(line)
                file.write(line)
                sizes.append(one.bytes)
                lengths.append(len(line))
            if not sizes:
                raise UserError("there is no audio in the input; give files by their names")
        most_bytes = min(max(sum(sizes) // PARTS, LEAST_BYTES), MOST_BYTES)
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
        """That of an earlier start; None where there is none. Raises `UserError` for a damaged
        one."""
        path = folder / PLAN_FILE
        if not path.exists():
            return None
        values = read_json(path)
        try:
            shards = tuple(Shard(*map(int, shard)) for shard in values["shards"])
            return cls(folder, dict(values["identity"]), shards)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not the plan of a job ({error!r})") from None

    def require(self, identity: Mapping[str, Any], inputs: Iterable[Input]) -> None:
        """Raise `UserError` unless this is the plan of such a job on these inputs."""
        digest = hashlib.sha256()
        for one in inputs:
            digest.update(_line(one))
        wanted = {**identity, "inputs": digest.hexdigest()}
        other = [name for name, value in wanted.items() if self.identity.get(name) != value]
        if other:
            raise UserError(
                f"{self.folder.parent}: holds a job with other {' and '.join(other)}; name another "
                "folder, or begin anew with --overwrite"
            )

    @property
    def files(self) -> int:
        return sum(shard.files for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    def inputs(self, number: int) -> Iterator[Input]:
        """Those of a shard, in order."""
        shard = self.shards[number]
        with open(self.folder / INPUTS_FILE, "rb") as file:
            file.seek(shard.offset)
            for _ in range(shard.files):
                yield Input(**json.loads(file.readline()))


def _line(one: Input) -> bytes:
    return (json.dumps(asdict(one), ensure_ascii=False) + "\n").encode()
