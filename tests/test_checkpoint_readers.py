"""Checkpoints are read as torch and safetensors read them, and nothing in them is ever run."""

from __future__ import annotations

import copyreg
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2vec2_tf.checkpoint import Checkpoint, LazyTensor, open_checkpoint
from wav2vec2_tf.checkpoint.torch_pickle import MAX_PICKLE_BYTES
from wav2vec2_tf.errors import UserError

ROOT = Path(__file__).parents[1]

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
DTYPES = FLOATS + INTEGERS + UNSIGNED


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def assert_equal(checkpoint: Checkpoint, expected: dict[str, torch.Tensor]) -> None:
    """Same names, shapes, dtypes and bits, in what the header says and in what is read."""
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
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 50
    return (values > 0) if dtype == torch.bool else values.to(torch.int64).abs().to(dtype)


def fails(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        for tensor in open_checkpoint(path).values():
            tensor.read()
    message = str(caught.value)
    assert "\n" not in message and str(path.parent) in message
    return message


# torch.save's format


def write_archive(
    path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **parts: bytes
) -> Path:
    """A zip file as torch.save writes it, around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in parts.items():
            archive.writestr(f"archive/{name}", data)
        for name, data in (storages or {}).items():
            archive.writestr(f"archive/data/{name}", data)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


def write_parts(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(f"archive/{name}", data)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_dtype_and_layout_equals_torch_load(tmp_path: Path, protocol: int) -> None:
    base = torch.randn(4, 5, 6)
    state = {str(dtype): random((3, 4), dtype) for dtype in DTYPES}
    state |= {
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:3, ::2, 3],
        "tied": base,
        "also tied": base,
        "offset": base.view(-1)[7:],
        "scalar": torch.tensor(1.5),
        "scalar bool": torch.tensor(True),
        "empty": torch.zeros(0, 3),
        "none at all": base[:, 5:5],
        "one row expanded": torch.arange(5).expand(1, -1),
        "bfloat16 transposed": random((3, 4), torch.bfloat16).T,
        "parameter": torch.nn.Parameter(base[0]),
        "name with “quotes”, é and \n": torch.ones(1),
    }
    path = tmp_path / "pytorch_model.bin"
    torch.save(state, path, pickle_protocol=protocol)
    checkpoint = open_checkpoint(path)
    assert checkpoint.path == path and checkpoint.files == (path,)
    assert list(checkpoint) == list(state)
    assert_equal(checkpoint, torch.load(path, weights_only=False))


def test_a_module_s_state_dict_with_its_metadata(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv1d(2, 4, 3), torch.nn.BatchNorm1d(4))
    torch.nn.utils.parametrizations.weight_norm(module[0], dim=2)
    state = module.state_dict()
    assert isinstance(state, OrderedDict) and state._metadata  # type: ignore[attr-defined]
    torch.save(state, tmp_path / "pytorch_model.bin")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.path == tmp_path and checkpoint.files == (tmp_path / "pytorch_model.bin",)
    assert_equal(checkpoint, state)
    assert "0.parametrizations.weight.original0" in checkpoint


def test_old_archives_say_nothing_of_byte_order(tmp_path: Path) -> None:
    state = {"weight": torch.randn(2, 3), "bias": torch.ones(3)}
    torch.save(state, tmp_path / "new.bin")
    parts = parts_of(tmp_path / "new.bin")
    write_parts(
        tmp_path / "old.bin",
        {k: v for k, v in parts.items() if k in ("data.pkl", "version") or k.startswith("data/")},
    )
    assert_equal(open_checkpoint(tmp_path / "old.bin"), state)


def test_entries_in_the_form_for_large_files(tmp_path: Path) -> None:
    """zip64, which torch writes beyond 4 GiB."""
    state = {"weight": torch.randn(2, 3), "bias": torch.ones(3)}
    torch.save(state, tmp_path / "small.bin")
    with zipfile.ZipFile(tmp_path / "large.bin", "w") as archive:
        for name_, data in parts_of(tmp_path / "small.bin").items():
            with archive.open(f"archive/{name_}", "w", force_zip64=True) as file:
                file.write(data)
    assert_equal(open_checkpoint(tmp_path / "large.bin"), state)


def test_big_endian_archives(tmp_path: Path) -> None:
    """As torch.load swaps them; other than little and big is refused."""
    state = {str(dtype): random((2, 3), dtype).T for dtype in FLOATS + INTEGERS}
    state["scalar"] = torch.tensor(2.5)
    torch.save(state, tmp_path / "little.bin")
    parts = parts_of(tmp_path / "little.bin")
    for index, tensor in enumerate(state.values()):
        data = np.frombuffer(parts[f"data/{index}"], f"u{tensor.element_size()}")
        parts[f"data/{index}"] = data.byteswap().tobytes()
    write_parts(tmp_path / "big.bin", parts | {"byteorder": b"big"})
    checkpoint = open_checkpoint(tmp_path / "big.bin")
    assert_equal(checkpoint, state)
    assert_equal(checkpoint, torch.load(tmp_path / "big.bin"))
    write_parts(tmp_path / "big.bin", parts | {"byteorder": b"middle"})
    assert "byte order" in fails(tmp_path / "big.bin")


@pytest.mark.parametrize(
    "content, expected",
    [
        ({"model": {"weight": torch.ones(2)}, "epoch": 3}, "'model' is a mapping with tensors"),
        ({"weight": torch.ones(2), "epoch": 3}, "'epoch' is a value of type int, not a tensor"),
        (
            {"weight": torch.ones(2), "args": {"lr": [1, 2.0, None]}},
            "'args' is a value of type dict",
        ),
        ({0: torch.ones(2)}, "an entry named by a number"),
        ([torch.ones(2)], "holds a value of type list, not a state dict"),
        (torch.ones(2), "holds a tensor, not a state dict"),
        ({"c": torch.zeros(2, dtype=torch.complex64)}, "'torch.ComplexFloatStorage'"),
        ({"s": torch.eye(2).to_sparse()}, "'torch._utils._rebuild_sparse_tensor'"),
        ({"e": torch.ones(1).expand(1000)}, "repeats its storage's values"),
        ({"n": torch.randn(2, dtype=torch.cfloat).conj().imag}, "negated"),
        ({"size": torch.Size([2, 3])}, "'size' is a value of type tuple"),
        ({"d": np.float64(1)}, "'numpy."),
    ],
)
def test_what_is_not_a_plain_state_dict_is_refused(
    tmp_path: Path, content: object, expected: str
) -> None:
    torch.save(content, tmp_path / "model.bin")
    assert expected in fails(tmp_path / "model.bin")


# hostile pickles


class Trap:
    """Every way a pickle has of running its class leaves a file behind."""

    path = ""

    def __new__(cls, path: str = "") -> Trap:
        if path:
            Path(path).touch()
        return super().__new__(cls)

    def __setstate__(self, path: str) -> None:
        Path(path).touch()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


TRAP = name(__name__, "Trap")
EXTENSION = 77
# Given the path of the file that is not to appear; each is a whole pickle but for PROTO and STOP.
DANGEROUS: dict[str, Callable[[str], bytes]] = {
    "GLOBAL, REDUCE": lambda p: name("os", "system") + text(f"touch {p}") + b"\x85R",
    "STACK_GLOBAL, REDUCE": lambda p: (
        text("os") + text("system") + b"\x93" + text(f"touch {p}") + b"\x85R"
    ),
    "builtins.eval": lambda p: (
        name("builtins", "eval") + text(f"open({p!r}, 'w').close()") + b"\x85R"
    ),
    "INST": lambda p: b"(" + text(p) + f"i{__name__}\nTrap\n".encode(),
    "OBJ": lambda p: b"(" + TRAP + text(p) + b"o",
    "NEWOBJ": lambda p: TRAP + text(p) + b"\x85\x81",
    "NEWOBJ_EX": lambda p: TRAP + text(p) + b"\x85}\x92",
    "BUILD": lambda p: TRAP + b")\x81" + text(p) + b"b",
    "EXT1": lambda p: bytes([0x82, EXTENSION]) + text(p) + b"\x85R",
    "EXT2": lambda p: b"\x83" + struct.pack("<H", EXTENSION) + text(p) + b"\x85R",
    "EXT4": lambda p: b"\x84" + struct.pack("<i", EXTENSION) + text(p) + b"\x85R",
    "hidden in a list": lambda p: b"](" + name("os", "system") + text(f"touch {p}") + b"\x85R1",
    "nested in _metadata": lambda p: (
        name("collections", "OrderedDict")
        + b")R}"
        + text("_metadata")
        + name("os", "system")
        + text(f"touch {p}")
        + b"\x85Rsb"
    ),
    "as a dictionary's key": lambda p: (
        b"}" + name("os", "system") + text(f"touch {p}") + b"\x85RNs"
    ),
}


@pytest.fixture
def extension() -> Iterator[None]:
    copyreg.add_extension(__name__, "Trap", EXTENSION)
    yield
    copyreg.remove_extension(__name__, "Trap", EXTENSION)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("kind", DANGEROUS)
def test_no_pickle_runs_code(tmp_path: Path, kind: str) -> None:
    sentinel = tmp_path / "it-ran"
    pickled = b"\x80\x04" + DANGEROUS[kind](str(sentinel)) + b"."
    message = fails(write_archive(tmp_path / "model.bin", pickled))
    assert "nothing in it was run" in message
    if not kind.startswith("EXT"):
        assert any(shown in message for shown in ("'os.system'", "builtins.eval", ".Trap'"))
    (tmp_path / "plain.bin").write_bytes(pickled)
    assert "plain pickle" in fails(tmp_path / "plain.bin")
    assert not sentinel.exists()
    pickle.loads(pickled)  # or else the test would prove nothing
    assert sentinel.exists()


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
    return REBUILD + b"(" + storage + offset + shape + stride + b"\x89" + hooks + b"tR"


def integer(value: int) -> bytes:
    data = value.to_bytes(20, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def persistent(*items: bytes) -> bytes:
    return tensor_of(b"(" + b"".join(items) + b"tQ")


FLOAT, KEY, CPU, EIGHT = name("torch", "FloatStorage"), text("0"), text("cpu"), b"K\x08"
STORAGE = text("storage")

MALFORMED = {
    "the whole tensor, as a check of these rows": (tensor_of(), None),
    "zero stride within bounds": (tensor_of(stride=b"K\0\x85"), None),
    # attributes
    "BUILD of other attributes": (ODICT + b"}" + text("__class__") + b"Nsb", "sets attributes"),
    "BUILD with __setstate__": (ODICT + b"}" + text("__setstate__") + b"Nsb", "sets attributes"),
    "BUILD of a tuple of states": (ODICT + b"N}" + text("_metadata") + b"Ns\x86b", "attributes"),
    "BUILD on a dict": (b"}}" + text("_metadata") + b"Nsb", "sets attributes"),
    "BUILD on a function": (REBUILD + b"}" + text("_metadata") + b"Nsb", "sets attributes"),
    "BUILD on a tensor": (tensor_of() + b"}" + text("read") + b"Nsb", "sets attributes"),
    # calls
    "REDUCE of text": (text("os") + b")R", "calls what is not a function"),
    "REDUCE of a storage type": (FLOAT + b")R", "calls what is not a function"),
    "REDUCE of a dtype": (name("torch", "uint16") + b")R", "calls what is not a function"),
    "REDUCE of a tensor": (tensor_of() + b")R", "calls what is not a function"),
    "REDUCE with a list": (name("torch", "Size") + b"]R", "calls what is not a function"),
    "OrderedDict of arguments": (name("collections", "OrderedDict") + b"]\x85R", "arguments"),
    "Size of text": (name("torch", "Size") + text("a") + b"\x85R", "wrong size"),
    "parameter of None": (
        name("torch._utils", "_rebuild_parameter") + b"N\x88" + ODICT + b"\x87R",
        "parameter that is not a tensor",
    ),
    "loading a storage from bytes": (
        name("torch.storage", "_load_from_bytes") + b"N\x85R",
        "'torch.storage._load_from_bytes'",
    ),
    "a dotted name": (name("collections", "OrderedDict.__init__"), "OrderedDict.__init__"),
    "a name that is not text": (b"NN\x93", "not text"),
    "a long name with a line break": (text("a\n" * 999) + text("b") + b"\x93", "'a\\na\\n"),
    # persistent ids
    "id of text": (text("0") + b"Q", "not a storage"),
    "id by line": (b"Pos.system\n", "opcode PERSID"),
    "id of another kind": (persistent(text("module"), FLOAT, KEY, CPU, EIGHT), "not a storage"),
    "id too short": (persistent(STORAGE, FLOAT, KEY, CPU), "not a storage"),
    "id with a callable": (persistent(STORAGE, REBUILD, KEY, CPU, EIGHT), "described wrongly"),
    "id with os.system": (persistent(STORAGE, name("os", "system"), KEY, CPU, EIGHT), "os.system"),
    "id with an integer key": (persistent(STORAGE, FLOAT, b"K\0", CPU, EIGHT), "described wrongly"),
    "id of what is not there": (persistent(STORAGE, FLOAT, text("9"), CPU, EIGHT), "missing"),
    "id of a path": (persistent(STORAGE, FLOAT, text("../data.pkl"), CPU, EIGHT), "missing"),
    "storage too large": (persistent(STORAGE, FLOAT, KEY, CPU, b"K\x09"), "as long as it should"),
    "storage huge": (persistent(STORAGE, FLOAT, KEY, CPU, integer(2**60)), "impossible storage"),
    "storage negative": (persistent(STORAGE, FLOAT, KEY, CPU, integer(-8)), "negative"),
    "storage of True": (persistent(STORAGE, FLOAT, KEY, CPU, b"\x88"), "impossible storage"),
    "untyped storage in a typed tensor": (
        persistent(STORAGE, name("torch.storage", "UntypedStorage"), KEY, CPU, b"K\x20"),
        "without a typed storage",
    ),
    # tensors
    "no storage": (tensor_of(storage=b"N"), "without a typed storage"),
    "offset beyond": (tensor_of(offset=b"K\x01"), "beyond its storage"),
    "offset negative": (tensor_of(offset=integer(-1)), "negative"),
    "offset huge": (tensor_of(offset=integer(2**63)), "impossible offset"),
    "shape too large": (tensor_of(shape=b"K\x09\x85"), "beyond its storage"),
    "shape huge": (tensor_of(shape=integer(2**40) + b"\x85"), "beyond its storage"),
    "shape negative": (tensor_of(shape=integer(-8) + b"\x85"), "negative"),
    "shape of floats": (tensor_of(shape=b"G" + struct.pack(">d", 8) + b"\x85"), "shape"),
    "shape a list": (tensor_of(shape=b"]"), "wrong shape"),
    "shape of 40 dimensions": (tensor_of(shape=b"(" + b"K\x01" * 40 + b"t"), "wrong shape"),
    "shape empty and huge": (
        tensor_of(shape=b"K\0" + integer(2**40) * 2 + b"\x87", stride=b"K\x01" * 3 + b"\x87"),
        "impossible size",
    ),
    "strides negative": (tensor_of(stride=integer(-1) + b"\x85"), "negative"),
    "strides too wide": (tensor_of(stride=b"K\x02\x85"), "beyond its storage"),
    "strides too few": (tensor_of(stride=b")"), "strides do not fit"),
    "one value repeated": (tensor_of(shape=integer(2**40) + b"\x85", stride=b"K\0\x85"), "repeats"),
    "hooks": (tensor_of(hooks=b"}"), "hooks"),
    "hooks filled": (tensor_of(hooks=ODICT + text("a") + b"Ns"), "hooks"),
    "too few properties": (REBUILD + b")R", "wrong number of properties"),
    # pickles
    "nothing": (b"", "does not end"),
    "two values": (b"NN", "does not end"),
    "open mark": (b"(N", "does not end"),
    "mark missing": (b"Nt", "damaged"),
    "stack too short": (b"N\x86", "damaged"),
    "memo missing": (b"j\xff\xff\xff\xff", "damaged"),
    "append to a dict": (b"}Na", "not a list"),
    "items on a list": (b"]" + text("a") + b"Ns", "not a dictionary"),
    "odd items": (b"}(" + text("a") + b"u", "not a dictionary"),
    "protocol 0": (b"I01\n", "opcode INT"),
    "protocol 9": (b"\x80\x09N", "protocol 9"),
    "not an opcode": (b"\xff", "damaged"),
    "wrong UTF-8": (b"X\x01\0\0\0\xff", "damaged"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_pickles_are_refused(tmp_path: Path, kind: str) -> None:
    body, expected = MALFORMED[kind]
    pickled = b"\x80\x02}" + text("w") + body + b"s."
    if kind in ("nothing", "two values", "open mark", "stack too short"):
        pickled = b"\x80\x02" + body + b"."
    values = np.arange(8, dtype=np.float32)
    path = write_archive(tmp_path / "model.bin", pickled, {"0": values.tobytes()})
    if expected is None:
        stride = 0 if "zero" in kind else 1
        np.testing.assert_array_equal(open_checkpoint(path)["w"].read(), values * stride)
    else:
        assert expected in fails(path)


def nested_keys(depth: int) -> bytes:
    """A dictionary's key of `depth` tuples of the one before, twice: 2**depth steps to hash."""
    return b"})" + b"q\0h\0\x86" * depth + b"Ns."


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"\x96" + struct.pack("<Q", 2**62) + b"a.", "damaged"),  # BYTEARRAY8 of 4 EiB
        (b"\x8e" + struct.pack("<Q", 2**40) + b"a.", "damaged"),  # BINBYTES8 of 1 TiB
        (b"X" + struct.pack("<I", 2**32 - 1) + b"a.", "damaged"),  # BINUNICODE of 4 GiB
        (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.", "damaged"),  # LONG4 of 2 GiB
        (
            b"Nr\xff\xff\xff\xff.",
            "holds a value of type NoneType",
        ),  # LONG_BINPUT: the C unpickler takes 32 GiB
        (b"]" * 100_000 + b"a" * 99_999 + b".", "holds a value of type list"),
        (b")" + b"\x85" * 100_000 + b".", "holds a value of type tuple"),
        (b"(" * 100_000 + b".", "does not end"),
        (nested_keys(64), "neither text nor a small integer"),
        (b"}" + integer(2**61 - 1) + b"Ns.", "neither text nor a small integer"),
        (
            b"}(" + b"".join(b"J" + struct.pack("<i", i << 12) + b"N" for i in range(9999)) + b"u.",
            "an entry named by a number",
        ),
        (b"I" + b"9" * 500_000 + b"\n.", "damaged"),
        (b"N" * MAX_PICKLE_BYTES + b".", "too many for tensors"),
    ],
)
def test_memory_and_time_are_bounded(tmp_path: Path, body: bytes, expected: str) -> None:
    path = write_archive(tmp_path / "model.bin", b"\x80\x05" + body)
    start = time.monotonic()
    tracemalloc.start()
    try:
        message = fails(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert expected in message
    assert time.monotonic() - start < 20
    assert peak < 2**20 + 300 * len(body)


# zip files


@pytest.fixture
def genuine(tmp_path: Path) -> Path:
    torch.save({"weight": torch.randn(3, 4), "bias": torch.ones(4)}, tmp_path / "genuine.bin")
    return tmp_path / "genuine.bin"


def test_zip_files_that_torch_would_not_write(genuine: Path) -> None:
    path, parts = genuine.with_name("model.bin"), parts_of(genuine)
    write_parts(path, parts, zipfile.ZIP_DEFLATED)
    assert "compressed" in fails(path)
    write_parts(path, parts | {"data/0": bytes(10**8)}, zipfile.ZIP_DEFLATED)  # a bomb of 100 kB
    assert "compressed" in fails(path)
    write_parts(path, {k: v for k, v in parts.items() if k != "data/1"})
    assert "'archive/data/1' is missing" in fails(path)
    write_parts(path, {k: v for k, v in parts.items() if k != "data.pkl"})
    assert "not one of torch.save" in fails(path)
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "w") as archive,
    ):
        for _ in range(2):
            archive.writestr("archive/data.pkl", parts["data.pkl"])
    assert "two entries of one name" in fails(path)
    with zipfile.ZipFile(path, "w") as archive:
        for folder in ("a", "b"):
            archive.writestr(f"{folder}/data.pkl", parts["data.pkl"])
    assert "not one of torch.save" in fails(path)


