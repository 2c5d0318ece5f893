"""Code in a hostile or damaged checkpoint never runs, and refusing the file costs little."""

from __future__ import annotations

import copyreg
import pickle
import struct
import time
import tracemalloc
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import FAIRSEQ
from tests.support.torch_files import (
    CONTAINERS,
    CPU,
    EIGHT,
    FLOAT,
    FLOATS_8,
    KEY,
    ODICT,
    REBUILD,
    STORAGE,
    fails,
    integer,
    name,
    parts_of,
    persistent,
    save,
    tensor_of,
    text,
    write_archive,
    write_parts,
    write_torch_file,
)
from wav2vec2_tf.checkpoint import LazyTensor, open_checkpoint
from wav2vec2_tf.checkpoint.torch_pickle import MAX_OPERATIONS, MAX_PICKLE_BYTES
from wav2vec2_tf.utils.errors import UserError

# hostile pickles


class Trap:
    """A class that leaves a file behind however a pickle runs it."""

    path = ""

    def __new__(cls, path: str = "") -> Trap:
        if path:
            Path(path).touch()
        return super().__new__(cls)

    def __setstate__(self, path: str) -> None:
        Path(path).touch()


TRAP = name(__name__, "Trap")
EXTENSION = 77
# Each takes the path of the file that must not appear; a pickle without PROTO and STOP.
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


NOTHING = np.empty(0, np.float32)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", DANGEROUS)
def test_no_pickle_runs_code(tmp_path: Path, kind: str, container: str) -> None:
    sentinel = tmp_path / "it-ran"
    pickled = b"\x80\x04" + DANGEROUS[kind](str(sentinel)) + b"."
    message = fails(write_torch_file(tmp_path / "model.bin", container, pickled, NOTHING))
    assert "nothing in it was run" in message
    if not kind.startswith("EXT"):
        assert any(shown in message for shown in ("'os.system'", "builtins.eval", ".Trap'"))
    (tmp_path / "plain.bin").write_bytes(pickled)
    assert "plain pickle" in fails(tmp_path / "plain.bin")
    assert not sentinel.exists()
    pickle.loads(pickled)  # otherwise the test would prove nothing
    assert sentinel.exists()


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


