"""Public holes of readers of PyTorch's files: what fooled scanners and loaders does nothing here.

The rows follow the advisories of 2025 and 2026 on `torch.load` and on picklescan, a scanner that
saw another archive than the loader did, and whose list of dangerous callables had gaps.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from tests.support.torch_files import CONTAINERS, fails, name, save, tensor_of, text
from tests.support.torch_files import write_torch_file as write_file
from wav2vec2_tf import AutoModelForCTC, UserError
from wav2vec2_tf.checkpoint import open_checkpoint
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
NAME = b"archive/data.pkl"
NO_ENTRY = "bytes that belong to no entry of its zip directory"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What torch.save writes for one tensor."""
    path = tmp_path_factory.mktemp("whole") / "archive.bin"
    return save({"w": torch.arange(8.0)}, path).read_bytes()


def patched(content: bytes, place: int, data: bytes) -> bytes:
    return content[:place] + data + content[place + len(data) :]


def header_of(content: bytes, signature: bytes, entry: bytes = NAME) -> int:
    """Returns the place of an entry's header, local or in the directory."""
    length = 30 if signature == LOCAL else 46
    place = content.index(entry)
    while content[place - length : place - length + 4] != signature:
        place = content.index(entry, place + 1)
    return place - length


def with_flag(bit: int, *signatures: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        for signature in signatures:
            place = header_of(content, signature) + (6 if signature == LOCAL else 8)
            (flags,) = struct.unpack_from("<H", content, place)
            content = patched(content, place, struct.pack("<H", flags | bit))
        return content

    return change


def in_directory(offset: int, data: bytes, entry: bytes = NAME) -> Callable[[bytes], bytes]:
    return lambda content: patched(content, header_of(content, CENTRAL, entry) + offset, data)


def in_local(offset: int, data: bytes, entry: bytes = NAME) -> Callable[[bytes], bytes]:
    return lambda content: patched(content, header_of(content, LOCAL, entry) + offset, data)


def with_checksum(entry: bytes) -> Callable[[bytes], bytes]:
    """Changes the checksum of an entry wherever it is."""

    def change(content: bytes) -> bytes:
        place = header_of(content, CENTRAL, entry) + 16
        return content.replace(content[place : place + 4], b"\1\2\3\4")

    return change


def renamed(content: bytes, signature: bytes, new: bytes) -> bytes:
    length = 30 if signature == LOCAL else 46
    return patched(content, header_of(content, signature) + length, new)


def commented(content: bytes) -> bytes:
    """A comment that ends in another end of a directory: readers take either."""
    hidden = END + bytes(18)
    place = content.rindex(END) + 20
    return content[:place] + struct.pack("<H", len(hidden)) + hidden


def moved(content: bytes) -> bytes:
    """The directory places data.pkl in a copy further on; a reader of the stream sees the first."""
    start, end = content.index(CENTRAL), content.rindex(END)
    copy = content[header_of(content, LOCAL) : header_of(content, LOCAL, b"archive/.format")]
    directory = content[start:end]
    place = directory.index(NAME) - 46 + 42
    directory = patched(directory, place, struct.pack("<I", start))
    ending = patched(content[end:], 16, struct.pack("<I", start + len(copy)))
    return content[:start] + copy + directory + ending


def hidden_between(content: bytes) -> bytes:
    """A second data.pkl between two entries, where a reader of the stream sees it."""
    start, end = content.index(CENTRAL), content.rindex(END)
    place = header_of(content, LOCAL, b"archive/.format")
    copy = content[header_of(content, LOCAL) : place]
    directory = content[start:end]
    at = 0
    while directory[at : at + 4] == CENTRAL:
        lengths = struct.unpack_from("<3H", directory, at + 28)
        (offset,) = struct.unpack_from("<I", directory, at + 42)
        if offset >= place:
            offset = struct.pack("<I", offset + len(copy))
            directory = patched(directory, at + 42, offset)
        at += 46 + sum(lengths)
    ending = patched(content[end:], 16, struct.pack("<I", start + len(copy)))
    # without torch's zip64 record, whose numbers are of before
    return content[:place] + copy + content[place:start] + directory[:at] + ending


def two_directories(content: bytes) -> bytes:
    """The zip64 record leads to another directory than the record that all readers know."""
    start, end = content.index(CENTRAL), content.rindex(END)
    if (record := content.find(b"PK\x06\x06", start)) > 0:
        end = record
    directory, ending = content[start:end], content[content.rindex(END) :]
    count = struct.unpack_from("<H", ending, 10)
    second = start + len(directory)
    zip64 = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *count, *count, len(directory), second
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, second + len(directory), 1)
    return (
        content[:start]
        + directory * 2
        + zip64
        + locator
        + patched(ending, 12, struct.pack("<2I", len(directory), start))
    )


