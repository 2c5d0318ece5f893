"""Writes safetensors files with one tensor in memory at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor
from wav2vec2_tf.checkpoint.readers import SAFETENSORS_DTYPES

ALIGNMENT = 8  # bytes: the format aligns the first tensor


def write_safetensors(path: Path, tensors: Mapping[str, LazyTensor]) -> None:
    """Writes a file in the format of https://huggingface.co/docs/safetensors.

    The safetensors library takes all tensors at once and copies them; this function needs memory
    for the largest tensor only.

    Args:
        path: the file to write.
        tensors: the tensors by name.
    """
    names_of_types = {dtype: name for name, dtype in SAFETENSORS_DTYPES.items()}
    # Widest dtype first, so that each tensor begins at a multiple of its item size.
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + math.prod(tensor.shape) * tensor.dtype.itemsize
        header[name] = {
            "dtype": names_of_types[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in order:
            values = tensors[name].read()
            assert values.shape == tensors[name].shape and values.dtype == tensors[name].dtype
            file.write(values.reshape(-1).view("u1").data)