# where the error of a stream differs
IN_A_STREAM = {
    "id of what is not there": "its list of storages is not that of its tensors",
    "id of a path": "its list of storages is not that of its tensors",
    "storage too large": "the file is cut short",
    "untyped storage in a typed tensor": "without a typed storage",
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_pickles_are_refused(tmp_path: Path, kind: str, container: str) -> None:
    body, expected = MALFORMED[kind]
    pickled = b"\x80\x02}" + text("w") + body + b"s."
    if kind in ("nothing", "two values", "open mark", "stack too short"):
        pickled = b"\x80\x02" + body + b"."
    values = np.arange(8, dtype=np.float32)
    path = write_torch_file(tmp_path / "model.bin", container, pickled, values)
    if expected is None:
        stride = 0 if "zero" in kind else 1
        np.testing.assert_array_equal(open_checkpoint(path)["w"].read(), values * stride)
    else:
        assert (IN_A_STREAM if container == "stream" else {}).get(kind, expected) in fails(path)


NAMESPACE = name("argparse", "Namespace")
RECORDS = {
    "made by REDUCE": (NAMESPACE + b")R", "not a tensor"),
    "made with a list": (NAMESPACE + b"]\x81", "calls what is not a function"),
    "of what is not a class": (REBUILD + b")\x81", "object of what is not a class"),
    "of text": (text("os") + b")\x81", "object of what is not a class"),
    "with items": (NAMESPACE + b")\x81" + text("a") + b"Ns", "not a dictionary"),
    "appended to": (NAMESPACE + b")\x81Na", "not a list"),
    "attributes of the class": (NAMESPACE + b"}" + text("a") + b"Nsb", "sets attributes"),
    "__setstate__": (NAMESPACE + b")\x81}" + text("__setstate__") + b"Nsb", "not a tensor"),
    "as a storage": (tensor_of(storage=NAMESPACE + b")\x81"), "without a typed storage"),
    "as a key": (b"}" + NAMESPACE + b")\x81Ns", "neither text nor"),
    "as an id": (tensor_of(NAMESPACE + b")\x81Q"), "not a storage"),
    "a factory that runs": (
        name("collections", "defaultdict") + name("os", "system") + b"\x85R",
        "'os.system'",
    ),
    "a defaultdict of items": (name("collections", "defaultdict") + b"N}\x86R", "from items"),
    "eval of builtins": (name("__builtin__", "eval"), "'__builtin__.eval'"),
    "a part of a module that is known": (name("omegaconf.nodes", "os"), "'omegaconf.nodes.os'"),
    "an attribute of a class that is known": (
        name("argparse", "Namespace.__init__"),
        "'argparse.Namespace.__init__'",
    ),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_stand_ins_are_inert(tmp_path: Path, kind: str) -> None:
    body, expected = RECORDS[kind]
    path = write_archive(tmp_path / "model.bin", b"\x80\x02}" + text("w") + body + b"s.")
    assert expected in fails(path)


def test_a_numpy_dtype_as_an_identifier(tmp_path: Path) -> None:
    """Comparing a dtype with text would make numpy parse the text."""
    pickled = b"\x80\x02(" + name("torch", "uint16") + b"NNNNtQ."
    assert "not a storage" in fails(write_archive(tmp_path / "model.bin", pickled))


def nested_keys(depth: int) -> bytes:
    """Returns a pickle whose key nests pairs `depth` deep: 2**depth steps to hash."""
    return b"})" + b"q\0h\0\x86" * depth + b"Ns."


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"\x96" + struct.pack("<Q", 2**62) + b"a.", "damaged"),  # BYTEARRAY8 of 4 EiB
        (b"\x8e" + struct.pack("<Q", 2**40) + b"a.", "damaged"),  # BINBYTES8 of 1 TiB
        (b"X" + struct.pack("<I", 2**32 - 1) + b"a.", "damaged"),  # BINUNICODE of 4 GiB
        (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.", "damaged"),  # LONG4 of 2 GiB
        (b"Nr\xff\xff\xff\xff.", "as no pickler does"),  # LONG_BINPUT: the C unpickler takes 32 GiB
        (b"]" * 100_000 + b"a" * 99_999 + b".", "holds a value of type list"),
        (b")" + b"\x85" * 100_000 + b".", "holds a value of type tuple"),
        (b"(" * 100_000 + b".", "does not end"),
        (nested_keys(64), "neither text nor a whole number"),
        (b"}" + integer(2**61 - 1) + b"Ns.", "an entry named by a number"),
        (
            b"}(" + b"".join(b"J" + struct.pack("<i", i << 12) + b"N" for i in range(9999)) + b"u.",
            "an entry named by a number",
        ),
        (b"I" + b"9" * 500_000 + b"\n.", "damaged"),
        (b"N" * (MAX_OPERATIONS + 1) + b".", "steps, too many for tensors"),
        (  # each list twice in the next
            b"]" + b"".join(b"q\0](h\0h\0e" for _ in range(10_000)) + b".",
            "does not end",
        ),
        (b"}q\0" + b"".join(b"}" + text("a") + b"h\0sq\0" for _ in range(9999)) + b".", "end"),
        (NAMESPACE + b"q\0" + b")\x81" + b"h\0)\x81b" * 50_000 + b".", "argparse.Namespace"),
        (b"\x8a\xff" + b"\x7f" * 255 + b".", "holds a value of type int"),
        (
            REBUILD + b"q\0(" + FLOATS_8 + b"K\0K\x08\x85K\x01\x85\x89" + ODICT + b"tq\x01"
            b"h\0h\x01R" * 30_000 + b".",
            "missing",
        ),
        (b"X" + struct.pack("<I", MAX_PICKLE_BYTES) + bytes(MAX_PICKLE_BYTES) + b".", "bytes, too"),
    ],
)
def test_memory_and_time_are_bounded(tmp_path: Path, body: bytes, expected: str) -> None:
    path = write_archive(tmp_path / "model.bin", b"\x80\x05" + body)
    start = time.process_time()
    tracemalloc.start()
    try:
        message = fails(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert expected in message
    assert time.process_time() - start < 20
    assert peak < 2**20 + 300 * len(body)


# fuzzing


FUZZED = {"w": torch.arange(6.0).reshape(2, 3).T.contiguous(), "b": torch.arange(3)}
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)
CUT = st.one_of(st.just(1.0), st.floats(0, 1))


def damaged(data: bytes, edits: list[tuple[float, int]], cut: float) -> bytes:
    changed = bytearray(data)
    for place, value in edits:
        changed[int(place * len(changed))] = value
    return bytes(changed[: round(cut * len(changed))])


def read_or_user_error(path: Path, most: int = 1000) -> dict[str, LazyTensor]:
    """Fails on any exception but UserError, and on tensors that contradict their headers."""
    start = time.process_time()
    try:
        checkpoint = open_checkpoint(path)
        for lazy in checkpoint.values():
            array = lazy.read()
            assert (array.shape, array.dtype) == (lazy.shape, lazy.dtype)
            assert array.nbytes <= most
        return dict(checkpoint)
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return {}
    finally:
        assert time.process_time() - start < 2


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


FUZZ = settings(max_examples=200, deadline=None)


