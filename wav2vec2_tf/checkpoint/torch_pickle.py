"""torch's zip format (`torch.save`, torch ≥ 1.6), read without torch and without running anything.

Such a file is an uncompressed zip archive: `NAME/data.pkl` is a pickle that describes the state
dict, `NAME/data/0`, `NAME/data/1`, … are the raw bytes of the storages it points into, and
`NAME/byteorder` says `little` or `big` (little if absent).

Python's unpickler calls whatever a file names, so it is not used. `pickletools.genops`, which only
splits a pickle into opcodes, feeds an interpreter of the few opcodes that torch writes; a name in
the file is a key of a table of our own stand-ins, and whatever is not in the table is refused by
name. No name is ever imported.
"""

from __future__ import annotations

import math
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import ml_dtypes
import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted
from wav2vec2_tf.errors import UserError

MAGIC = b"PK\x03\x04"

# A tensor takes under 200 bytes of data.pkl, so this is room for 10 000 of them; it bounds the
# time and memory that a hostile file can cost to seconds and hundreds of megabytes.
MAX_PICKLE_BYTES = 2 * 2**20
MAX_RANK = 32
MAX_DICT_INT = 2**31  # larger ones can be made to collide when hashed
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # zip specification (APPNOTE) 4.3.7
ENCRYPTED = 0x1

STORAGE_DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}
# torch 2.3 added these; they have no storage class and come as (untyped storage, dtype).
UNSIGNED_DTYPES = {name: np.dtype(name) for name in ("uint16", "uint32", "uint64")}


@dataclass(frozen=True)
class Function:
    """Our stand-in for a callable that a file may name; REDUCE calls nothing else."""

    call: Callable[[tuple], object]


@dataclass(frozen=True)
class StorageType:
    """`torch.FloatStorage` and so on; `dtype` is None for `torch.storage.UntypedStorage`."""

    dtype: np.dtype | None


class Malformed(Exception):
    """What is wrong with a file, without its name."""

    remedy = "download it again"


class Unsupported(Malformed):
    """A whole file that holds what is not read here, hostile or not."""

    remedy = "take its safetensors file, or save model.state_dict() again with torch.save"


def unpickle(
    data: bytes,
    globals_: Mapping[str, object],
    persistent_load: Callable[[object], object],
) -> object:
    """Build the object that a pickle of protocol 2 to 5 describes, from plain values only.

    Args:
        data: one whole pickle.
        globals_: "module.name" → what stands for it. A `Function` may be applied to arguments,
            anything else is an inert value.
        persistent_load: turns a persistent id into a value.

    Raises:
        Malformed: for any other global or opcode, and for what is not a well-formed pickle.
    """
    stack: list = []
    outer_stacks: list[list] = []  # what lay below each open MARK
    memo: dict[int, object] = {}

    def pop_mark() -> list:
        nonlocal stack
        items = stack
        stack = outer_stacks.pop()
        return items

    def pop_many(count: int) -> tuple:
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[len(stack) - count :])
        del stack[len(stack) - count :]
        return items

    operations: Iterable[tuple[pickletools.OpcodeInfo, Any, Any]] = pickletools.genops(data)
    try:
        for opcode, argument, position in operations:
            match opcode.name:
                case "PROTO":
                    if not 2 <= argument <= 5:
                        raise Unsupported(f"it has pickle protocol {argument}, not 2 to 5")
                case "FRAME":
                    pass
                case "NONE":
                    stack.append(None)
                case "NEWTRUE":
                    stack.append(True)
                case "NEWFALSE":
                    stack.append(False)
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                    stack.append(argument)
                case "MARK":
                    outer_stacks.append(stack)
                    stack = []
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1":
                    stack.append(pop_many(1))
                case "TUPLE2":
                    stack.append(pop_many(2))
                case "TUPLE3":
                    stack.append(pop_many(3))
                case "TUPLE":
                    items = pop_mark()
                    stack.append(tuple(items))
                case "EMPTY_LIST":
                    stack.append([])
                case "APPEND":
                    (item,) = pop_many(1)
                    _append(stack[-1], [item])
                case "APPENDS":
                    items = pop_mark()
                    _append(stack[-1], items)
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM":
                    pair = pop_many(2)
                    _set_items(stack[-1], pair)
                case "SETITEMS":
                    items = pop_mark()
                    _set_items(stack[-1], items)
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "GLOBAL":
                    module, _, name = argument.partition(" ")
                    stack.append(_find_global(module, name, globals_))
                case "STACK_GLOBAL":
                    module, name = pop_many(2)
                    stack.append(_find_global(module, name, globals_))
                case "INST":
                    _refuse(argument.replace(" ", ".", 1))
                case "BINPERSID":
                    (identifier,) = pop_many(1)
                    stack.append(persistent_load(identifier))
                case "REDUCE":
                    function, arguments = pop_many(2)
                    if not isinstance(function, Function) or type(arguments) is not tuple:
                        raise Malformed("it calls what is not a function")
                    stack.append(function.call(arguments))
                case "BUILD":
                    (state,) = pop_many(1)
                    _build(stack[-1], state)
                case "STOP":
                    if outer_stacks or len(stack) != 1 or position + 1 != len(data):
                        raise Malformed("its pickle does not end where it should")
                    return stack[0]
                case name:
                    raise Unsupported(
                        f"it uses the pickle opcode {name}, which no file of tensors needs; "
                        "nothing in it was run"
                    )
    except (ValueError, IndexError, KeyError) as error:
        # genops: unknown opcode, cut short, wrong text; here: stack, mark or memo entry missing
        raise Malformed("its pickle is damaged") from error
    raise Malformed("its pickle has no end")


