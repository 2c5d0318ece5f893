"""Loads a checkpoint into a model's variables, and names the variables as a checkpoint does.

Loading is strict: every tensor is used or reported as ignored, and every variable is assigned.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted
from wav2vec2_tf.checkpoint.weight_names import HEAD_KEYS, Name, name_of
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.keras_internals import initialize, set_value

if TYPE_CHECKING:
    import keras

    from wav2vec2_tf.checkpoint.readers import Checkpoint

MASK_EMBEDDING = "masked_spec_embed"
"""The one tensor that may be missing (published base-960h lacks it) or unused (by a config without
SpecAugment)."""
HEAD = "head"
LONGEST_KEY = 200
MAX_FAULTS = 20
"""Faults of a checkpoint that one error lists."""


class ModelConfig(Protocol):
    """The field of a model's config that initial values need."""

    @property
    def initializer_range(self) -> float:
        """Standard deviation of initial weights."""


@dataclass(frozen=True)
class LoadReport:
    """The differences between a checkpoint and the model that was loaded from it."""

    seeded: tuple[str, ...]
    """Keys that the checkpoint lacks; their values are drawn, the same at each load."""
    ignored: tuple[str, ...]
    """Keys of tensors that the model does not have, mostly those of other heads."""
    not_finite: tuple[str, ...] = ()
    """Keys of tensors that hold NaN, infinity, or numbers beyond the range of the model's dtype."""


@dataclass(frozen=True)
class Plan:
    """Which tensor each variable is loaded from, known before any value is read."""

    keys: Mapping[str, str]
    """Variable's path below the model → the checkpoint's key."""
    seeded: Mapping[str, str]
    """Variable's path below the model → a key that the checkpoint lacks or has in another shape."""
    ignored: tuple[str, ...]
    """Keys of tensors that the model does not have."""