def test_damage_to_values_is_seen_when_they_are_read(genuine: Path) -> None:
    data = bytearray(genuine.read_bytes())
    with zipfile.ZipFile(genuine) as archive:
        values = archive.read("genuine/data/0")
    data[data.index(values)] ^= 1
    genuine.write_bytes(data)
    checkpoint = open_checkpoint(genuine)
    assert checkpoint["bias"].read().tolist() == [1, 1, 1, 1]
    for _ in range(2):
        with pytest.raises(UserError, match=r"checksum .*'genuine/data/0'.*download it again"):
            checkpoint["weight"].read()


def test_encrypted_and_lying_headers(genuine: Path) -> None:
    data = bytearray(genuine.read_bytes())
    central = data.rindex(b"PK\x01\x02", 0, data.rindex(b"genuine/data/0"))
    for offset, value in [(8, b"\x01\0"), (42, b"\xff\xff\xff\x7f"), (42, struct.pack("<I", 3))]:
        changed = data[: central + offset] + value + data[central + offset + len(value) :]
        genuine.write_bytes(changed)
        assert "cut short or damaged" in fails(genuine)
    for offset in (20, 24):  # sizes
        changed = data[: central + offset] + b"\0\0\0\x7f" + data[central + offset + 4 :]
        genuine.write_bytes(changed)
        assert fails(genuine)