def _find_global(module: object, name: object, globals_: Mapping[str, object]) -> object:
    if not isinstance(module, str) or not isinstance(name, str):
        raise Malformed("it names a global by what is not text")
    full_name = f"{module}.{name}"
    if full_name not in globals_:
        _refuse(full_name)
    return globals_[full_name]


def _refuse(full_name: str) -> NoReturn:
    raise Unsupported(
        f"it asks for {quoted(full_name)}, which is refused: only tensors and plain containers are "
        "read; nothing in it was run"
    )


def _append(target: object, items: list) -> None:
    if type(target) is not list:
        raise Malformed("it appends to what is not a list")
    target.extend(items)


def _set_items(target: object, items: list | tuple) -> None:
    if type(target) not in (dict, OrderedDict) or len(items) % 2:
        raise Malformed("it sets items on what is not a dictionary")
    assert isinstance(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Hashing a nested tuple can take for ever, or exhaust the stack.
        if type(key) is not str and not (type(key) is int and abs(key) <= MAX_DICT_INT):
            raise Malformed("it has a dictionary key that is neither text nor a small integer")
        target[key] = value


def _build(target: object, state: object) -> None:
    """`Module.state_dict()` carries layer versions as an attribute of the dictionary: dropped."""
    if type(target) is not OrderedDict or type(state) is not dict or set(state) != {"_metadata"}:
        raise Unsupported("it sets attributes, which is refused; nothing in it was run")


def _ordered_dict(arguments: tuple) -> OrderedDict:
    if arguments:
        raise Malformed("it makes an OrderedDict from arguments")
    return OrderedDict()


def _size(arguments: tuple) -> tuple[int, ...]:
    if len(arguments) != 1:
        raise Malformed("it has a wrong torch.Size")
    return _integers(arguments[0], "size")


def _integers(value: object, what: str) -> tuple[int, ...]:
    """A tuple of whole numbers from 0 up to what a file can hold."""
    if type(value) is not tuple or len(value) > MAX_RANK:
        raise Malformed(f"it has a tensor with a wrong {what}")
    if not all(type(item) is int and 0 <= item < 2**48 for item in value):
        raise Malformed(f"it has a tensor with a negative or impossible {what}")
    return value


@dataclass(frozen=True)
class _Storage:
    data: np.ndarray  # uint8, mapped
    check: Callable[[], None]
    dtype: np.dtype | None
    big_endian: bool

    def view(
        self,
        dtype: np.dtype,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
    ) -> LazyTensor:
        """The tensor at `offset` with `strides`, all three counted in elements."""
        count, held = math.prod(shape), self.data.size // dtype.itemsize
        if len(shape) != len(strides):
            raise Malformed("it has a tensor whose strides do not fit its shape")
        if count == 0:
            if math.prod(max(size, 1) for size in shape) >= 2**48:
                raise Malformed("it has a tensor with an impossible size")
        else:
            reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
            if offset + reach >= held:
                raise Malformed("it has a tensor that reaches beyond its storage")
            # An expanded tensor (stride 0) could claim any amount of memory from a few bytes.
            if count > held:
                raise Unsupported("it has a tensor that repeats its storage's values")

        def read() -> np.ndarray:
            if count == 0:
                return np.empty(shape, dtype)
            self.check()
            # Bits are moved as integers: ml_dtypes' types know no byte order.
            bits = np.dtype(f"u{dtype.itemsize}")
            mapped = np.ndarray(
                shape,
                bits,
                buffer=self.data,
                offset=offset * bits.itemsize,
                strides=[step * bits.itemsize for step in strides],
            )
            array = np.array(mapped, order="C", subok=False)
            if self.big_endian:
                array.byteswap(inplace=True)
            # A byte other than 0 and 1 in a bool array is undefined behaviour in numpy.
            return array.astype(dtype) if dtype == np.bool_ else array.view(dtype)

        return LazyTensor(shape, dtype, read)


def _rebuild_tensor_v2(arguments: tuple) -> LazyTensor:
    if len(arguments) not in (6, 7):
        raise Malformed("it has a tensor with a wrong number of properties")
    storage = arguments[0]
    if not isinstance(storage, _Storage) or storage.dtype is None:
        raise Malformed("it has a tensor without a typed storage")
    return _rebuild(storage, storage.dtype, arguments[1:6], arguments[6:])


def _rebuild_tensor_v3(arguments: tuple) -> LazyTensor:
    if len(arguments) not in (7, 8):
        raise Malformed("it has a tensor with a wrong number of properties")
    storage, dtype = arguments[0], arguments[6]
    if not isinstance(storage, _Storage) or not isinstance(dtype, np.dtype):
        raise Malformed("it has a tensor without storage or dtype")
    return _rebuild(storage, dtype, arguments[1:6], arguments[7:])


def _rebuild(storage: _Storage, dtype: np.dtype, properties: tuple, metadata: tuple) -> LazyTensor:
    offset, shape, strides, _requires_grad, hooks = properties
    (offset,) = _integers((offset,), "offset")
    # The metadata says that values are to be negated or conjugated when read.
    if type(hooks) is not OrderedDict or hooks or any(metadata):
        raise Unsupported("it has a tensor with hooks, or one marked as negated or conjugated")
    return storage.view(dtype, offset, _integers(shape, "shape"), _integers(strides, "stride"))


def _rebuild_parameter(arguments: tuple) -> LazyTensor:
    if len(arguments) != 3 or not isinstance(arguments[0], LazyTensor):
        raise Malformed("it has a parameter that is not a tensor")
    return arguments[0]


GLOBALS: Mapping[str, object] = {
    "collections.OrderedDict": Function(_ordered_dict),
    "torch.Size": Function(_size),
    "torch._utils._rebuild_tensor_v2": Function(_rebuild_tensor_v2),
    "torch._utils._rebuild_tensor_v3": Function(_rebuild_tensor_v3),
    "torch._utils._rebuild_parameter": Function(_rebuild_parameter),
    "torch.storage.UntypedStorage": StorageType(None),
    **{f"torch.{name}": StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
    **{f"torch.{name}": dtype for name, dtype in UNSIGNED_DTYPES.items()},
}


class _Archive:
    """The entries of an uncompressed zip file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise Malformed("the file is cut short or damaged") from error
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) != len(infos):
            raise Malformed("it has two entries of one name")
        self._checked: set[str] = set()
        self._mapped = np.asarray(np.memmap(path, np.uint8, mode="r"))

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def names(self) -> list[str]:
        return list(self._infos)

    def entry(self, name: str) -> np.ndarray:
        """The bytes of an entry as a mapped uint8 array, not yet checked."""
        info = self._infos.get(name)
        if info is None:
            raise Malformed(f"its part {quoted(name)} is missing")
        damaged = Malformed(f"its part {quoted(name)} is cut short or damaged")
        start = info.header_offset
        if not 0 <= start <= self._mapped.size - LOCAL_HEADER.size:
            raise damaged
        header = LOCAL_HEADER.unpack(bytes(self._mapped[start : start + LOCAL_HEADER.size]))
        signature, _, flags, method, *_, name_length, extra_length = header
        if signature != MAGIC or (info.flag_bits | flags) & ENCRYPTED:
            raise damaged
        if method or info.compress_type or info.compress_size != info.file_size:
            raise Unsupported("it is compressed, which torch.save never does")
        start += LOCAL_HEADER.size + name_length + extra_length
        if info.file_size > self._mapped.size - start:
            raise damaged
        return self._mapped[start : start + info.file_size]

    def check(self, name: str) -> None:
        """Compare an entry with its checksum, the first time it is asked for."""
        if name not in self._checked:
            if zlib.crc32(self.entry(name).data) != self._infos[name].CRC:
                raise Malformed(f"the checksum of its part {quoted(name)} is wrong")
            self._checked.add(name)

    def read(self, name: str) -> bytes:
        self.check(name)
        return self.entry(name).tobytes()


def read_archive(path: Path) -> dict[str, LazyTensor]:
    """Open a state dict that `torch.save` (torch ≥ 1.6) wrote.

    A state dict is a flat mapping of names to tensors; whatever else a file holds is refused, so
    that nothing in it is passed over in silence.

    Raises:
        UserError: if the file is damaged, asks for anything but tensors, or is not a state dict.
    """

    def reported(error: Malformed) -> UserError:
        return UserError(f"{path}: {error}: {error.remedy}")

    try:
        archive = _Archive(path)
        value = _read_value(archive, reported)
    except Malformed as error:
        raise reported(error) from error

    remedy = "save the model alone with torch.save(model.state_dict(), …)"
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds {_kind(value)}, not a state dict; {remedy}")
    for name, tensor in value.items():
        if not isinstance(name, str):
            raise UserError(f"{path}: has an entry named by a number, not by text; {remedy}")
        if not isinstance(tensor, LazyTensor):
            entry = f"its entry {quoted(name)} is {_kind(tensor)}"
            raise UserError(f"{path}: {entry}, not a tensor; {remedy}")
    return dict(value)


def _kind(value: object) -> str:
    if isinstance(value, LazyTensor):
        return "a tensor"
    if isinstance(value, dict) and any(isinstance(item, LazyTensor) for item in value.values()):
        return "a mapping with tensors"
    return f"a value of type {type(value).__name__}"


def _read_value(archive: _Archive, reported: Callable[[Malformed], UserError]) -> object:
    pickles = [name for name in archive.names() if name.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].count("/") != 1:
        raise Unsupported("it is a zip file, but not one of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    if archive.entry(pickles[0]).size > MAX_PICKLE_BYTES:
        raise Unsupported(f"its data.pkl is over {MAX_PICKLE_BYTES} bytes, too many for tensors")

    byte_order = b"little"
    if f"{folder}byteorder" in archive:
        byte_order = archive.read(f"{folder}byteorder")
    if byte_order not in (b"little", b"big"):
        raise Malformed("its byte order is neither little nor big")

    def load_storage(identifier: object) -> _Storage:
        if type(identifier) is not tuple or len(identifier) != 5 or identifier[0] != "storage":
            raise Malformed("it refers to something outside the file that is not a storage")
        _, kind, key, location, count = identifier
        if not isinstance(kind, StorageType) or type(key) is not str or type(location) is not str:
            raise Malformed("it has a storage that is described wrongly")
        (count,) = _integers((count,), "storage")
        name = f"{folder}data/{key}"
        data = archive.entry(name)
        if data.size != count * (kind.dtype.itemsize if kind.dtype else 1):
            raise Malformed(f"its part {quoted(name)} is not as long as it should be")

        def check() -> None:
            try:
                archive.check(name)
            except Malformed as error:
                raise reported(error) from error

        return _Storage(data, check, kind.dtype, byte_order == b"big")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of genops, about a backslash in a name
        return unpickle(archive.read(pickles[0]), GLOBALS, load_storage)
