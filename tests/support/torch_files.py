"""PyTorch files written by torch and built by hand, for the tests of the readers."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2vec2_tf.checkpoint import Checkpoint, open_checkpoint
from wav2vec2_tf.utils.errors import UserError

CONTAINERS = ("zip", "stream")


def save(content: object, path: Path, container: str = "zip", protocol: int = 2) -> Path:
    """Saves with torch.save in its present format ("zip") or that before 1.6 ("stream")."""
    torch.save(
        content,
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=container == "zip",
    )
    return path


def bits(tensor: torch.Tensor) -> bytes:
    """Returns the bytes of a tensor in C order."""
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def assert_equal(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> None:
    """Asserts that names, shapes, dtypes and bits are equal, in the headers and in the values."""
    assert set(checkpoint) == set(expected) and len(checkpoint) == len(expected)
    for name, tensor in expected.items():
        lazy = checkpoint[name]
        array = lazy.read()
        assert lazy.shape == array.shape == tuple(tensor.shape)
        assert lazy.dtype == array.dtype
        assert array.dtype.name == str(tensor.dtype).removeprefix("torch.")
        assert array.dtype.isnative and array.flags.c_contiguous and array.flags.writeable
        assert array.tobytes() == bits(tensor), name


def random(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Returns random values of a dtype, the same at each call."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 50
    return (values > 0) if dtype == torch.bool else values.to(torch.int64).abs().to(dtype)


def fails(path: Path) -> str:
    """Returns the error of reading a checkpoint; asserts that one line names the file."""
    with pytest.raises(UserError) as caught:
        for tensor in open_checkpoint(path).values():
            tensor.read()
    message = str(caught.value)
    assert "\n" not in message and str(path.parent) in message
    return message


def write_archive(
    path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **parts: bytes
) -> Path:
    """Writes a zip file as torch.save does, around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in parts.items():
            archive.writestr(f"archive/{name}", data)
        for name, data in (storages or {}).items():
            archive.writestr(f"archive/data/{name}", data)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    """Returns the entries of a zip file by name, without the archive's folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write_parts(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Writes a zip file from the entries that `parts_of` returns."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(f"archive/{name}", data)


def write_stream(
    path: Path, pickled: bytes, storages: Mapping[str, tuple[int, bytes]], keys: Sequence[str] = ()
) -> Path:
    """Writes a file as torch.save did before version 1.6, around any pickle.

    Args:
        storages: key → the stated number of elements, and the bytes.
        keys: order of the keys, if it differs from that of `storages`.
    """
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    keys = list(keys or storages)
    start = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, facts)]
    parts = [*start, pickled, pickle.dumps(keys, 2)]
    parts += [struct.pack("<q", storages[key][0]) + storages[key][1] for key in keys]
    path.write_bytes(b"".join(parts))
    return path


def write_torch_file(path: Path, container: str, pickled: bytes, values: np.ndarray) -> Path:
    """Writes any pickle in either format, with `values` as storage "0".

    In a stream a storage's description has a sixth part: it is added before each `tQ`.
    """
    if container == "zip":
        return write_archive(path, pickled, {"0": values.tobytes()})
    pickled = pickled.replace(b"tQ", b"NtQ")
    storages = {"0": (values.size, values.tobytes())} if b"NtQ" in pickled else {}
    return write_stream(path, pickled, storages)


# Pickles, opcode by opcode


def text(value: str) -> bytes:
    """Returns the opcode that pushes a string."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, attribute: str) -> bytes:
    """Returns the opcode that pushes a global."""
    return f"c{module}\n{attribute}\n".encode()


ODICT = name("collections", "OrderedDict") + b")R"
FLOATS_8 = (
    b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x08tQ"
)
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def tensor_of(
    storage: bytes = FLOATS_8,
    offset: bytes = b"K\0",
    shape: bytes = b"K\x08\x85",
    stride: bytes = b"K\x01\x85",
    hooks: bytes = ODICT,
) -> bytes:
    """Returns the opcodes that rebuild a tensor from a storage."""
    return REBUILD + b"(" + storage + offset + shape + stride + b"\x89" + hooks + b"tR"


def integer(value: int) -> bytes:
    """Returns the opcode that pushes an integer of any size."""
    data = value.to_bytes(20, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def persistent(*items: bytes) -> bytes:
    """Returns the opcodes of a tensor whose storage has the persistent id of these items."""
    return tensor_of(b"(" + b"".join(items) + b"tQ")


FLOAT, KEY, CPU, EIGHT = name("torch", "FloatStorage"), text("0"), text("cpu"), b"K\x08"
STORAGE = text("storage")