# safetensors


def test_safetensors_equal_torch(tmp_path: Path) -> None:
    state = {str(dtype): random((3, 4), dtype) for dtype in DTYPES}
    state |= {"scalar": torch.tensor(1.5), "empty": torch.zeros(0, 3), "a b\n": torch.ones(1)}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.files == (tmp_path / "model.safetensors",)
    assert_equal(checkpoint, safetensors.torch.load_file(tmp_path / "model.safetensors"))
    assert checkpoint[str(torch.bfloat16)].dtype == ml_dtypes.bfloat16


def test_safetensors_of_a_dtype_we_do_not_read(tmp_path: Path) -> None:
    state = {"quantised": torch.ones(2).to(torch.float8_e4m3fn)}
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    assert "'quantised' has dtype F8_E4M3" in fails(tmp_path / "model.safetensors")


def safetensors_file(header: object, data: bytes = b"") -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "is empty"),
        (b"\x01", "neither safetensors nor"),
        (os.urandom(100).replace(b"\x80", b"a"), "neither safetensors nor"),
        (b"<!doctype html><title>404</title>", "neither safetensors nor"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (struct.pack("<Q", 2**31) + b"{}", "cut short or damaged"),
        (safetensors_file(b"{" * 5000), "cut short or damaged"),
        (safetensors_file({"w": 1}), "cut short or damaged"),
        (
            safetensors_file(
                {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"
            ),
            "cut short or damaged",
        ),
        (
            safetensors_file(
                {"w": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}}, bytes(8)
            ),
            "cut short or damaged",
        ),
        (
            safetensors_file(
                {"w": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}, b""
            ),
            "cut short or damaged",
        ),
    ],
)
def test_garbage(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert expected in fails(tmp_path / "model.safetensors")


def test_the_format_is_told_by_the_content(tmp_path: Path) -> None:
    state = {"weight": torch.randn(2, 2)}
    torch.save(state, tmp_path / "model.safetensors")
    safetensors.torch.save_file(state, tmp_path / "model.bin")
    assert_equal(open_checkpoint(tmp_path / "model.safetensors"), state)
    assert_equal(open_checkpoint(tmp_path / "model.bin"), state)


def test_torch_s_first_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"weight": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert "torch before 1.6" in fails(path)


# folders and shards


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "no such file or folder" in fails(tmp_path / "model.safetensors")
    assert "no such file" in fails(tmp_path / "model.safetensors.index.json")
    (tmp_path / "tf_model.h5").touch()
    with pytest.raises(UserError) as caught:
        open_checkpoint(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: has no weights; looked for model.safetensors, model.safetensors.index.json, "
        "pytorch_model.bin, pytorch_model.bin.index.json"
    )


STATE = {"a": torch.randn(2), "b": torch.randn(3), "c": torch.randn(4)}
SHARD_OF: dict[str, object] = {"a": "x-1", "b": "x-2", "c": "x-1"}


def write_shards(folder: Path, index: object = None, kind: str = "pytorch_model.bin") -> Path:
    save = torch.save if kind.endswith("bin") else safetensors.torch.save_file
    save({"a": STATE["a"], "c": STATE["c"]}, folder / "x-1")
    save({"b": STATE["b"]}, folder / "x-2")
    content = {"metadata": {}, "weight_map": SHARD_OF} if index is None else index
    encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / f"{kind}.index.json").write_bytes(encoded)
    return folder / f"{kind}.index.json"


