"""A journal of finished batches, so that an interrupted measurement goes on where it stopped."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wav2vec2_tf.utils.errors import UserError


@dataclass(frozen=True)
class Batch:
    """What one batch gave: all that is needed not to compute it again."""

    mode: str
    shape: tuple[int, int]  # rows, samples
    seconds: float  # of computing
    first: bool  # the first of its shape in its process: compilation is in `seconds`
    samples: dict[str, int]  # id → length of the utterance
    texts: dict[str, str]  # id → hypothesis


@dataclass
class Journal:
    """Finished batches of a run with these settings, kept in a file if there is a path for one."""

    path: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, settings: dict[str, Any]) -> Journal:
        """Reads what an interrupted run with the same settings left; nothing if there is no file.

        A last line that was cut off is dropped. Raises UserError if the file is of other settings,
        or no journal.
        """
        journal = cls(path, settings)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        try:
            header, *records = [json.loads(line) for line in whole.splitlines()] or [settings]
            differing = [name for name in settings if header[name] != settings[name]]
            for record in records:
                record["shape"] = tuple(record["shape"])
                journal.batches.append(Batch(**record))
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: not the journal of a run; --restart replaces it") from error
        if differing:
            raise UserError(
                f"{path}: left by a run with another {differing[0]}; finish that one, or add "
                "--restart to drop it"
            )
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        return journal

    def add(self, batch: Batch) -> None:
        """Keeps a batch; once this returns, a crash does not lose it."""
        self.batches.append(batch)
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(json.dumps(self.settings) + "\n")
            file.write(json.dumps(asdict(batch)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Deletes the file: its run is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