def plan(
    model: keras.Model,
    checkpoint: Checkpoint,
    prefixes: Mapping[str, str],
    *,
    new_parts: Collection[str] = (),
) -> Plan:
    """Matches every weight of a built model with a tensor of `checkpoint`.

    Args:
        model: a built `models.pretrained.Pretrained`; its variables need no values.
        checkpoint: the tensors.
        prefixes: the prefix of the keys of each family's base model, by `model_type`.
        new_parts: parts to initialize where the checkpoint has no tensor of their shape: `HEAD`, or
            modules by their names in a key ("adapter").

    Returns:
        The key of each variable, and the keys that are drawn or ignored.

    Raises:
        UserError: tensors are missing, unexpected, of another shape or kind of number, or of
            another family; one error lists them, up to `MAX_FAULTS`.
    """
    model_type = model.config.model_type
    first_parts = {key.partition(".")[0] + "." for key in checkpoint}
    begun = {kind for kind, prefix in prefixes.items() if prefix in first_parts}
    if begun and model_type not in begun:
        raise UserError(
            f"{checkpoint.path}: model_type in the config must be that of the weights, "
            f"{', '.join(sorted(begun))}, got {model_type}: take the config.json that came with "
            "the weights"
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
                faults.append(f"{key} is {brief(list(tensor.shape))}, not {list(wanted)}")
                of_head += faults[-1:] if in_head else []
        elif not (tensor.dtype.kind in "iu" if whole else _is_float(tensor.dtype)):
            kind = "integers" if whole else "floating-point numbers"
            faults.append(f"{key} holds {tensor.dtype}, not {kind}")
    matched = set(keys.values())
    unmatched = [key for key in checkpoint if key not in matched]
    ignored = [key for key in unmatched if _may_be_ignored(key, prefix, own_heads)]
    faults += [f"unexpected {_shown(key)}" for key in sorted({*unmatched} - {*ignored})]
    if faults:
        raise UserError(
            f"{checkpoint.path}: {len(faults)} tensors do not fit the config: "
            + "; ".join(faults[:MAX_FAULTS])
            + (f"; and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else "")
            + (_head_advice(of_head) if len(of_head) == len(faults) else "")
        )
    present = {path: key for path, key in keys.items() if path not in seeded}
    return Plan(present, seeded, tuple(ignored))


def load(
    model: keras.Model, checkpoint: Checkpoint, plan: Plan, *, only: Container[str] | None = None
) -> LoadReport:
    """Assigns the checkpoint's values to the weights of a built model.

    Args:
        model: a built model; its variables need no values yet.
        checkpoint: the tensors, each read when its variable is assigned.
        plan: the result of `plan` for this model and checkpoint.
        only: the keys of the tensors to load; None for all.

    Returns:
        What was drawn, ignored, or not finite.

    Raises:
        UserError: the bytes of a tensor are damaged.
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
        set_value(variable, values)
    for variable in model.variables:  # the states of random generators
        initialize(variable)
    return LoadReport(tuple(plan.seeded.values()), plan.ignored, tuple(not_finite))


def keyed(model: keras.Model, prefix: str) -> Iterator[tuple[str, str, keras.Variable]]:
    """Yields each weight: its path below the model, its key in a Hugging Face checkpoint, itself.

    Args:
        model: a built model.
        prefix: the prefix of the base model's keys in a checkpoint that has a head.
    """
    for variable in model.weights:
        name, in_head = _locate(model, variable)
        below = "" if in_head or not model.base_name else prefix
        yield path_below(variable), below + name.keys[0], variable


def tensors(model: keras.Model, prefix: str) -> dict[str, LazyTensor]:
    """Returns the weights under the names and in the layout of a Hugging Face checkpoint.

    Args:
        model: a built model.
        prefix: the prefix of the base model's keys in a checkpoint that has a head.

    Returns:
        Tensors by key, each read from its variable when it is asked for.
    """

    def read(name: Name, variable: keras.Variable) -> np.ndarray:
        return name.to_checkpoint(variable.numpy())

    result = {}
    for _, key, variable in keyed(model, prefix):
        name, _ = _locate(model, variable)
        shape = name.checkpoint_shape(tuple(variable.shape))
        result[key] = LazyTensor(shape, np.dtype(variable.dtype), partial(read, name, variable))
    return result


def path_below(variable: keras.Variable) -> str:
    """Returns the variable's path without the model's own name, which Keras numbers."""
    return variable.path.split("/", 1)[1]


def _locate(model: keras.Model, variable: keras.Variable) -> tuple[Name, bool]:
    """Returns the variable's name in a checkpoint, and whether it is part of a head."""
    path = path_below(variable)
    below = path.removeprefix(f"{model.base_name}/")
    return name_of(below), bool(model.base_name) and below == path


def _shown(key: str) -> str:
    """Returns a key of a file as one-line errors show it."""
    return key if key.isprintable() and len(key) <= LONGEST_KEY else quoted(key)


def _is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _may_be_ignored(key: str, prefix: str, own_heads: set[str]) -> bool:
    if key.endswith(MASK_EMBEDDING):
        return True
    first = key.partition(".")[0]
    # In a checkpoint without a head, "feature_extractor" is not the x-vector's layer.
    is_base = not prefix and first == "feature_extractor"
    return first in HEAD_KEYS and first not in own_heads and not is_base


def initial(key: str, shape: tuple[int, ...], config: ModelConfig) -> np.ndarray:
    """Returns initial values with the distributions of transformers, float32.

    The random numbers depend on the key alone, so that each load draws the same.

    Args:
        key: the tensor's key in a checkpoint.
        shape: the shape of the variable.
        config: gives the standard deviation of matrices.
    """
    random = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith(MASK_EMBEDDING):
        return random.uniform(size=shape).astype(np.float32)
    if len(shape) < 2:
        return np.full(shape, key.endswith("norm.weight"), np.float32)
    return random.normal(0, config.initializer_range, shape).astype(np.float32)


def _head_advice(faults: list[str]) -> str:
    """Returns advice for a checkpoint in which only the head does not fit."""
    if any("lm_head" in fault for fault in faults):
        return "; from_pretrained(…, vocab_size=…) makes a new head, --head none loads no head"
    if any("classifier" in fault for fault in faults):
        return "; from_pretrained(…, num_labels=…) makes a new head, --head none loads no head"
    return "; take the class of the head that the checkpoint has, or AutoModel for none"
