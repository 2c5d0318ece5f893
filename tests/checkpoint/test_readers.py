"""Checkpoint readers give the same tensors as torch and safetensors, and run no code."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch

from tests.support.paths import ROOT
from tests.support.torch_files import (
    CONTAINERS,
    CPU,
    FLOAT,
    ODICT,
    REBUILD,
    STORAGE,
    assert_equal,
    fails,
    parts_of,
    random,
    save,
    text,
    write_parts,
    write_stream,
)
from wav2vec2_tf.checkpoint import open_checkpoint
from wav2vec2_tf.utils.errors import UserError

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
DTYPES = FLOATS + INTEGERS + UNSIGNED


# torch.save's formats


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_dtype_and_layout_equals_torch_load(
    tmp_path: Path, protocol: int, container: str
) -> None:
    base = torch.randn(4, 5, 6)
    # torch writes unsigned types into streams, but cannot read them
    dtypes = DTYPES if container == "zip" else FLOATS + INTEGERS
    state = {str(dtype): random((3, 4), dtype) for dtype in dtypes}
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
    path = save(state, tmp_path / "pytorch_model.bin", container, protocol)
    assert path.read_bytes().startswith(b"PK" if container == "zip" else b"\x80")
    checkpoint = open_checkpoint(path)
    assert checkpoint.path == path and checkpoint.files == (path,)
    assert list(checkpoint) == list(state)
    assert_equal(checkpoint, torch.load(path, weights_only=False))


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_module_s_state_dict_with_its_metadata(tmp_path: Path, container: str) -> None:
    module = torch.nn.Sequential(torch.nn.Conv1d(2, 4, 3), torch.nn.BatchNorm1d(4))
    torch.nn.utils.parametrizations.weight_norm(module[0], dim=2)
    state = module.state_dict()
    assert isinstance(state, OrderedDict) and state._metadata  # type: ignore[attr-defined]
    save(state, tmp_path / "pytorch_model.bin", container)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.settings is None
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
    """Archives in zip64, which torch writes beyond 4 GiB, can be read."""
    state = {"weight": torch.randn(2, 3), "bias": torch.ones(3)}
    torch.save(state, tmp_path / "small.bin")
    with zipfile.ZipFile(tmp_path / "large.bin", "w") as archive:
        for name_, data in parts_of(tmp_path / "small.bin").items():
            with archive.open(f"archive/{name_}", "w", force_zip64=True) as file:
                file.write(data)
    assert_equal(open_checkpoint(tmp_path / "large.bin"), state)


def test_big_endian_archives(tmp_path: Path) -> None:
    """Bytes are swapped as in torch.load; an unknown byte order is refused."""
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
        ({"d": np.float64(1)}, "'d' is a value of type numpy."),
        ({"a": argparse.Namespace(lr=1)}, "'a' is a value of type argparse.Namespace"),
        ({2**40: torch.ones(2)}, "an entry named by a number"),
    ],
)
@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_not_a_plain_state_dict_is_refused(
    tmp_path: Path, content: object, expected: str, container: str
) -> None:
    assert expected in fails(save(content, tmp_path / "model.bin", container))


# streams


VALUES = {"7": np.arange(8, dtype=np.float32), "10": np.arange(5, dtype=np.float32) + 50}


def view_of(key: str, count: int, offset: int, shape: int, view: bytes = b"N") -> bytes:
    """Returns a one-dimensional float32 tensor in a stream."""
    number = b"J" + struct.pack("<i", count)
    storage = b"(" + STORAGE + FLOAT + text(key) + CPU + number + view + b"tQ"
    place = b"J" + struct.pack("<i", offset) + b"J" + struct.pack("<i", shape) + b"\x85K\x01\x85"
    return REBUILD + b"(" + storage + place + b"\x89" + ODICT + b"tR"


def stream_of(path: Path, tensors: dict[str, bytes], keys: tuple[str, ...] = ()) -> Path:
    items = b"".join(text(name) + tensor for name, tensor in tensors.items())
    storages = {key: (values.size, values.tobytes()) for key, values in VALUES.items()}
    return write_stream(path, b"\x80\x02}(" + items + b"u.", storages, keys)


BOTH = {"a": view_of("7", 8, 2, 3), "b": view_of("10", 5, 0, 5)}


@pytest.mark.parametrize("keys", [("7", "10"), ("10", "7")])
def test_storages_lie_in_the_order_of_the_list(tmp_path: Path, keys: tuple[str, ...]) -> None:
    path = stream_of(tmp_path / "model.bin", BOTH | {"c": view_of("7", 8, 7, 1)}, keys)
    checkpoint = open_checkpoint(path)
    assert checkpoint["a"].read().tolist() == [2, 3, 4]
    assert checkpoint["b"].read().tolist() == [50, 51, 52, 53, 54]
    assert checkpoint["c"].read().tolist() == [7]
    assert_equal(checkpoint, torch.load(path))


def test_views_of_storages_as_torch_before_0_4_wrote_them(tmp_path: Path) -> None:
    """A view is (key, offset, length), counted in elements."""
    view = b"(" + text("20") + b"K\x03K\x04t"
    path = stream_of(tmp_path / "model.bin", BOTH | {"v": view_of("7", 8, 1, 3, view)})
    assert open_checkpoint(path)["v"].read().tolist() == [4, 5, 6]
    assert_equal(open_checkpoint(path), torch.load(path))
    beyond = stream_of(tmp_path / "model.bin", BOTH | {"v": view_of("7", 8, 1, 4, view)})
    assert "beyond its storage" in fails(beyond)


@pytest.mark.parametrize(
    "tensors, expected",
    [
        (BOTH | {"v": view_of("7", 8, 0, 1, b"(" + text("2") + b"K\x05K\x04t")}, "another that"),
        (BOTH | {"v": view_of("7", 8, 0, 1, b"K\0")}, "described wrongly"),
        (BOTH | {"v": view_of("7", 8, 0, 1, text("2") + b"N\x86")}, "described wrongly"),
        (BOTH | {"v": view_of("7", 8, 0, 1, text("2") + b"NN\x87")}, "impossible storage"),
        (BOTH | {"v": view_of("7", 7, 0, 1)}, "gives the storage '7' two sizes"),
        (BOTH | {"v": view_of("8", 1, 0, 1)}, "not that of its tensors"),
        ({"a": BOTH["a"]}, "not that of its tensors"),
        (BOTH | {"b": view_of("10", 6, 0, 5)}, "cut short"),
        (BOTH | {"b": view_of("10", 4, 0, 4)}, "storage '10' is not as long as it should be"),
        (BOTH | {"b": view_of("10", 2**31 - 1, 0, 4)}, "storage '10' is cut short or damaged"),
    ],
)
def test_storages_that_contradict_the_tensors(
    tmp_path: Path, tensors: dict[str, bytes], expected: str
) -> None:
    assert expected in fails(stream_of(tmp_path / "model.bin", tensors))


def test_a_list_of_storages_that_names_one_twice(tmp_path: Path) -> None:
    path = stream_of(tmp_path / "model.bin", BOTH, ("7", "10", "7"))
    assert "not that of its tensors" in fails(path)


def test_a_stream_may_be_cut_nowhere(tmp_path: Path) -> None:
    path = stream_of(tmp_path / "model.bin", BOTH)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert fails(path)
    path.write_bytes(whole + b"\0")
    assert "goes on after its last storage" in fails(path)


def test_the_parts_of_a_stream_are_checked(tmp_path: Path) -> None:
    path = stream_of(tmp_path / "model.bin", BOTH)
    magic, protocol, rest = (lambda d: (d[:15], d[15:21], d[21:]))(path.read_bytes())
    assert pickle.loads(protocol) == 1001
    for start, expected in [
        (magic + pickle.dumps(1002, 2), "protocol number is wrong"),
        (magic + pickle.dumps("1001", 2), "protocol number is wrong"),
        (magic + b"\x80\x02cos\nsystem\n.", "'os.system'"),
        (magic + b"\x80\x02NQ.", "refers to storages where there are none"),
        (magic + b"N" * 10_000, "over 4096 bytes"),
        (magic[:-2] + b"\x1a.", "plain pickle"),
        (b"\x80\x02N." + magic, "magic number is wrong"),
    ]:
        path.write_bytes(start + rest)
        assert expected in fails(path)
    counted = path.write_bytes(magic + protocol + rest.replace(struct.pack("<q", 8), b"\xff" * 8))
    assert counted and "storage '7' is not as long as it should be" in fails(path)
    keys = pickle.dumps(["7", "10"], 2)
    for other in (pickle.dumps(("7", "10"), 2), pickle.dumps([7, 10], 2), pickle.dumps("7", 2)):
        assert keys in rest
        path.write_bytes(magic + protocol + rest.replace(keys, other))
        assert "list of storages is damaged" in fails(path)


def test_a_stream_beyond_4_gib(tmp_path: Path) -> None:
    """Only the requested bytes of a sparse file are read."""
    count = 2**30 + 100
    tensors = {"a": view_of("7", count, 0, 2), "b": view_of("7", count, count - 3, 3)}
    pickled = b"\x80\x02}(" + b"".join(text(name) + t for name, t in tensors.items()) + b"u."
    path = write_stream(tmp_path / "model.bin", pickled, {"7": (count, b"")})
    with path.open("r+b") as file:
        file.seek(4 * (count - 3), os.SEEK_END)
        file.write(np.array([1, 2, 3], np.float32).tobytes())
    checkpoint = open_checkpoint(path)
    assert checkpoint["a"].read().tolist() == [0, 0]
    assert checkpoint["b"].read().tolist() == [1, 2, 3]


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
    for offset, value, message in (
        (8, b"\x01\0", "cut short or damaged"),
        (42, b"\xff\xff\xff\x7f", "belong to no entry"),
        (42, struct.pack("<I", 3), "belong to no entry"),
    ):
        changed = data[: central + offset] + value + data[central + offset + len(value) :]
        genuine.write_bytes(changed)
        assert message in fails(genuine)
    for offset in (20, 24):  # Sizes
        changed = data[: central + offset] + b"\0\0\0\x7f" + data[central + offset + 4 :]
        genuine.write_bytes(changed)
        assert fails(genuine)


def test_checksums_are_those_of_zlib(genuine: Path) -> None:
    """torch's archives have the CRC-32 that is checked here."""
    with zipfile.ZipFile(genuine) as archive:
        for info in archive.infolist():
            assert zlib.crc32(archive.read(info)) == info.CRC


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
        (bytes(random((100,), torch.uint8) % 128), "neither safetensors nor"),
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


