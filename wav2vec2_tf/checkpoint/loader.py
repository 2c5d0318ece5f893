"""Checkpoint → variables and back, strictly: nothing skipped, nothing left unassigned."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.weight_names import HEAD_KEYS, Name, name_of
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    import keras

    from wav2vec2_tf.checkpoint.readers import Checkpoint
    from wav2vec2_tf.models.config import Config

MASK_EMBEDDING = "masked_spec_embed"
"""The one tensor that may be missing (published base-960h lacks it) or left over (a config without
SpecAugment has no use for it)."""
HEAD = "head"
MOST_FAULTS = 20
"""Of a checkpoint, in one message."""


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint did not hold, and what it held beyond the model."""

    seeded: tuple[str, ...]
    """Keys of tensors drawn anew, the same each time."""
    ignored: tuple[str, ...]
    """Keys of tensors that this model has no use for: other heads', mostly."""
    not_finite: tuple[str, ...] = ()
    """Keys of tensors that hold NaN or infinity, or numbers too large for the model's type."""


@dataclass(frozen=True)
class Plan:
    """What comes from where, worked out before any value is read."""

    keys: Mapping[str, str]
    """Variable's path below the model → the checkpoint's key."""
    seeded: Mapping[str, str]
    """Variable's path below the model → the key that the checkpoint lacks, or has otherwise."""
    ignored: tuple[str, ...]


def plan(
    model: keras.Model,
    checkpoint: Checkpoint,
    prefixes: Mapping[str, str],
    *,
    new_parts: Collection[str] = (),
) -> Plan:
    """Match every weight of a built model, initialised or not, with a tensor of `checkpoint`.

    Args:
        prefixes: what begins the keys of each family's base model, by `model_type`.
        new_parts: what to draw anew where the checkpoint has none of that shape: the `HEAD`, or
            modules by their names in a key ("adapter").

    Raises:
        UserError: tensors are missing, left over, of another shape or kind of number, or of
            another family; the first of them are listed.
    """
    model_type = model.config.model_type
    first_parts = {key.partition(".")[0] + "." for key in checkpoint}
    begun = {kind for kind, prefix in prefixes.items() if prefix in first_parts}
    if begun and model_type not in begun:
        raise UserError(
            f"{checkpoint.path}: holds a model of type {', '.join(sorted(begun))}, and its config "
            f"says {model_type}: take the config.json that came with the weights"
        )
    prefix = prefixes[model_type] if begun else ""
    keys: dict[str, str] = {}
    seeded: dict[str, str] = {}
    faults: list[str] = []
    of_head: list[str] = []
    own_heads: set[str] = set()
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        spellings = name.keys if in_head else tuple(prefix + key for key in name.keys)
        key = next((key for key in spellings if key in checkpoint), None)
        wanted = name.checkpoint_shape(tuple(variable.shape))
        parts = {HEAD} if in_head else set(name.keys[0].split("."))
        redraw = not parts.isdisjoint(new_parts)
        if in_head:
            own_heads.add(name.keys[0].partition(".")[0])
        if key is None:
            if redraw or name.keys[0] == MASK_EMBEDDING:
                seeded[path_below(variable)] = spellings[0]
            else:
                faults.append(f"missing {spellings[0]} {list(wanted)}")
                of_head += faults[-1:] if in_head else []
            continue
        keys[path_below(variable)] = key
        tensor = checkpoint[key]
        whole = str(variable.dtype).startswith("int")
        if tensor.shape != wanted:
            if redraw:
                seeded[path_below(variable)] = key
            else:
                faults.append(f"{key} is {list(tensor.shape)}, not {list(wanted)}")
                of_head += faults[-1:] if in_head else []
        elif not (tensor.dtype.kind in "iu" if whole else _is_float(tensor.dtype)):
            kind = "whole" if whole else "floating-point"
            faults.append(f"{key} holds {tensor.dtype}, not {kind} numbers")
    matched = set(keys.values())
    left = [key for key in checkpoint if key not in matched]
    ignored = [key for key in left if _may_be_left(key, prefix, own_heads)]
    faults += [f"unexpected {key}" for key in left if key not in ignored]
    if faults:
        raise UserError(
            f"{checkpoint.path}: {len(faults)} tensors do not fit the config: "
            + "; ".join(faults[:MOST_FAULTS])
            + (f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else "")
            + (_head_advice(of_head) if len(of_head) == len(faults) else "")
        )
    present = {path: key for path, key in keys.items() if path not in seeded}
    return Plan(present, seeded, tuple(ignored))


