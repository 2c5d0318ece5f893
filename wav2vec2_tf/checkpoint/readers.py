"""Opens checkpoint files of every format as tensors by name, read on request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import ml_dtypes
import numpy as np

from wav2vec2_tf.checkpoint import fairseq, torch_stream, torch_zip
from wav2vec2_tf.checkpoint.fairseq import Settings
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted
from wav2vec2_tf.checkpoint.torch_pickle import Malformed, Record
from wav2vec2_tf.checkpoint.wrapped_names import unwrapped
from wav2vec2_tf.utils.errors import UserError

# Where a folder in Hugging Face format keeps its weights, best first.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)

SAFETENSORS_DTYPES = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}

# Hundreds of times the size for the largest model; parsing takes many times the memory.
MAX_HEADER_BYTES = MAX_INDEX_BYTES = 16 * 2**20
TRAINING_STATE = re.compile(
    r"(optimizer|scheduler|scaler|sampler)\.(pt|bin)|(rng_state|random_states).*|training_args\.bin"
)
"""Files that transformers' Trainer and accelerate write beside the weights of a training run."""
GIT_LFS_POINTER = b"version https://git-lfs"


class Checkpoint(Mapping[str, LazyTensor]):
    """The tensors of a checkpoint by name, in the order of its files.

    Attributes:
        path: what was opened, a folder or a file.
        files: the files of weights, one or one a shard.
        settings: the settings of a fairseq checkpoint, whose tensors are under Hugging Face's
            names; None for a checkpoint in Hugging Face format.
    """

    def __init__(
        self,
        path: Path,
        files: tuple[Path, ...],
        tensors: Mapping[str, LazyTensor],
        settings: Settings | None = None,
    ) -> None:
        self.path = path
        self.files = files
        self.settings = settings
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> LazyTensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, {len(self)} tensors)"


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Opens the weights in a folder in Hugging Face format, or in one file.

    The formats are safetensors, PyTorch's two (`pytorch_model.bin`; see `torch_zip`,
    `torch_stream`), indexes of shards of these, and fairseq's checkpoints (`.pt`; see `fairseq`).
    The keys lose what wrappers such as DistributedDataParallel added (`wrapped_names`).
    Only headers are read here: the files are mapped, and each tensor's values are copied when its
    `read()` is called. No code in a file is executed.

    Args:
        path: the folder or the file.

    Returns:
        The tensors by name, and a fairseq checkpoint's settings.

    Raises:
        UserError: there are no weights, or they are damaged, unsafe or inconsistent.
    """
    path = Path(path)
    file = _weight_file(path) if path.is_dir() else path
    if file.name.endswith(".index.json"):
        return _open_shards(path, file)
    tensors, settings = _open_file(file)
    if settings is None:
        tensors = unwrapped(path, tensors)
    return Checkpoint(path, (file,), tensors, settings)


def _weight_file(folder: Path) -> Path:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: has no weights; looked for {', '.join(WEIGHT_FILES)}")


def _open_file(path: Path) -> tuple[Mapping[str, LazyTensor], Settings | None]:
    """Opens a file by its content, whatever its name is."""
    if TRAINING_STATE.fullmatch(path.name):
        raise UserError(f"{path}: is state of a training run, not weights; give its folder")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file or folder") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error

    if head.startswith(GIT_LFS_POINTER):
        raise UserError(f"{path}: is a Git LFS pointer, not the weights; run `git lfs pull`")
    if head.startswith(torch_zip.MAGIC) or torch_stream.is_stream(head):
        return _open_torch(path, head)
    # eight bytes of length, which is below 2**32, then JSON
    if head[4:9] == b"\0\0\0\0{":
        return _open_safetensors(path), None
    if head.startswith(b"\x80"):
        raise UserError(
            f"{path}: is a plain pickle, which is refused as it could run code (nothing was run); "
            "take its safetensors file, or save model.state_dict() again with torch.save"
        )
    raise UserError(
        f"{path}: is {'empty' if not head else 'neither safetensors nor a torch.save file'}; "
        "give a checkpoint, or download this one again"
    )


def _open_torch(path: Path, head: bytes) -> tuple[Mapping[str, LazyTensor], Settings | None]:
    """Returns the tensors of a state dict or of a fairseq checkpoint, and the latter's settings.

    A state dict is a flat mapping of names to tensors; any other content is refused, so that
    nothing is silently skipped.
    """
    try:
        value = torch_stream.read(path) if torch_stream.is_stream(head) else torch_zip.read(path)
    except Malformed as error:
        raise UserError(f"{path}: {error}: {error.remedy}") from error
    if fairseq.is_fairseq(value):
        return fairseq.read(path, value)

    remedy = "save the model alone with torch.save(model.state_dict(), …)"
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds {_kind(value)}, not a state dict; {remedy}")
    for name, tensor in value.items():
        if not isinstance(name, str):
            raise UserError(f"{path}: has an entry named by a number, not by text; {remedy}")
        if not isinstance(tensor, LazyTensor):
            entry = f"its entry {quoted(name)} is {_kind(tensor)}"
            raise UserError(f"{path}: {entry}, not a tensor; {remedy}")
    return value, None


def _kind(value: object) -> str:
    if isinstance(value, LazyTensor):
        return "a tensor"
    if isinstance(value, dict) and any(isinstance(item, LazyTensor) for item in value.values()):
        return "a mapping with tensors"
    name = value.class_name if isinstance(value, Record) else type(value).__name__
    return f"a value of type {name}"


def _open_safetensors(path: Path) -> dict[str, LazyTensor]:
    from safetensors import SafetensorError, safe_open

    damaged = f"{path}: is cut short or damaged; download it again"

    def read(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        try:
            array = file.get_tensor(name)
        except (SafetensorError, ValueError, OverflowError) as error:
            raise UserError(damaged) from error
        assert array.shape == shape and array.dtype == dtype
        return array

    with path.open("rb") as opened:
        if int.from_bytes(opened.read(8), "little") > MAX_HEADER_BYTES:
            raise UserError(damaged)
    tensors = {}
    try:
        file = safe_open(path, framework="numpy")
        for name in file.keys():  # noqa: SIM118  (not a dictionary)
            header = file.get_slice(name)
            shape = tuple(header.get_shape())
            dtype = SAFETENSORS_DTYPES.get(header.get_dtype())
            if dtype is None:
                raise UserError(
                    f"{path}: tensor {quoted(name)} has dtype {header.get_dtype()}, which is not "
                    "read; save it again in float32, float16 or bfloat16"
                )
            tensors[name] = LazyTensor(shape, dtype, partial(read, name, shape, dtype))
    except (SafetensorError, OSError) as error:
        raise UserError(damaged) from error
    return tensors


def _open_shards(path: Path, index: Path) -> Checkpoint:
    shard_of = _read_index(index)
    tensors: dict[str, LazyTensor] = {}
    found_in: dict[str, str] = {}
    shards = sorted(set(shard_of.values()))
    for shard in shards:
        file = index.parent / shard
        if not file.is_file():
            raise UserError(f"{file}: is named in {index.name} but is not there; download it again")
        in_file, settings = _open_file(file)
        if settings is not None:
            raise UserError(f"{file}: is a whole fairseq checkpoint, not a shard; open it itself")
        for name, tensor in in_file.items():
            if name in tensors:
                raise UserError(
                    f"{file}: has tensor {quoted(name)}, which {found_in[name]} has too; "
                    "download both again"
                )
            tensors[name], found_in[name] = tensor, shard

    names = shard_of.keys() | found_in.keys()
    wrong = sorted(name for name in names if shard_of.get(name) != found_in.get(name))
    if wrong:
        name = wrong[0]
        raise UserError(
            f"{index}: places tensor {quoted(name)} in {shard_of.get(name, 'no file')}, but it is "
            f"in {found_in.get(name, 'no file')} ({len(wrong)} such in all); "
            "download the index and its files again"
        )
    files = tuple(index.parent / shard for shard in shards)
    return Checkpoint(path, files, unwrapped(path, tensors))


def _read_index(index: Path) -> dict[str, str]:
    """Returns the shard of each tensor, from an index in transformers' format."""
    try:
        with index.open("rb") as file:
            encoded = file.read(MAX_INDEX_BYTES + 1)
        content = json.loads(encoded) if len(encoded) <= MAX_INDEX_BYTES else None
    except FileNotFoundError as error:
        raise UserError(f"{index}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{index}: cannot be read as JSON; download it again") from error
    shard_of = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shard_of, dict) or not shard_of:
        raise UserError(f"{index}: has no weight_map; download it again")
    for name, shard in shard_of.items():
        # A shard is beside its index: a path could name any file of the machine.
        plain = isinstance(shard, str) and shard.isprintable() and not set(shard) & set("/\\:")
        if not plain or shard in ("", ".", "..") or shard.endswith(".json"):
            raise UserError(
                f"{index}: places tensor {quoted(name)} in {quoted(shard)}, which is not the plain "
                "name of a file beside it; do not use this checkpoint"
            )
    return shard_of
