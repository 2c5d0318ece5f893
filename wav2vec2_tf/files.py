"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wav2vec2_tf.errors import UserError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to it at the end, removed on an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())  # some writers keep their files to themselves
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder beside `path`; put in its place at the end, removed on an error.

    Raises `UserError` where something is there already, unless `replace` allows it.
    """
    if path.exists() and not replace and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(f"{path} exists already: name another, or replace it with --force")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield beside
        beside.chmod(0o777 & ~_umask())
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