def load(
    model: keras.Model, checkpoint: Checkpoint, plan: Plan, *, only: Container[str] | None = None
) -> LoadReport:
    """Give every weight of a built model its value as planned, or those of the keys in `only`.

    The model may be a skeleton, whose variables have none yet.
    """
    not_finite = []
    for variable in model.weights:
        path = path_below(variable)
        key = plan.seeded.get(path) or plan.keys[path]
        if only is not None and key not in only:
            continue
        if path in plan.seeded:
            values = initial(key, tuple(variable.shape), model.config)
        else:
            values = _locate(model, variable)[0].to_variable(checkpoint[key].read())
        with np.errstate(over="ignore"):
            values = values.astype(variable.dtype, copy=False)
        if not np.isfinite(values).all():
            not_finite.append(key)
        if variable._value is None:
            variable._initializer = lambda shape, dtype, values=values: values
            variable._deferred_initialize()
        else:
            variable.assign(values)
    for variable in model.variables:  # the states of random generators
        if variable._value is None:
            variable._deferred_initialize()
    return LoadReport(tuple(plan.seeded.values()), plan.ignored, tuple(not_finite))


def keyed(model: keras.Model, prefix: str) -> Iterator[tuple[str, str, keras.Variable]]:
    """Every weight: its path below the model, its key in a Hugging Face checkpoint, itself."""
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        below = "" if in_head or not model.base_name else prefix
        yield path_below(variable), below + name.keys[0], variable


def tensors(model: keras.Model, prefix: str) -> dict[str, LazyTensor]:
    """The weights under the names and in the layout of a Hugging Face checkpoint."""

    def read(name: Name, variable: keras.Variable) -> np.ndarray:
        return name.to_checkpoint(variable.numpy())

    result = {}
    for _, key, variable in keyed(model, prefix):
        name, _ = _locate(model, variable)
        shape = name.checkpoint_shape(tuple(variable.shape))
        result[key] = LazyTensor(shape, np.dtype(variable.dtype), partial(read, name, variable))
    return result


def path_below(variable: keras.Variable) -> str:
    """The variable's path below the model's own name, which is numbered."""
    return variable.path.split("/", 1)[1]


def _locate(model: keras.Model, variable: keras.Variable) -> tuple[Name, bool]:
    """The variable's name in a checkpoint, and whether it is part of a head."""
    path = path_below(variable)
    below = path.removeprefix(f"{model.base_name}/")
    return name_of(below), bool(model.base_name) and below == path


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _may_be_left(key: str, prefix: str, own_heads: set[str]) -> bool:
    if key.endswith(MASK_EMBEDDING):
        return True
    first = key.partition(".")[0]
    # in a base model alone, the feature extractor is not an x-vector's
    is_base = not prefix and first == "feature_extractor"
    return first in HEAD_KEYS and first not in own_heads and not is_base


def initial(key: str, shape: tuple[int, ...], config: Config) -> np.ndarray:
    """As transformers initialises; drawn by the key alone, whatever else draws numbers."""
    random = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith(MASK_EMBEDDING):
        return random.uniform(size=shape).astype(np.float32)
    if len(shape) < 2:
        return np.full(shape, key.endswith("norm.weight"), np.float32)
    return random.normal(0, config.initializer_range, shape).astype(np.float32)


def _head_advice(faults: list[str]) -> str:
    """What to do where nothing but a head does not fit."""
    if any("lm_head" in fault for fault in faults):
        return "; from_pretrained(…, vocab_size=…) makes a new head, --head none does without"
    if any("classifier" in fault for fault in faults):
        return "; from_pretrained(…, num_labels=…) makes a new head, --head none does without"
    return ""
