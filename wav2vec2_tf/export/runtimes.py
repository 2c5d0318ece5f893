"""The table of formats for other runtimes, and which of them a file has, by its suffix."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from types import ModuleType

from wav2vec2_tf.export import litert, onnx, openvino
from wav2vec2_tf.export.exported_file import ExportedFile
from wav2vec2_tf.utils.errors import UserError

FORMATS: dict[str, ModuleType] = {"litert": litert, "onnx": onnx, "openvino": openvino}
"""Name → a module with `write`, `load`, the suffixes of its files and the packages it needs."""
SUFFIXES = {module.SUFFIX: module for module in FORMATS.values()}


def is_exported_file(path: str | PathLike[str]) -> bool:
    """Returns whether a path has the suffix of such a file, in any case, and is not a folder."""
    return Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir()


def load(path: Path, threads: int | None = None) -> ExportedFile:
    """Loads a file into its runtime.

    Args:
        path: the file; its suffix must be one of `SUFFIXES`.
        threads: threads to compute with; by default as many as the process may use.

    Raises:
        UserError: the file is missing or damaged, was not written by this project, or its runtime
            is not installed.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give one that `wav2vec2-tf convert` wrote")
    module: ModuleType = SUFFIXES[path.suffix.lower()]
    file: ExportedFile = module.load(path, threads or len(os.sched_getaffinity(0)))
    return file
