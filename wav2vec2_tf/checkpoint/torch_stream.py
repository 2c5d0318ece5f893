"""Reads PyTorch's first format (`torch.save` before version 1.6) without PyTorch.

Such a file is a stream: pickles of a magic number, the protocol's number, facts of the machine, the
saved object, and the list of its storages' keys; then each storage in that order, as an eight-byte
count of elements and the elements, always little-endian (reference: `torch/serialization.py`,
`_legacy_save`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import quoted
from wav2vec2_tf.checkpoint.torch_pickle import (
    GLOBALS,
    MAX_PICKLE_BYTES,
    Malformed,
    Storage,
    Unsupported,
    integers,
    refuse_reference,
    storage_reference,
    unpickle,
)

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MAGIC = b"\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little") + b"."  # the end of its pickle
MAX_MAGIC_BYTES = 32  # with the opcodes that protocols 2 to 5 put before it
PROTOCOL = 1001
MAX_HEADER_BYTES = 4096  # of each of the first three pickles; torch's take under 200
COUNT = struct.Struct("<q")


@dataclass
class _Place:
    """The position of a storage's bytes, which is known only after all tensors."""

    size: int  # bytes
    item_size: int
    start: int = -1


def is_stream(head: bytes) -> bool:
    """Returns whether a file that begins with `head` has this format."""
    return head.startswith(b"\x80") and MAGIC in head[:MAX_MAGIC_BYTES]


def read(path: Path) -> object:
    """Returns the saved object: tensors in plain containers.

    Raises:
        Malformed: the file is truncated or damaged, or needs anything but tensors and containers.
    """
    mapped = np.asarray(np.memmap(path, np.uint8, mode="r"))
    places: dict[str, _Place] = {}

    def load_storage(identifier: object) -> Storage:
        kind, key, count, (view,) = storage_reference(identifier, properties=6)
        item_size = kind.dtype.itemsize if kind.dtype else 1
        place = places.setdefault(key, _Place(count * item_size, item_size))
        if place.size != count * item_size:
            raise Malformed(f"it gives the storage {quoted(key)} two sizes")
        if place.size > mapped.size:
            raise Malformed(f"its storage {quoted(key)} is cut short or damaged")
        first, size = 0, place.size
        if view is not None:  # a storage inside this one, as old versions wrote it
            if type(view) is not tuple or len(view) != 3:
                raise Malformed("it has a storage that is described wrongly")
            first, size = (n * item_size for n in integers(view[1:], "storage"))
            if first + size > place.size:
                raise Malformed("it has a storage that reaches beyond another that holds it")

        def data() -> np.ndarray:
            return mapped[place.start + first : place.start + first + size]

        return Storage(size, data, kind.dtype)

    position = 0

    def next_pickle(limit: int, *, tensors: bool = False) -> object:
        nonlocal position
        window = mapped[position : position + limit].tobytes()
        globals_, persistent_load = (GLOBALS, load_storage) if tensors else ({}, refuse_reference)
        try:
            value, length = unpickle(window, globals_, persistent_load)
        except Unsupported:
            raise
        except Malformed as error:
            if len(window) == limit:
                raise Unsupported(
                    f"one of its pickles is damaged, or over {limit} bytes, too many for tensors"
                ) from error
            raise
        position += length
        return value

    for expected, what in ((MAGIC_NUMBER, "magic"), (PROTOCOL, "protocol")):
        number = next_pickle(MAX_HEADER_BYTES)
        if type(number) is not int or number != expected:
            raise Malformed(f"its {what} number is wrong")
    next_pickle(MAX_HEADER_BYTES)  # the machine's byte order: torch too takes no notice
    value = next_pickle(MAX_PICKLE_BYTES, tensors=True)
    keys = next_pickle(MAX_PICKLE_BYTES)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise Malformed("its list of storages is damaged")
    if len(keys) != len(places) or set(keys) != places.keys():
        raise Malformed("its list of storages is not that of its tensors")
    for key in keys:
        place = places[key]
        place.start = position + COUNT.size
        position = place.start + place.size
        if position > mapped.size:
            raise Malformed("the file is cut short or damaged")
        (count,) = COUNT.unpack(mapped[place.start - COUNT.size : place.start].tobytes())
        if count * place.item_size != place.size:
            raise Malformed(f"its storage {quoted(key)} is not as long as it should be")
    if position != mapped.size:
        raise Malformed("the file goes on after its last storage")
    return value
