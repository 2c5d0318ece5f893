"""Checkpoint → variables and back, strictly: nothing skipped, nothing left unassigned."""

from __future__ import annotations

import zlib
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
"""The one tensor that may be missing (published base-960h lacks it) or left over (a config without
SpecAugment has no use for it)."""


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint did not hold, and what it held beyond the model."""

    seeded: tuple[str, ...]
    """Keys of tensors drawn anew, the same each time."""
    ignored: tuple[str, ...]
    """Keys of tensors that this model has no use for: other heads', mostly."""


def load(model: keras.Model, checkpoint: Checkpoint, *, new_head: bool = False) -> LoadReport:
    """Assign every weight of a built model from `checkpoint`.

    Args:
        new_head: draw the head anew where the checkpoint has none of that shape.

    Raises:
        UserError: tensors are missing, left over, of another shape or not of floating point; all
            of them are listed, and no variable has been changed.
    """
    prefix = BASE_PREFIX if any(key.startswith(BASE_PREFIX) for key in checkpoint) else ""
    faults: list[str] = []
    seeded: dict[str, keras.Variable] = {}
    used: dict[str, tuple[keras.Variable, Name]] = {}
    left = dict.fromkeys(checkpoint)
    own_heads: set[str] = set()
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        keys = name.keys if in_head else tuple(prefix + key for key in name.keys)
        if in_head:
            own_heads.add(keys[0].partition(".")[0] + ".")
        key = next((key for key in keys if key in checkpoint), None)
        left.pop(key or "", None)
        wanted = name.checkpoint_shape(tuple(variable.shape))
        if key is None:
            if (in_head and new_head) or keys[0].endswith(MASK_EMBEDDING):
                seeded[keys[0]] = variable
            else:
                faults.append(f"missing {keys[0]} {list(wanted)}")
        elif checkpoint[key].shape != wanted:
            if in_head and new_head:
                seeded[key] = variable
            else:
                faults.append(f"{key} is {list(checkpoint[key].shape)}, not {list(wanted)}")
        elif not _is_float(checkpoint[key].dtype):
            faults.append(f"{key} holds {checkpoint[key].dtype}, not floating-point numbers")
        else:
            used[key] = (variable, name)
    other_heads = tuple(head for head in OTHER_HEADS if head not in own_heads)
    ignored = [k for k in left if k.startswith(other_heads) or k.endswith(MASK_EMBEDDING)]
    faults += [f"unexpected {key}" for key in left if key not in ignored]
    if faults:
        raise UserError(
            f"{checkpoint.path}: {len(faults)} tensors do not fit the config: {'; '.join(faults)}"
            + _head_advice(faults)
        )
    for key, variable in seeded.items():
        variable.assign(_initial(key, tuple(variable.shape), model.config.initializer_range))
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


def _initial(key: str, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """As transformers initialises; drawn by the key alone, whatever else draws numbers."""
    random = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith(MASK_EMBEDDING):
        return random.uniform(size=shape)
    return random.normal(0, deviation, shape) if len(shape) > 1 else np.zeros(shape)


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _head_advice(faults: list[str]) -> str:
    if any("lm_head" in fault for fault in faults):
        return "; from_pretrained(…, vocab_size=…) makes a new head, --head none does without"
    return ""