@pytest.mark.parametrize("kind", ["pytorch_model.bin", "model.safetensors"])
def test_shards_are_one_checkpoint(tmp_path: Path, kind: str) -> None:
    index = write_shards(tmp_path, kind=kind)
    for path in (tmp_path, index):
        checkpoint = open_checkpoint(path)
        assert checkpoint.path == path
        assert checkpoint.files == (tmp_path / "x-1", tmp_path / "x-2")
        assert_equal(checkpoint, STATE)


def test_safetensors_come_before_pickles_and_whole_files_before_shards(tmp_path: Path) -> None:
    order = [
        "pytorch_model.bin.index.json",
        "pytorch_model.bin",
        "model.safetensors.index.json",
        "model.safetensors",
    ]
    write_shards(tmp_path)
    for name_ in order:
        if name_.endswith(".json"):
            write_shards(tmp_path, kind=name_.removesuffix(".index.json"))
        elif name_.endswith(".bin"):
            torch.save(STATE, tmp_path / name_)
        else:
            safetensors.torch.save_file(STATE, tmp_path / name_)
        files = open_checkpoint(tmp_path).files
        assert files[0].name == ("x-1" if name_.endswith(".json") else name_)


@pytest.mark.parametrize(
    "index, expected",
    [
        (b"not JSON", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        ([], "has no weight_map"),
        ({"weight_map": {}}, "has no weight_map"),
        ({"weight_map": ["x-1"]}, "has no weight_map"),
        ({"weight_map": SHARD_OF | {"c": "x-3"}}, "x-3: is named in pytorch_model.bin.index.json"),
        ({"weight_map": SHARD_OF | {"d": "x-1"}}, "'d' in x-1, but it is in no file"),
        ({"weight_map": {"a": "x-1", "b": "x-2"}}, "'c' in no file, but it is in x-1"),
        ({"weight_map": SHARD_OF | {"a": "x-2"}}, "'a' in x-2, but it is in x-1 (1 such in all)"),
        *(
            ({"weight_map": SHARD_OF | {"a": shard}}, "not the plain name of a file beside it")
            for shard in (
                "../x-1",
                "/etc/passwd",
                "sub/x-1",
                "a\\b",
                "C:x",
                "",
                ".",
                "..",
                1,
                None,
                "x\0",
                "x\n",
                "pytorch_model.bin.index.json",
            )
        ),
    ],
)
def test_an_index_that_does_not_hold(tmp_path: Path, index: object, expected: str) -> None:
    assert expected in fails(write_shards(tmp_path, index))


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    torch.save({"b": STATE["b"], "c": STATE["c"]}, tmp_path / "x-2")
    assert "x-2: has tensor 'c', which x-1 has too" in fails(index)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    (tmp_path / "x-2").write_bytes((tmp_path / "x-2").read_bytes()[:-50])
    assert fails(index).startswith(f"{tmp_path / 'x-2'}: the file is cut short or damaged")


# how it is read


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_memory_is_one_tensor_at_a_time(tmp_path: Path, kind: str) -> None:
    size = 2**20
    state = {str(i): torch.full((size,), float(i)) for i in range(8)}
    save = torch.save if kind.endswith("bin") else safetensors.torch.save_file
    save(state, tmp_path / kind)
    tracemalloc.start()
    try:
        checkpoint = open_checkpoint(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < size
        tracemalloc.reset_peak()
        for tensor in checkpoint.values():
            tensor.read()
        assert tracemalloc.get_traced_memory()[1] < 1.5 * 4 * size
    finally:
        tracemalloc.stop()


def test_torch_is_not_imported(tmp_path: Path) -> None:
    state = {str(dtype): random((3, 4), dtype) for dtype in DTYPES}
    torch.save(state, tmp_path / "model.bin")
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    program = (
        "import sys\n"
        "sys.modules['torch'] = None  # importing it fails\n"
        "from wav2vec2_tf.checkpoint import open_checkpoint\n"
        "for path in sys.argv[1:]:\n"
        "    print(sum(tensor.read().nbytes for tensor in open_checkpoint(path).values()))\n"
        "assert not {'tensorflow', 'keras', 'transformers'} & set(sys.modules)\n"
    )
    result = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            program,
            tmp_path / "model.bin",
            tmp_path / "model.safetensors",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    total = sum(tensor.nbytes for tensor in state.values())
    assert result.stdout.split() == [str(total), str(total)]


# fuzzing


def genuine_bytes(save: Callable[[dict[str, torch.Tensor], Path], object], path: Path) -> bytes:
    save(FUZZED, path)
    return path.read_bytes()


FUZZED = {"w": torch.arange(6.0).reshape(2, 3).T.contiguous(), "b": torch.arange(3)}
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)
CUT = st.one_of(st.just(1.0), st.floats(0, 1))


def damaged(data: bytes, edits: list[tuple[float, int]], cut: float) -> bytes:
    changed = bytearray(data)
    for place, value in edits:
        changed[int(place * len(changed))] = value
    return bytes(changed[: round(cut * len(changed))])


def read_or_user_error(path: Path) -> dict[str, LazyTensor]:
    """Any exception but UserError is a failure, and so is a result that is not what it says."""
    try:
        checkpoint = open_checkpoint(path)
        for lazy in checkpoint.values():
            array = lazy.read()
            assert (array.shape, array.dtype) == (lazy.shape, lazy.dtype)
            assert array.nbytes <= 1000
        return dict(checkpoint)
    except UserError as error:
        assert "\n" not in str(error)
        return {}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=200, deadline=5000)
