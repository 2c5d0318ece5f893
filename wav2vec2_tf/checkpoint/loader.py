"""Checkpoint → variables and back, strictly: nothing skipped, nothing left unassigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wav2vec2_tf.checkpoint.weight_names import BASE_PREFIX, OTHER_HEADS, Name, name_of
from wav2vec2_tf.errors import UserError

if TYPE_CHECKING:
    import keras

    from wav2vec2_tf.checkpoint.readers import Checkpoint

MASK_EMBEDDING = "masked_spec_embed"
"""The one tensor that may be missing: published base-960h lacks it. Only SpecAugment uses it."""


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint did not hold, and what it held beyond the model."""

    seeded: tuple[str, ...]
    """Keys of variables that keep their seeded initial values."""
    ignored: tuple[str, ...]
    """Keys of other heads."""


def load(model: keras.Model, checkpoint: Checkpoint, *, new_head: bool = False) -> LoadReport:
    """Assign every weight of a built model from `checkpoint`.

    Args:
        new_head: keep the head's initial values where the checkpoint has none of that shape.

    Raises:
        UserError: tensors are missing, left over, of another shape or not of floating point; all
            of them are listed, and no variable has been changed.
    """
    prefix = BASE_PREFIX if any(key.startswith(BASE_PREFIX) for key in checkpoint) else ""
    faults: list[str] = []
    seeded: list[str] = []
    used: dict[str, tuple[keras.Variable, Name]] = {}
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        keys = name.keys if in_head else tuple(prefix + key for key in name.keys)
        key = next((key for key in keys if key in checkpoint), None)
        wanted = tuple(name.to_checkpoint(np.empty(variable.shape, bool)).shape)
        if key is None:
            if (in_head and new_head) or keys[0].endswith(MASK_EMBEDDING):
                seeded.append(keys[0])
            else:
                faults.append(f"missing {keys[0]} {list(wanted)}")
        elif checkpoint[key].shape != wanted:
            if in_head and new_head:
                seeded.append(key)
            else:
                faults.append(f"{key} is {list(checkpoint[key].shape)}, not {list(wanted)}")
        elif not _is_float(checkpoint[key].dtype):
            faults.append(f"{key} holds {checkpoint[key].dtype}, not floating-point numbers")
        else:
            used[key] = (variable, name)
    left = [key for key in checkpoint if key not in used and key not in seeded]
    ignored = [key for key in left if key.startswith(OTHER_HEADS)]
    faults += [f"unexpected {key}" for key in left if key not in ignored]
    if faults:
        raise UserError(
            f"{checkpoint.path}: {len(faults)} tensors do not fit the config: {'; '.join(faults)}"
            + _head_advice(faults)
        )
    for key, (variable, name) in used.items():
        variable.assign(name.to_variable(checkpoint[key].read().astype(np.float32)))
    return LoadReport(tuple(seeded), tuple(ignored))


def tensors(model: keras.Model) -> Mapping[str, np.ndarray]:
    """The weights under the names and in the layout of a Hugging Face checkpoint."""
    result = {}
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        prefix = "" if in_head or not model.base_name else BASE_PREFIX
        result[prefix + name.keys[0]] = name.to_checkpoint(np.asarray(variable))
    return result


def _locate(model: keras.Model, variable: keras.Variable) -> tuple[Name, bool]:
    """The variable's name in a checkpoint, and whether it is part of a head."""
    path = variable.path.split("/", 1)[1]  # below the model's own name
    below = path.removeprefix(f"{model.base_name}/")
    return name_of(below), bool(model.base_name) and below == path


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _head_advice(faults: list[str]) -> str:
    if any("lm_head" in fault for fault in faults):
        return "; for a new, untrained head ask for it with vocab_size="
    return ""
