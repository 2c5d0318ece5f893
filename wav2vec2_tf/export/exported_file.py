"""A file for another runtime: the model's description inside it, and how it is run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from wav2vec2_tf.export.contract import LENGTHS, Contract, NamedArrays
from wav2vec2_tf.export.provenance import Provenance
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.pretrained import CONFIG_FILE, read_config, write_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.utils.errors import UserError, first_line

PREFIX = "wav2vec2_tf/"
"""Start of the names of our entries in a file's metadata; the name of a model file follows."""


def model_files(
    config: Config, head: str, processor: Processor, provenance: Provenance
) -> dict[str, str]:
    """Returns the text files of a model folder by name: the config, the vocabulary and others."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_config(folder, config, head)
        processor.save_pretrained(folder)
        provenance.save(folder)
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def to_metadata(files: Mapping[str, str]) -> dict[str, str]:
    """Returns model files under the names of their entries in a file's metadata."""
    return {PREFIX + name: text for name, text in files.items()}


def from_metadata(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns the model files in the metadata of the file at `path`.

    Raises:
        UserError: there are none.
    """
    files = {
        name.removeprefix(PREFIX): text
        for name, text in metadata.items()
        if name.startswith(PREFIX)
    }
    if CONFIG_FILE not in files or not all(map(_is_plain, files)):
        raise UserError(
            f"{path}: has no metadata of a model that this project wrote: export it again with "
            "`wav2vec2-tf convert`"
        )
    return files


def _is_plain(name: str) -> bool:
    """Returns whether a name is that of a file in a folder, and no path."""
    return name.isprintable() and name not in ("", ".", "..") and Path(name).name == name


def contract_of(path: Path, shapes: Mapping[str, Sequence[int | None]]) -> Contract:
    """Returns the contract of a file with these inputs; a size is None where it may vary.

    Raises:
        UserError: they are not the inputs of a model that this project exports.
    """
    first = [name for name in shapes if name != LENGTHS]
    if len(first) != 1 or len(shapes[first[0]]) < 2:
        raise UserError(
            f"{path}: its inputs must be speech or features, and lengths, got "
            f"{', '.join(shapes) or 'none'}: export it again with `wav2vec2-tf convert`"
        )
    rows, length = shapes[first[0]][:2]
    return Contract(length, rows, speech=first[0], takes_lengths=LENGTHS in shapes)


def require_runtime(path: Path, package: str, runtime: str, extra: str) -> None:
    """Raises `UserError` where the runtime of a file is not installed."""
    if find_spec(package) is None:
        raise UserError(f"{path}: {runtime} runs it: pip install 'wav2vec2-tf[{extra}]'")


@dataclass(frozen=True)
class ExportedFile:
    """A file that its runtime has loaded."""

    path: Path
    files: Mapping[str, str]
    """The text files of the model's folder, by name."""
    contract: Contract
    compute: Callable[[NamedArrays], np.ndarray]
    """Runs the file: inputs by name → the output."""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yields a temporary folder that holds `files`."""
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in self.files.items():
                (Path(scratch) / name).write_text(text, encoding="utf-8")
            yield Path(scratch)

    @cached_property
    def config(self) -> Config:
        """The model's config."""
        with self.folder() as folder:
            return read_config(folder)

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Runs the file, row by row where it has a fixed number of them.

        Args:
            speech: (batch, samples) float, scaled as the checkpoint's processor does it.
            lengths: (batch,) samples of each row that are not padding; None for all of them.

        Returns:
            The output of the model's head, (batch, frames, vocabulary) of a CTC head.

        Raises:
            UserError: the runtime refuses the input, whose length may be another than the file's.
        """
        if lengths is None:
            lengths = np.full(len(speech), speech.shape[1], np.int32)
        named = self.contract.named_inputs(self.config, speech, lengths)
        rows = self.contract.rows or len(speech)
        try:
            parts = [
                self.compute({name: array[start : start + rows] for name, array in named.items()})
                for start in range(0, len(speech), rows)
            ]
        except Exception as error:  # the runtimes' own types derive from Exception alone
            raise UserError(
                f"{self.path}: its runtime cannot compute it ({first_line(error)})"
            ) from None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
