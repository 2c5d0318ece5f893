"""Files for other runtimes, by the ends of their names: each is written and loaded in one way."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from types import ModuleType

from wav2vec2_tf.export import litert, onnx, openvino
from wav2vec2_tf.export.form import Exported

FORMATS: dict[str, ModuleType] = {"litert": litert, "onnx": onnx, "openvino": openvino}
"""Name → a module with `write`, `load`, the suffix of its files and the packages it needs."""
SUFFIXES = {module.SUFFIX: module for module in FORMATS.values()}


def is_exported(path: str | PathLike[str]) -> bool:
    """Whether a path's name is that of such a file."""
    return Path(path).suffix in SUFFIXES and not Path(path).is_dir()


def load(path: Path, threads: int | None = None) -> Exported:
    """A file, ready to run.

    Args:
        threads: to compute with; by default as many as the process may have.

    Raises:
        UserError: it is damaged, none that this project wrote, or its runtime is not installed.
    """
    module: ModuleType = SUFFIXES[path.suffix]
    exported: Exported = module.load(path, threads or len(os.sched_getaffinity(0)))
    return exported