def test_the_format_is_detected_from_the_content(tmp_path: Path) -> None:
    state = {"weight": torch.randn(2, 2)}
    torch.save(state, tmp_path / "model.safetensors")
    safetensors.torch.save_file(state, tmp_path / "model.bin")
    assert_equal(open_checkpoint(tmp_path / "model.safetensors"), state)
    assert_equal(open_checkpoint(tmp_path / "model.bin"), state)


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
def test_an_invalid_index(tmp_path: Path, index: object, expected: str) -> None:
    assert expected in fails(write_shards(tmp_path, index))


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    torch.save({"b": STATE["b"], "c": STATE["c"]}, tmp_path / "x-2")
    assert "x-2: has tensor 'c', which x-1 has too" in fails(index)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    (tmp_path / "x-2").write_bytes((tmp_path / "x-2").read_bytes()[:-50])
    assert fails(index).startswith(f"{tmp_path / 'x-2'}: the file is cut short or damaged")


# Lazy reading


@pytest.mark.parametrize("kind", ["safetensors", *CONTAINERS])
def test_memory_is_one_tensor_at_a_time(tmp_path: Path, kind: str) -> None:
    size = 2**22
    state = {str(i): torch.full((size,), float(i)) for i in range(8)}
    path = tmp_path / "model"
    if kind == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        save(state, path, kind)
    tracemalloc.start()
    try:
        checkpoint = open_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 0.75 * 4 * size
        tracemalloc.reset_peak()
        for tensor in checkpoint.values():
            tensor.read()
        assert tracemalloc.get_traced_memory()[1] < 1.5 * 4 * size
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_torch_is_not_imported(tmp_path: Path) -> None:
    state = {str(dtype): random((3, 4), dtype) for dtype in DTYPES}
    files = [save(state, tmp_path / container, container) for container in CONTAINERS]
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    files.append(tmp_path / "model.safetensors")
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
            *files,
            *(ROOT / "tests/data/fairseq").glob("*.pt"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    total = sum(tensor.nbytes for tensor in state.values())
    assert result.stdout.split()[:3] == [str(total)] * 3 and len(result.stdout.split()) == 6
