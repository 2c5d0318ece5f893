"""Interprets the pickles in PyTorch's files as tensors and plain values, without running code.

Python's unpickler calls whatever a file names, so it is not used. `pickletools.genops`, which only
splits a pickle into opcodes, feeds an interpreter of the few opcodes that PyTorch writes. A name in
the file is looked up in a table of stand-ins, and refused if it is not there; no name is ever
imported. `torch_zip` and `torch_stream` read the files around these pickles.
"""

from __future__ import annotations

import math
import pickletools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import ml_dtypes
import numpy as np

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted

# A tensor takes under 300 bytes and 50 operations; fairseq adds three tensors of optimizer state
# for each (under 1 MB for the largest model, of 800 tensors) and a dictionary (4 MB and 300 000
# operations for 50 000 words). Beyond that a file only costs time and memory: at these limits the
# worst that was made took 3 s and 100 MB.
MAX_PICKLE_BYTES = 8 * 2**20
MAX_OPERATIONS = 500_000
MAX_RANK = 32
MAX_DICT_INT = 2**20  # larger ones can be made to collide when hashed

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

# The classes in the settings and the training state of fairseq's files.
INERT_CLASSES = (
    "argparse.Namespace",
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig")),
    *(f"omegaconf.base.{name}" for name in ("Metadata", "ContainerMetadata")),
    *(
        f"omegaconf.nodes.{kind}Node"
        for kind in ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "Path", "String")
    ),
    *(f"typing.{name}" for name in ("Any", "Optional", "Union")),
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")
        for name in ("bool", "bytes", "dict", "float", "int", "list", "long", "str", "tuple")
    ),
    "fairseq.data.dictionary.Dictionary",
    *(
        f"fairseq.{module}.{name}Meter"
        for module in ("meters", "logging.meters")
        for name in ("Average", "Stopwatch", "Sum", "Time")
    ),
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
    "_codecs.encode",  # how protocol 2 writes the bytes of a numpy number
    "torch.device",
)


@dataclass(frozen=True)
class Function:
    """The stand-in for a callable that a file may name; REDUCE calls nothing else."""

    call: Callable[[tuple], object]


@dataclass(frozen=True)
class StorageType:
    """`torch.FloatStorage` and so on; `dtype` is None for `torch.storage.UntypedStorage`."""

    dtype: np.dtype | None


@dataclass(frozen=True)
class InertClass:
    """A class that a file may name and that is never instantiated: see `Record`."""

    name: str


@dataclass(eq=False, slots=True)
class Record:
    """The stand-in for an object of an `InertClass`, with the values from the file."""

    class_name: str
    arguments: tuple
    state: object = None  # its attributes, usually a dict; may refer to the record itself


class Malformed(Exception):
    """A fault of a file, without the file's name."""

    remedy = "download it again"


class Unsupported(Malformed):
    """An undamaged file with content that is not supported, hostile or not."""

    remedy = "take its safetensors file, or save model.state_dict() again with torch.save"


@dataclass(frozen=True)
class Storage:
    """A run of bytes that tensors are views of."""

    size: int  # bytes
    # () → mapped uint8 array of that size, its bytes verified; UserError if they are damaged
    data: Callable[[], np.ndarray]
    dtype: np.dtype | None
    big_endian: bool = False

    def view(
        self,
        dtype: np.dtype,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
    ) -> LazyTensor:
        """Returns the tensor at `offset`; offset and strides count elements."""
        count, held = math.prod(shape), self.size // dtype.itemsize
        if len(shape) != len(strides):
            raise Malformed("it has a tensor whose strides do not fit its shape")
        if count == 0:
            if math.prod(max(size, 1) for size in shape) >= 2**48:
                raise Malformed("it has a tensor with an impossible size")
        else:
            reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
            if offset + reach >= held:
                raise Malformed("it has a tensor that reaches beyond its storage")
            # An expanded tensor (stride 0) could take any amount of memory from a few bytes.
            if count > held:
                raise Unsupported("it has a tensor that repeats its storage's values")

        def read() -> np.ndarray:
            if count == 0:
                return np.empty(shape, dtype)
            # Bits are moved as integers: ml_dtypes' types know no byte order.
            bits = np.dtype(f"u{dtype.itemsize}")
            mapped = np.ndarray(
                shape,
                bits,
                buffer=self.data(),
                offset=offset * bits.itemsize,
                strides=[step * bits.itemsize for step in strides],
            )
            array = np.array(mapped, order="C", subok=False)
            if self.big_endian:
                array.byteswap(inplace=True)
            # A byte other than 0 and 1 in a bool array is undefined behaviour in numpy.
            return array.astype(dtype) if dtype == np.bool_ else array.view(dtype)

        return LazyTensor(shape, dtype, read)


