"""Checkpoints of a training run: written whole or not at all, verified when read, two kept."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.readers import open_checkpoint
from wav2vec2_tf.checkpoint.writer import write_safetensors
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import read_json, sha256, whole_folder

FACTS_FILE, TENSORS_FILE = "state.json", "model.safetensors"
KEPT = 2
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingState:
    """The state of a run after a step."""

    step: int
    """Steps done."""
    facts: Mapping[str, Any]
    """State of the run beside its tensors, as JSON can hold it."""
    tensors: Mapping[str, np.ndarray]
    """Weights and moments by name."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder, each a folder named by its step."""

    folder: Path

    def steps(self) -> list[int]:
        """Returns the steps of the checkpoints, the last one first."""
        found = self.folder.glob("[0-9]*") if self.folder.is_dir() else ()
        return sorted(int(path.name) for path in found if re.fullmatch(r"\d+", path.name))[::-1]

    def save(self, state: TrainingState) -> None:
        """Writes a checkpoint, and then deletes all but the last `KEPT`.

        Raises:
            UserError: if it cannot be written; earlier checkpoints are kept then.
        """
        folder = self.folder / f"{state.step:08d}"
        shutil.rmtree(folder, ignore_errors=True)  # one that was found damaged
        try:
            with whole_folder(folder, durable=True) as beside:
                write_safetensors(beside / TENSORS_FILE, _lazy(state.tensors))
                values = {"step": state.step, "facts": dict(state.facts)}
                values["sha256"] = _hash(values, beside / TENSORS_FILE)
                text = json.dumps(values, indent=1) + "\n"
                (beside / FACTS_FILE).write_text(text, encoding="utf-8")
        except OSError as error:
            kept = self.steps()
            before = f"the last one is of step {kept[0]}" if kept else "there is no earlier one"
            raise UserError(
                f"{folder}: the checkpoint could not be written ({error.strerror}), and {before}: "
                "free some space, and start the same command again to resume from there"
            ) from None
        for step in self.steps()[KEPT:]:
            shutil.rmtree(self.folder / f"{step:08d}", ignore_errors=True)

    def load(self) -> TrainingState | None:
        """Returns the last checkpoint that is undamaged, None without any checkpoint.

        Raises:
            UserError: if every checkpoint is damaged.
        """
        damaged = []
        for step in self.steps():
            try:
                return self._read(self.folder / f"{step:08d}", step)
            except UserError as error:
                log.warning("%s; trying the checkpoint before it", error)
                damaged.append(step)
        if damaged:
            raise UserError(
                f"{self.folder}: every checkpoint is damaged: start the run again with --restart"
            )
        return None

    def _read(self, folder: Path, step: int) -> TrainingState:
        values = read_json(folder / FACTS_FILE)
        try:
            stated = values.pop("sha256")
            intact = values["step"] == step and stated == _hash(values, folder / TENSORS_FILE)
            facts = dict(values["facts"])
        except (KeyError, TypeError, ValueError, OSError):
            intact = False
        if not intact:
            raise UserError(f"{folder}: the checkpoint is damaged")
        checkpoint = open_checkpoint(folder / TENSORS_FILE)
        return TrainingState(step, facts, {name: lazy.read() for name, lazy in checkpoint.items()})


def _hash(values: Mapping[str, Any], tensors: Path) -> str:
    """Returns the hash of both files of a checkpoint: the state without it, and the tensors."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(f"{text}\n{sha256(tensors)}".encode()).hexdigest()


def _lazy(tensors: Mapping[str, np.ndarray]) -> dict[str, LazyTensor]:
    def lazy(values: np.ndarray) -> LazyTensor:
        return LazyTensor(values.shape, values.dtype, lambda: np.ascontiguousarray(values))

    return {name: lazy(values) for name, values in tensors.items()}