def padded_before_the_directory(content: bytes) -> bytes:
    start, end = content.index(CENTRAL), content.rindex(END)
    directory = content[start : start + struct.unpack_from("<I", content, end + 12)[0]]
    return (
        content[:start]
        + b"!"
        + directory
        + patched(content[end:], 16, struct.pack("<I", start + 1))
    )


ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    **{
        f"flag {bit:#x} {where}": (with_flag(bit, *signatures), message)
        for bit, message in {
            0x1: "cut short or damaged",  # encrypted
            0x20: "two different ways",  # patched data
            0x40: "two different ways",  # strong encryption
            0x2000: "two different ways",  # masked headers
        }.items()
        for where, signatures in {
            "of the entry": (LOCAL,),
            "of the directory": (CENTRAL,),
            "of both": (LOCAL, CENTRAL),
        }.items()
        if bit not in (0x20, 0x40) or signatures == (LOCAL,)
    },
    **{
        f"flag {bit:#x} of the directory": (with_flag(bit, CENTRAL), "cut short|two different")
        for bit in (0x20, 0x40)
    },
    "another name at the entry": (
        lambda c: renamed(c, LOCAL, b"archive/safe.pkl"),
        "'archive/data.pkl' is described in two different ways",
    ),
    "another name in the directory": (
        lambda c: renamed(c, CENTRAL, b"archive/data.bin"),
        "not one of torch.save",
    ),
    "a null character in a name": (
        lambda c: renamed(c, CENTRAL, b"archive/data.p\0l"),
        "null character|not one of torch.save",
    ),
    "a wrong checksum of the pickle": (with_checksum(NAME), "checksum of its part"),
    "a wrong checksum of values": (
        with_checksum(b"archive/data/0"),
        "checksum of its part 'archive/data/0' is wrong",
    ),
    "another checksum in the directory": (in_directory(16, b"\1\0\0\0"), "two different ways"),
    "another checksum at the entry": (in_local(14, b"\1\0\0\0"), "two different ways"),
    "another size at the entry": (in_local(22, b"\1\0\0\0"), "two different ways"),
    "compressed at the entry only": (in_local(8, b"\x08\0"), "is compressed"),
    "compressed in the directory only": (in_directory(10, b"\x08\0"), "is compressed"),
    "larger than the file": (in_directory(20, b"\xff\xff\xff\x7f" * 2), "cut short or damaged"),
    "outside the file": (
        in_directory(42, b"\xf0\xff\xff\x7f", b"archive/data/0"),
        NO_ENTRY,
    ),
    "a comment with another directory": (commented, "two zip directories"),
    "a comment": (
        lambda c: patched(c, c.rindex(END) + 20, b"\2\0") + b"PK",
        "has a comment or another number of entries",
    ),
    "an archive after another": (lambda c: c + c, "two zip directories"),
    "a pickle before the archive": (lambda c: b"\x80\x02N." + c, "plain pickle"),
    "fewer entries than there are": (
        lambda c: patched(c, c.rindex(END) + 8, b"\1\0\1\0"),
        "has a comment or another number of entries",
    ),
    "a second copy of the pickle": (moved, NO_ENTRY),
    "a copy between two entries": (hidden_between, NO_ENTRY),
    "bytes before the directory": (padded_before_the_directory, NO_ENTRY),
    "two directories": (two_directories, "two zip directories"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives_that_readers_understand_differently(
    tmp_path: Path, kind: str, whole: bytes
) -> None:
    change, message = ARCHIVES[kind]
    path = tmp_path / "model.bin"
    path.write_bytes(whole)
    assert open_checkpoint(path)["w"].read().tolist() == list(range(8))
    path.write_bytes(change(whole))
    assert re.search(message, fails(path)), fails(path)


def test_the_same_entry_twice(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        for content in (b"\x80\x02}.", b"\x80\x02N."):
            archive.writestr("archive/data.pkl", content)
    assert "two entries of one name" in fails(path)


@pytest.mark.parametrize(
    "names",
    [("data.pkl",), ("a/b/data.pkl",), ("a/data.pkl", "b/data.pkl"), ("a/DATA.PKL",), ("../x",)],
)
def test_other_layouts(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        for one in names:
            archive.writestr(one, b"\x80\x02}.")
    assert "not one of torch.save" in fails(path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_the_format_before_the_first_release(tmp_path: Path, mode: str) -> None:
    """`torch.load(weights_only=True)` ran code in such files (CVE-2025-32434)."""
    path = tmp_path / "model.bin"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for member in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(member), io.BytesIO())
        link = tarfile.TarInfo("/etc/passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        archive.addfile(link)
    assert "neither safetensors nor a torch.save file" in fails(path)


# callables that scanners' lists of dangerous ones lacked

CALLABLES = (
    *("builtins.getattr", "builtins.__import__", "builtins.compile", "builtins.exec"),
    *("operator.attrgetter", "operator.methodcaller", "functools.partial", "functools.reduce"),
    *("importlib.import_module", "runpy.run_path", "runpy._run_code", "pkgutil.resolve_name"),
    *("pip.main", "pip._internal.main", "ssl.get_server_certificate", "webbrowser.open"),
    *("pydoc.pipepager", "pydoc.locate", "bdb.Bdb.run", "pdb.run", "cProfile.run", "timeit.timeit"),
    *("code.InteractiveInterpreter", "ctypes.CDLL", "multiprocessing.util.spawnv_passfds"),
    *("asyncio.unix_events._UnixSubprocessTransport._start", "subprocess.Popen", "posix.system"),
    *("idlelib.pyshell.ModifiedInterpreter.runcode", "lib2to3.pgen2.grammar.Grammar.loads"),
    *("distutils.file_util.write_file", "shutil.rmtree", "logging.config.listen", "doctest.debug"),
    *("pickle.loads", "_pickle.loads", "marshal.loads", "types.CodeType", "types.FunctionType"),
    *(
        "numpy.load",
        "numpy.f2py.crackfortran._eval_length",
        "numpy.testing._private.utils.runstring",
    ),
    *("torch.load", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *(
        "torch.jit.unsupported_tensor_ops.execWrapper",
        "torch.utils.bottleneck.__main__.run_cprofile",
    ),
    *("torch.utils.collect_env.run", "torch._dynamo.guards.GuardBuilder.get"),
    *("torch.utils.data.datapipes.utils.decoder.basichandlers", "torch.storage._load_from_bytes"),
    *("torch.serialization.load", "torch._utils._rebuild_wrapper_subclass"),
    *("torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_sparse_tensor"),
    *("joblib.load", "dill.loads", "cloudpickle.loads", "collections.Counter", "keras.saving.load"),
    *("omegaconf.OmegaConf.load", "argparse._sys.modules", "argparse.Namespace.__class__"),
    *("_codecs.lookup", "codecs.decode", "numpy.dtype.__reduce__", "typing.get_type_hints"),
)


@pytest.mark.parametrize("opcode", ["GLOBAL", "STACK_GLOBAL", "from the memo"])
@pytest.mark.parametrize("callable_", CALLABLES)
def test_no_callable_is_known_but_those_of_tensors(
    tmp_path: Path, callable_: str, opcode: str
) -> None:
    module, _, attribute = callable_.rpartition(".")
    push = {
        "GLOBAL": name(module, attribute),
        "STACK_GLOBAL": text(module) + text(attribute) + b"\x93",
        "from the memo": text(module) + b"q\x07" + text(attribute) + b"q\x08h\x07h\x08\x93",
    }[opcode]
    pickled = b"\x80\x04}" + text("w") + push + text("x") + b"\x85Rs."
    path = write_file(tmp_path / "model.bin", "zip", pickled, np.zeros(0, np.float32))
    assert f"asks for '{callable_}', which is refused" in fails(path)


class Runs:
    """Runs a command where a pickle of it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.file}",)


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    # an inner pickle as bytes, which only a callable could load
    "as bytes": lambda inner: b"B" + struct.pack("<I", len(inner)) + inner,
    "through _codecs": lambda inner: (
        name("_codecs", "encode") + text(inner.decode("latin-1")) + text("latin1") + b"\x86R"
    ),
    "in a numpy scalar": lambda inner: (
        name("numpy.core.multiarray", "scalar")
        + name("numpy", "dtype")
        + text("O8")
        + b"\x85R"
        + (b"B" + struct.pack("<I", len(inner)) + inner)
        + b"\x86R"
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", ENCODED)
def test_a_pickle_inside_a_pickle_is_data(tmp_path: Path, kind: str, container: str) -> None:
    """Allowed names become records: nothing decodes what they hold."""
    inner = pickle.dumps(Runs(tmp_path / "it-ran"), 2)
    pickled = b"\x80\x03}" + text("w") + ENCODED[kind](inner) + b"s."
    path = write_file(tmp_path / "model.bin", container, pickled, np.zeros(0, np.float32))
    assert "its entry 'w' is a value of type" in fails(path)
    assert not (tmp_path / "it-ran").exists()


AFTER: dict[str, tuple[bytes, str]] = {
    "a second pickle": (b"\x80\x02cos\nsystem\n.", "does not end where it should"),
    "text": (b"cos\nsystem\n", "does not end where it should"),
    "zeros": (bytes(10), "does not end where it should"),
}


@pytest.mark.parametrize("kind", AFTER)
def test_bytes_after_the_end_of_the_pickle(tmp_path: Path, kind: str) -> None:
    rest, message = AFTER[kind]
    pickled = b"\x80\x02}" + text("w") + tensor_of() + b"s." + rest
    values = np.arange(8, dtype=np.float32)
    assert message in fails(write_file(tmp_path / "model.bin", "zip", pickled, values))


OPCODES = {
    "BYTEARRAY8": b"\x96" + struct.pack("<Q", 1) + b"a",
    "NEXT_BUFFER": b"\x97",
    "READONLY_BUFFER": b"N\x98",
    "FROZENSET": b"(\x91",
    "EMPTY_SET": b"\x8f",
    "DUP": b"N2",
    "POP": b"NN0",
    "POP_MARK": b"(N1",
    "LIST": b"(l",
    "DICT": b"(d",
    "UNICODE": b"Vcos\\u000asystem\n",
    "STRING": b"S'os'\n",
    "PUT": b"Np0\n",
    "GET": b"Nq\0g0\n",
}


@pytest.mark.parametrize("opcode", OPCODES)
def test_opcodes_that_no_file_of_tensors_needs(tmp_path: Path, opcode: str) -> None:
    path = write_file(
        tmp_path / "model.bin", "zip", b"\x80\x05" + OPCODES[opcode] + b".", np.zeros(0, np.float32)
    )
    assert f"uses the pickle opcode {opcode}, which no file of tensors needs" in fails(path)


# names of tensors


def test_many_tensors_that_the_model_lacks(tmp_path: Path) -> None:
    """Each was looked up in a list: 60,000 took 20 s."""
    shutil.copytree(BUNDLED_MODEL, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    one = np.zeros(1, np.float32)
    names = (f"{part}.{number}" for part in ("quantizer", "more") for number in range(30_000))
    save_file({**load_file(path), **dict.fromkeys(names, one)}, path)
    start = time.process_time()
    with pytest.raises(UserError, match="30000 tensors do not fit the config: unexpected more"):
        AutoModelForCTC.from_pretrained(tmp_path / "model")
    assert time.process_time() - start < 8


@pytest.mark.parametrize("key", ["a\nb", "\x1b[31m", "x" * 10**6])
def test_names_that_are_no_lines(tmp_path: Path, key: str) -> None:
    shutil.copytree(BUNDLED_MODEL, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    save_file({**load_file(path), key: np.zeros(1, np.float32)}, path)
    with pytest.raises(UserError) as caught:
        AutoModelForCTC.from_pretrained(tmp_path / "model")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