@given(EDITS, CUT)
def test_a_damaged_archive(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    """Checksums cover the pickle and the values: what is read has the shape that was written."""
    data = genuine_bytes(torch.save, workplace / "archive.bin")
    path = workplace / "damaged.bin"
    path.write_bytes(damaged(data, edits, cut))
    for name_, lazy in read_or_user_error(path).items():
        assert lazy.shape == tuple(FUZZED[name_].shape)


@settings(max_examples=300, deadline=5000)
@given(EDITS, CUT)
def test_a_damaged_pickle(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    """As above, inside an archive whose checksums are right."""
    buffer = io.BytesIO()
    torch.save(OrderedDict(FUZZED), buffer)
    (workplace / "whole.bin").write_bytes(buffer.getvalue())
    parts = parts_of(workplace / "whole.bin")
    parts["data.pkl"] = damaged(parts["data.pkl"], edits, cut)
    write_parts(workplace / "model.bin", parts)
    read_or_user_error(workplace / "model.bin")


@settings(max_examples=200, deadline=5000)
@given(EDITS, CUT)
def test_damaged_safetensors(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    data = genuine_bytes(safetensors.torch.save_file, workplace / "whole.safetensors")
    (workplace / "model.safetensors").write_bytes(damaged(data, edits, cut))
    read_or_user_error(workplace / "model.safetensors")


def test_checksums_are_those_of_zlib(genuine: Path) -> None:
    """The archives that torch writes carry the CRC-32 that is checked here."""
    with zipfile.ZipFile(genuine) as archive:
        for info in archive.infolist():
            assert zlib.crc32(archive.read(info)) == info.CRC