@FUZZ
@given(EDITS, CUT)
def test_a_damaged_archive(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    """Checksums cover pickle and values, so tensors that can be read have their original shape."""
    data = save(FUZZED, workplace / "archive.bin").read_bytes()
    path = workplace / "damaged.bin"
    path.write_bytes(damaged(data, edits, cut))
    for name_, lazy in read_or_user_error(path).items():
        assert lazy.shape == tuple(FUZZED[name_].shape)


@FUZZ
@given(EDITS, CUT)
def test_a_damaged_stream(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    data = save(FUZZED, workplace / "stream.bin", "stream").read_bytes()
    path = workplace / "damaged.bin"
    path.write_bytes(damaged(data, edits, cut))
    read_or_user_error(path)


@FUZZ
@given(EDITS, CUT)
def test_a_damaged_pickle(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    """The pickle is damaged, but its checksum is right."""
    parts = parts_of(save(OrderedDict(FUZZED), workplace / "whole.bin"))
    parts["data.pkl"] = damaged(parts["data.pkl"], edits, cut)
    write_parts(workplace / "model.bin", parts)
    read_or_user_error(workplace / "model.bin")


@FUZZ
@given(EDITS, CUT)
def test_damaged_safetensors(workplace: Path, edits: list[tuple[float, int]], cut: float) -> None:
    safetensors.torch.save_file(FUZZED, workplace / "whole.safetensors")
    data = (workplace / "whole.safetensors").read_bytes()
    (workplace / "model.safetensors").write_bytes(damaged(data, edits, cut))
    read_or_user_error(workplace / "model.safetensors")


@pytest.mark.parametrize("kind", ["finetuned_ctc_group_norm", "finetuned_ctc_layer_norm_cfg"])
def test_a_damaged_fairseq_pickle(workplace: Path, kind: str) -> None:
    parts = parts_of(FAIRSEQ / f"{kind}.pt")

    @settings(max_examples=100, deadline=None)
    @given(EDITS, CUT)
    def fuzzed(edits: list[tuple[float, int]], cut: float) -> None:
        changed = parts | {"data.pkl": damaged(parts["data.pkl"], edits, cut)}
        write_parts(workplace / "model.pt", changed)
        read_or_user_error(workplace / "model.pt", most=10**5)

    fuzzed()


SETTING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = (
    *("encoder_layers", "encoder_embed_dim", "conv_feature_layers", "activation_fn", "w2v_args"),
    *("extractor_mode", "arch", "_name", "model", "task", "normalize", "dropout", "final_dim"),
    *("loss_weights", "criterion", "sample_rate", "conv_pos", "pos_conv_depth", "layer_type"),
)


@pytest.mark.parametrize("container", CONTAINERS)
def test_settings_of_any_kind(workplace: Path, container: str) -> None:
    """Settings of the wrong type are named in one line, at any depth."""
    good = vars(torch.load(FAIRSEQ / "pretrained_group_norm.pt", weights_only=False)["args"])
    path = workplace / "model.pt"
    tensors = {"mask_emb": torch.ones(3)}

    @FUZZ
    @given(st.dictionaries(st.sampled_from(FIELDS), SETTING, max_size=3), st.booleans())
    def fuzzed(changes: dict[str, object], as_cfg: bool) -> None:
        values = good | changes
        whole = {"cfg": {"model": values}} if as_cfg else {"args": Namespace(**values)}
        save({"model": tensors} | whole, path, container)
        assert read_or_user_error(path) or changes

    fuzzed()


@pytest.mark.parametrize("state", ["itself", "a chain"])
def test_settings_that_lead_back_to_themselves(tmp_path: Path, state: str) -> None:
    node = name("omegaconf.dictconfig", "DictConfig") + b")\x81q\x01}"
    content = b"h\x01" if state == "itself" else b"}" + text("model") + b"h\x01s"
    node += text("_content") + content + b"sb"
    pickled = (
        b"\x80\x02}(" + text("cfg") + node + text("model") + b"}" + text("w") + tensor_of() + b"su."
    )
    path = write_archive(tmp_path / "model.pt", pickled, {"0": bytes(32)})
    assert "fairseq model of the kind '<NoneType>'" in fails(path)


def test_a_huge_zip_directory(tmp_path: Path) -> None:
    """zipfile would make an object for each of a hundred thousand entries."""
    count = 10**5
    entry = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", 20, 3, 20, *[0] * 15)
    entries = b"".join(entry[:28] + b"\x05\0" + entry[30:] + b"%05d" % i for i in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, len(entries), 4, 0)
    path = tmp_path / "model.bin"
    path.write_bytes(b"PK\x03\x04" + entries + end)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == count
    assert "its zip directory is over" in fails(path)


def test_huge_json(tmp_path: Path) -> None:
    header = b'{"a":' + b"[" * (17 * 2**20)
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert "damaged" in fails(tmp_path / "model.safetensors")
    index = b'{"weight_map": {}' + b" " * (17 * 2**20) + b"}"
    (tmp_path / "model.bin.index.json").write_bytes(index)
    assert "has no weight_map" in fails(tmp_path / "model.bin.index.json")
