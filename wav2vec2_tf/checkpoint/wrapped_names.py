"""Removes from a state dict's keys what wrappers around the model added when it was saved.

`DistributedDataParallel` puts `module.` before every key, and PyTorch Lightning `model.`.
`torch.compile` adds `_orig_mod.`, FSDP `_fsdp_wrapped_module.` and activation checkpointing
`_checkpoint_wrapped_module.` before the keys of each module that they wrap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from wav2vec2_tf.checkpoint.lazy_tensor import quoted
from wav2vec2_tf.utils.errors import UserError

OUTERMOST = ("module.", "model.")
"""Removed where all keys begin so: a layer may have such a name."""
ANYWHERE = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

Value = TypeVar("Value")


def unwrapped(path: Path, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the tensors under the keys that the model itself has.

    Args:
        path: the checkpoint, for errors.
        tensors: by the keys in the file.

    Raises:
        UserError: two keys differ in what wrappers added only.
    """
    result: dict[str, Value] = {}
    for key, value in zip(_without_wrappers(tensors), tensors.values(), strict=True):
        if key in result:
            raise UserError(
                f"{path}: has tensor {quoted(key)} twice, with and without a wrapper's prefix; "
                "save the state dict of the model alone"
            )
        result[key] = value
    return result


def _without_wrappers(keys: Iterable[str]) -> list[str]:
    names = [ANYWHERE.sub("", key) for key in keys]
    while prefix := next((p for p in OUTERMOST if _all_begin(names, p)), None):
        names = [name.removeprefix(prefix) for name in names]
    return names


def _all_begin(names: list[str], prefix: str) -> bool:
    return bool(names) and all(name.startswith(prefix) for name in names)
