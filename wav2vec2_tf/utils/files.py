"""Reads files safely, and writes them whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wav2vec2_tf.utils.errors import UserError

ARTEFACTS = ("config.json", "saved_model.pb")
"""A folder with one of these files is a model, and may be replaced by another."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; it is renamed at the end, or removed on an error."""
    with _parents(path):
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            yield beside
            beside.chmod(0o666 & ~_umask())  # some writers make private files
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 whole or not at all, with line ends unchanged."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields an empty folder beside `path`; it is renamed at the end, or removed on an error.

    Args:
        path: the folder to make.
        replace: whether a model that is there may be replaced.

    Raises:
        UserError: something is there already, and it is not a model or `replace` is not set.
    """
    path = path.expanduser().absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not replace:
            raise UserError(f"{path} exists already: name another, or replace it with --force")
        if path.is_symlink() or not any((path / name).is_file() for name in ARTEFACTS):
            raise UserError(
                f"{path} is not a model folder, and --force replaces nothing else: name another"
            )
    with _parents(path):
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        old = beside.with_suffix(".old")
        try:
            yield beside
            beside.chmod(0o777 & ~_umask())
            if path.exists():
                path.rename(old)
            beside.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(beside, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Makes the folders above `path`; on an error, removes those that it made."""
    made = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{path.parent}: no folder can be made there ({error.strerror}); name another place"
            ) from None
        yield
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def sha256(path: Path) -> str:
    """Returns the hash of a file's content in hexadecimal; the file is not held in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encodable(text: str) -> bool:
    """Whether `text` can be encoded as UTF-8.

    Lone surrogates, which JSON and names of files may have, cannot.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: there is no such file, or it is not JSON or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; give a folder in Hugging Face format, as save_pretrained or "
            "`wav2vec2-tf convert torch` writes it"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: a JSON object is wanted, not a {type(values).__name__}")
    return values


def files_identity(files: Iterable[Path]) -> str:
    """Returns a digest of names, sizes and times, which changes when any of the files does."""
    digest = hashlib.sha256()
    for file in sorted(files):
        status = file.stat()
        digest.update(
            f"{file.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace")
        )
    return digest.hexdigest()


def absolute_if_exists(name: str) -> str:
    """Returns the absolute path of a file or folder, and any other name (a hub id) unchanged."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name