def refuse_reference(identifier: object) -> NoReturn:
    """Refuses any storage: the `persistent_load` of a pickle that must not refer to one."""
    raise Malformed("it refers to storages where there are none")


def storage_reference(identifier: object, properties: int) -> tuple[StorageType, str, int, tuple]:
    """Returns type, key, number of elements and further properties from a persistent id."""
    if type(identifier) is not tuple or not identifier or type(identifier[0]) is not str:
        raise Malformed("it refers to something outside the file that is not a storage")
    if len(identifier) != properties or identifier[0] != "storage":
        raise Malformed("it refers to something outside the file that is not a storage")
    _, kind, key, location, count, *further = identifier
    if not isinstance(kind, StorageType) or type(key) is not str or type(location) is not str:
        raise Malformed("it has a storage that is described wrongly")
    (count,) = integers((count,), "storage")
    return kind, key, count, tuple(further)


def unpickle(
    data: bytes,
    globals_: Mapping[str, object],
    persistent_load: Callable[[object], object],
) -> tuple[object, int]:
    """Builds the object that a pickle of protocol 2 to 5 describes, from plain values only.

    Args:
        data: begins with a pickle.
        globals_: the stand-in for each "module.name". A `Function` may be applied to arguments, an
            `InertClass` becomes a `Record`, anything else is an inert value.
        persistent_load: turns a persistent id into a value.

    Returns:
        The object, and the number of bytes that its pickle takes.

    Raises:
        Malformed: another global or opcode, or a pickle that is not well-formed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of genops, about a backslash in a name
        return _interpret(data, globals_, persistent_load)


def _interpret(
    data: bytes,
    globals_: Mapping[str, object],
    persistent_load: Callable[[object], object],
) -> tuple[object, int]:
    stack: list = []
    outer_stacks: list[list] = []  # the stack below each open MARK
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
        for number, (opcode, argument, position) in enumerate(operations):
            if number == MAX_OPERATIONS:
                raise Unsupported(f"its pickle takes over {number} steps, too many for tensors")
            match opcode.name:
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                    stack.append(argument)
                case "BINPUT" | "LONG_BINPUT":
                    if argument > MAX_OPERATIONS:
                        raise Malformed("it numbers its values as no pickler does")
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "BINBYTES" | "SHORT_BINBYTES":
                    stack.append(argument)
                case "NONE":
                    stack.append(None)
                case "NEWTRUE":
                    stack.append(True)
                case "NEWFALSE":
                    stack.append(False)
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
                    stack.append(_call(function, arguments))
                case "NEWOBJ":
                    class_, arguments = pop_many(2)
                    if not isinstance(class_, InertClass):
                        raise Malformed("it makes an object of what is not a class")
                    stack.append(_call(class_, arguments))
                case "BUILD":
                    (state,) = pop_many(1)
                    _build(stack[-1], state)
                case "PROTO":
                    if not 2 <= argument <= 5:
                        raise Unsupported(f"it has pickle protocol {argument}, not 2 to 5")
                case "FRAME":
                    pass
                case "STOP":
                    if outer_stacks or len(stack) != 1:
                        raise Malformed("its pickle does not end where it should")
                    return stack[0], position + 1
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


def _call(function: object, arguments: object) -> object:
    if type(arguments) is tuple:
        if isinstance(function, Function):
            return function.call(arguments)
        if isinstance(function, InertClass):
            return Record(function.name, arguments)
    raise Malformed("it calls what is not a function")


def _append(target: object, items: list) -> None:
    if type(target) is not list:
        raise Malformed("it appends to what is not a list")
    target.extend(items)


def _set_items(target: object, items: list | tuple) -> None:
    if type(target) not in (dict, OrderedDict) or len(items) % 2:
        raise Malformed("it sets items on what is not a dictionary")
    assert isinstance(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is int:
            # PyTorch before 1.6 numbered optimizer states by addresses. As text they hash safely,
            # and in a tuple they are not mistaken for names.
            target[key if abs(key) <= MAX_DICT_INT else (str(key),)] = value
        # Hashing a nested tuple can take for ever, or exhaust the stack.
        elif type(key) is str:
            target[key] = value
        else:
            raise Malformed("it has a dictionary key that is neither text nor a whole number")


def _build(target: object, state: object) -> None:
    if isinstance(target, Record):
        target.state = state
    # `Module.state_dict()` carries layer versions as an attribute of the dictionary: dropped.
    elif type(target) is not OrderedDict or type(state) is not dict or set(state) != {"_metadata"}:
        raise Unsupported("it sets attributes, which is refused; nothing in it was run")


def _ordered_dict(arguments: tuple) -> OrderedDict:
    if arguments:
        raise Malformed("it makes an OrderedDict from arguments")
    return OrderedDict()


def _default_dict(arguments: tuple) -> dict:
    """Returns a dict without the factory, which is never called."""
    if len(arguments) > 1:
        raise Malformed("it makes a defaultdict from items")
    return {}


def _size(arguments: tuple) -> tuple[int, ...]:
    if len(arguments) != 1:
        raise Malformed("it has a wrong torch.Size")
    return integers(arguments[0], "size")


def integers(value: object, what: str) -> tuple[int, ...]:
    """Returns a tuple of integers from 0 to the largest size of a file."""
    if type(value) is not tuple or len(value) > MAX_RANK:
        raise Malformed(f"it has a tensor with a wrong {what}")
    if not all(type(item) is int and 0 <= item < 2**48 for item in value):
        raise Malformed(f"it has a tensor with a negative or impossible {what}")
    return value


def _rebuild_tensor_v2(arguments: tuple) -> LazyTensor:
    if len(arguments) not in (6, 7):
        raise Malformed("it has a tensor with a wrong number of properties")
    storage = arguments[0]
    if not isinstance(storage, Storage) or storage.dtype is None:
        raise Malformed("it has a tensor without a typed storage")
    return _rebuild(storage, storage.dtype, arguments[1:6], arguments[6:])


def _rebuild_tensor_v3(arguments: tuple) -> LazyTensor:
    if len(arguments) not in (7, 8):
        raise Malformed("it has a tensor with a wrong number of properties")
    storage, dtype = arguments[0], arguments[6]
    if not isinstance(storage, Storage) or not isinstance(dtype, np.dtype):
        raise Malformed("it has a tensor without storage or dtype")
    return _rebuild(storage, dtype, arguments[1:6], arguments[7:])


def _rebuild(storage: Storage, dtype: np.dtype, properties: tuple, metadata: tuple) -> LazyTensor:
    offset, shape, strides, _requires_grad, hooks = properties
    (offset,) = integers((offset,), "offset")
    # The metadata says that values are to be negated or conjugated when read.
    if type(hooks) is not OrderedDict or hooks or any(metadata):
        raise Unsupported("it has a tensor with hooks, or one marked as negated or conjugated")
    return storage.view(dtype, offset, integers(shape, "shape"), integers(strides, "stride"))


def _rebuild_parameter(arguments: tuple) -> LazyTensor:
    if len(arguments) != 3 or not isinstance(arguments[0], LazyTensor):
        raise Malformed("it has a parameter that is not a tensor")
    return arguments[0]


GLOBALS: Mapping[str, object] = {
    "collections.OrderedDict": Function(_ordered_dict),
    "collections.defaultdict": Function(_default_dict),
    "torch.Size": Function(_size),
    "torch._utils._rebuild_tensor_v2": Function(_rebuild_tensor_v2),
    "torch._utils._rebuild_tensor_v3": Function(_rebuild_tensor_v3),
    "torch._utils._rebuild_parameter": Function(_rebuild_parameter),
    "torch.storage.UntypedStorage": StorageType(None),
    **{f"torch.{name}": StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
    **{f"torch.{name}": dtype for name, dtype in UNSIGNED_DTYPES.items()},
    **{name: InertClass(name) for name in INERT_CLASSES},
}
