"""Checkpoints of a run: whole or not at all, checked when read, the one before kept."""

from __future__ import annotations

import json
import logging
import os
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
class State:
    step: int
    """Steps that are done."""
    facts: Mapping[str, Any]
    """What JSON can hold of the run beside its tensors."""
    tensors: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder, each a folder named by its step."""

    folder: Path

    def steps(self) -> list[int]:
        """From the last to the first."""
        found = self.folder.glob("[0-9]*") if self.folder.is_dir() else ()
        return sorted(int(path.name) for path in found if re.fullmatch(r"\d+", path.name))[::-1]

    def save(self, state: State) -> None:
        """Write a checkpoint, and then remove those before the one before it.

        Raises `UserError` where it cannot be written; those that are there stay.
        """
        folder = self.folder / f"{state.step:08d}"
        shutil.rmtree(folder, ignore_errors=True)  # one that was found damaged
        try:
            with whole_folder(folder) as beside:
                write_safetensors(beside / TENSORS_FILE, _lazy(state.tensors))
                facts = {
                    "step": state.step,
                    "facts": state.facts,
                    "sha256": sha256(beside / TENSORS_FILE),
                }
                (beside / FACTS_FILE).write_text(json.dumps(facts, indent=1) + "\n")
                for file in beside.iterdir():
                    _to_disk(file)
        except OSError as error:
            kept = self.steps()
            after = f"the last one is of step {kept[0]}" if kept else "there is none before it"
            raise UserError(
                f"{folder}: the checkpoint could not be written ({error.strerror}), and {after}: "
                "make room, and start the same command again to go on from there"
            ) from None
        for step in self.steps()[KEPT:]:
            shutil.rmtree(self.folder / f"{step:08d}", ignore_errors=True)

    def load(self) -> State | None:
        """The last checkpoint that is whole; None where there is none at all.

        Raises `UserError` where there are checkpoints and all are damaged.
        """
        damaged = []
        for step in self.steps():
            try:
                state = self._read(self.folder / f"{step:08d}", step)
            except UserError as error:
                log.warning("%s; going back to the checkpoint before", error)
                damaged.append(step)
                continue
            return state
        if damaged:
            raise UserError(f"{self.folder}: every checkpoint is damaged; --restart begins anew")
        return None

    def _read(self, folder: Path, step: int) -> State:
        values = read_json(folder / FACTS_FILE)
        try:
            sound = values["step"] == step and values["sha256"] == sha256(folder / TENSORS_FILE)
            facts = dict(values["facts"])
        except (KeyError, TypeError, ValueError, OSError):
            sound = False
        if not sound:
            raise UserError(f"{folder}: the checkpoint is damaged")
        checkpoint = open_checkpoint(folder / TENSORS_FILE)
        return State(step, facts, {name: lazy.read() for name, lazy in checkpoint.items()})


def _lazy(tensors: Mapping[str, np.ndarray]) -> dict[str, LazyTensor]:
    def of(values: np.ndarray) -> LazyTensor:
        return LazyTensor(values.shape, values.dtype, lambda: np.ascontiguousarray(values))

    return {name: of(values) for name, values in tensors.items()}


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
