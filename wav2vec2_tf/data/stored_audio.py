"""Audio in a column of a data set: files, names of files, or arrays of samples with their rate."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wav2vec2_tf.data.columns import RATE_COLUMNS
from wav2vec2_tf.data.utterances import AudioRow
from wav2vec2_tf.utils.errors import UserError, first_line

if TYPE_CHECKING:
    import datasets
    import numpy as np

ARRAY = "array"
"""The field of the samples, where a column has them together with their rate."""


class StoredAudio(Protocol):
    """A column of audio."""

    absent: Sequence[bool]
    """Whether each row has no audio."""
    is_inside: bool
    """Whether every row holds its audio, not the name of a file."""

    def row(self, number: int) -> AudioRow:
        """Returns the audio of a row."""


def stored_audio(spec: str, dataset: datasets.Dataset, column: str) -> StoredAudio:
    """Returns the audio in a column of a data set, which is read row by row when it is needed.

    Nothing is decoded by `datasets`, which would need torchcodec and FFmpeg.

    Raises:
        UserError: the column holds no audio.
    """
    import pyarrow.types as types

    kind = dataset.features.arrow_schema.field(column).type
    if types.is_struct(kind) and ARRAY in (fields := [field.name for field in kind]):
        if "bytes" not in fields:
            return _Arrays(spec, dataset, column)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _Arrays(spec, dataset, column)
    return _Files(spec, dataset, column)


class _Files:
    """A column of the contents of files, or their names."""

    def __init__(self, spec: str, dataset: datasets.Dataset, column: str) -> None:
        import datasets as library
        import pyarrow.compute as compute

        try:
            dataset = dataset.cast_column(column, library.Audio(decode=False))
        except (TypeError, ValueError, ImportError) as error:  # pyarrow's own are among these
            raise UserError(f"{spec}: column {column!r} holds no audio files") from error
        stored = dataset.data.column(column)
        without_bytes = compute.is_null(compute.struct_field(stored, "bytes"))
        without_path = compute.is_null(compute.struct_field(stored, "path"))
        self.absent = compute.and_(without_bytes, without_path).to_pylist()
        self.is_inside = not compute.any(without_bytes).as_py()
        folder = Path(spec).expanduser()
        self._folder = folder if folder.is_dir() else folder.parent
        self._dataset = dataset.select_columns(column)

    def row(self, number: int) -> AudioRow:
        return _FileRow(self._dataset, number, self._folder)


@dataclass(frozen=True)
class _FileRow:
    dataset: datasets.Dataset
    """Has the column of audio only."""
    number: int
    folder: Path
    """Folder that relative paths start from."""

    def audio(self) -> Path | bytes:
        (stored,) = self.dataset[self.number].values()
        content: bytes | None = stored["bytes"]
        return self.folder / stored["path"] if content is None else content


class _Arrays:
    """A column of samples. The rate is in the same column, or in another one."""

    is_inside = True

    def __init__(self, spec: str, dataset: datasets.Dataset, column: str) -> None:
        import pyarrow.compute as compute
        import pyarrow.types as types

        kind = dataset.features.arrow_schema.field(column).type
        rates = dataset.column_names
        if types.is_struct(kind):
            rates = [field.name for field in kind]
        rate = next((name for name in RATE_COLUMNS if name in rates), None)
        if rate is None:
            raise UserError(
                f"{spec}: column {column!r} holds no audio files, and no sampling rate of its "
                f"arrays: add a column {RATE_COLUMNS[0]} in Hz"
            )
        stored = dataset.data.column(column)
        absent = compute.is_null(stored)
        if types.is_struct(kind):
            absent = compute.or_(absent, compute.is_null(compute.struct_field(stored, ARRAY)))
            dataset = dataset.select_columns(column)
        else:
            dataset = dataset.select_columns([column, rate])
        self.absent = absent.to_pylist()
        self._rows = (dataset.with_format("arrow"), column, rate)

    def row(self, number: int) -> AudioRow:
        return _ArrayRow(*self._rows, number)


@dataclass(frozen=True)
class _ArrayRow:
    dataset: datasets.Dataset
    """Has Arrow's format."""
    column: str
    rate: str
    number: int

    def audio(self) -> bytes:
        table = self.dataset[self.number]
        value = table.column(self.column)[0]
        if self.rate in table.column_names:
            samples, rate = value, table.column(self.rate)[0]
        else:
            samples, rate = value[ARRAY], value[self.rate]
        try:
            return _wav(_array(samples), rate.as_py())
        except ValueError as error:
            raise UserError(
                f"column {self.column!r}, row {self.number}: not samples with their rate "
                f"({first_line(error)})"
            ) from None


def _array(samples: Any) -> np.ndarray:
    """Returns an Arrow list of numbers, or of channels, as (samples,) or (samples, channels)."""
    import numpy as np
    import pyarrow.types as types

    if types.is_integer(samples.type.value_type) or types.is_floating(samples.type.value_type):
        return np.asarray(samples.values.to_numpy(zero_copy_only=False))
    array = np.asarray(samples.as_py())
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise ValueError("an array of numbers with one or two dimensions is needed")
    return array.T if array.shape[0] < array.shape[1] else array


def _wav(samples: np.ndarray, rate: Any) -> bytes:
    """Returns a WAV file of float32 samples, so that arrays are read as all other audio is."""
    import numpy as np
    import soundfile

    if not isinstance(rate, int | float) or not 0 < rate < 2**31:
        raise ValueError(f"the rate must be in Hz, got {rate}")
    if samples.dtype.kind in "iu":
        wide = samples.astype(np.int64)
        largest = int(np.abs(wide).max(initial=0))
        samples = wide / (2**15 if largest <= 2**15 else 2**31)
    file = io.BytesIO()
    try:
        soundfile.write(file, samples.astype(np.float32), int(rate), "FLOAT", format="WAV")
    except soundfile.SoundFileError as error:
        raise ValueError(str(error)) from None
    return file.getvalue()
