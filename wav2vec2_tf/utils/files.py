"""Reads files safely, and writes them whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.locks import LockedError, exclusive, taken_over
from wav2vec2_tf.utils.special_files import copy_to_special, is_special

Stamp = tuple[int, int]
"""Size of a file in bytes, and when it was changed, in ns."""
ARTEFACTS = ("config.json", "saved_model.pb")
"""A folder with one of these files is a model, and may be replaced by another."""
LONGEST_NAME = 180
"""Bytes of a name in a hidden one, which has endings beside it and may have 255."""
LOCK, OLD, REPLACED = ".wav2vec2-tf.lock", "old", "replaced"
"""In a scratch folder: the lock of its process, and what is replaced or has been replaced."""
FOLDER_LOCK = ".lock"
"""In a folder of outputs: the lock of the run that writes them."""
MAX_JSON_BYTES = 64 * 2**20
"""Parsing takes many times the memory; the vocabularies of a thousand languages take 1 MB."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Locks an output that one run writes after another, such as one that can be resumed.

    The lock is the file `.NAME.lock` beside a file, and `.lock` in a folder that exists. It is
    removed at the end; one that a killed run has left is free. A device or pipe is not locked.

    Raises:
        UserError: another run has the lock.
    """
    if is_special(path):
        yield
        return
    path = _target(path)
    lock = path / FOLDER_LOCK if path.is_dir() else path.with_name(hidden_name(path.name, "lock"))
    with ExitStack() as held:
        try:
            held.enter_context(folders_above(lock))
            held.enter_context(exclusive(lock))
        except LockedError:
            raise UserError(f"{path}: another run is writing it: wait until it ends") from None
        yield


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Makes a folder and locks it as `locked` does; removes what killed processes have left in it.

    It is removed at the end if nothing is in it.

    Raises:
        UserError: another run has the lock, or no folder can be made there.
    """
    with folders_above(path / FOLDER_LOCK):
        try:
            with locked(path):
                remove_leftovers(path)
                yield
        finally:
            with suppress(OSError):  # it is not empty
                path.rmdir()


def hidden_name(name: str, ending: str) -> str:
    """Returns the name of a hidden file that belongs to another: `.NAME.ENDING`.

    A long name is cut, and a hash of it added, so that names stay within the 255 bytes that file
    systems allow.
    """
    cut = name
    while len(os.fsencode(cut)) > LONGEST_NAME:
        cut = cut[:-1]
    if cut != name:
        cut += f"~{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"
    return f".{cut}.{ending}"


def is_leftover(name: str) -> bool:
    """Whether a killed process may have left a file or folder of this name in a folder it made."""
    return name == FOLDER_LOCK or (name.startswith(".") and name.endswith(".part"))


@contextmanager
def whole_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields a path to write to, which is renamed to `path` at the end, or removed on an error.

    A link at `path` stays, and the file that it names is replaced. A device or pipe is written to
    at the end. What a killed process has left of writing the same file is removed.

    Args:
        path: the file to make or to replace.
        durable: whether the file is on disk afterwards, and so survives a crash of the machine. One
            that replaces another always is.

    Raises:
        UserError: a folder is there.
    """
    if is_special(path):
        with tempfile.TemporaryDirectory() as scratch:
            beside = Path(scratch, path.name)
            yield beside
            copy_to_special(beside, path)
        return
    path = _target(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder: name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    with errors_named(path), _scratch(path) as (scratch, mode):
        beside = scratch / path.name
        yield beside
        beside.chmod(mode)  # some writers make private files
        _move(beside, path, durable)


def require_writable(path: Path) -> None:
    """Raises `UserError` unless a file or folder at `path` can be made, or replaced if it is there.

    It is called before the work whose result is written there.
    """
    if is_special(path):
        return
    target = _target(path)
    folder = next(place for place in target.parents if os.path.exists(place))
    places = [folder]
    if target.is_dir():
        places = [target]
    elif target.exists():
        places = [target, folder]
    for place in places:
        if not os.access(place, os.W_OK):
            raise UserError(f"{path}: {place} may not be written to; name another place")
    if not places[-1].is_dir():
        raise UserError(f"{path}: {folder} is not a folder; name another place")


def write_whole(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 whole or not at all, with line ends unchanged."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


@contextmanager
def whole_folder(path: Path, *, replace: bool = False, durable: bool = False) -> Iterator[Path]:
    """Yields an empty folder, which is renamed to `path` at the end, or removed on an error.

    A link at `path` stays, and the folder that it names is replaced. What a killed process has left
    of writing the same folder is removed.

    Args:
        path: the folder to make.
        replace: whether a model that is there may be replaced.
        durable: as for `whole_file`.

    Raises:
        UserError: something is there already, and it is not a model or `replace` is not set.
    """
    path = _target(path.expanduser())
    if path.parent.is_dir():
        remove_leftovers_of(path)
    _check_replaceable(path, replace)
    with errors_named(path), _scratch(path) as (scratch, _):
        beside = scratch / path.name
        beside.mkdir()
        yield beside
        _check_replaceable(path, replace)  # much time may have passed
        if durable or path.exists():
            for made in (*beside.rglob("*"), beside):
                _flush(made)
        if not path.exists():
            beside.rename(path)
            if durable:
                _flush(path.parent)
            return
        shutil.copymode(path, beside)
        (scratch / OLD).mkdir()
        try:
            path.rename(scratch / OLD / path.name)
            beside.rename(path)  # if it is killed before that, `remove_leftovers` does the next
        finally:
            _restore(scratch)
        _flush(path.parent)
        (scratch / OLD).rename(scratch / REPLACED)  # from here on, never to be restored


def _check_replaceable(folder: Path, replace: bool) -> None:
    """Raises `UserError` unless nothing, an empty folder, or a model to replace is there."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not replace:
        raise UserError(f"{folder} exists already: name another, or replace it with --force")
    if not any((folder / name).is_file() for name in ARTEFACTS):
        raise UserError(
            f"{folder} is not a model folder, and --force replaces nothing else: name another"
        )


@contextmanager
def folders_above(path: Path) -> Iterator[None]:
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


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Names the output in errors of writing that have no name, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def remove_leftovers(folder: Path, pattern: str = hidden_name("*", "part")) -> None:
    """Removes what killed processes have left in a folder of files and folders they were writing.

    A folder that was about to be replaced comes back. What a living process is writing stays.

    Args:
        folder: where to look.
        pattern: names of scratch folders, which have a lock named `LOCK`.
    """
    for scratch in folder.glob(pattern):
        if scratch.is_symlink() or not scratch.is_dir():
            continue
        with suppress(LockedError, OSError):  # it is alive, or belongs to another user
            try:
                with taken_over(scratch / LOCK):
                    _restore(scratch)
                    shutil.rmtree(scratch)
            except FileNotFoundError:  # killed before it made the lock
                scratch.rmdir()


def remove_leftovers_of(path: Path) -> None:
    """Removes what killed processes have left of writing one file or folder."""
    if os.path.lexists(path.with_name(hidden_name(path.name, "part"))):
        remove_leftovers(path.parent)


@contextmanager
def _scratch(path: Path) -> Iterator[tuple[Path, int]]:
    """Makes a hidden folder beside `path` for this process, and removes it at the end.

    Its name is known, so that the next process finds what a killed one has left. It is made anew or
    not used, so nobody can plant a link there.

    Yields:
        The folder, and the mode of files that this process makes.
    """
    usual = path.with_name(hidden_name(path.name, "part"))
    with folders_above(path), ExitStack() as held:
        while True:
            remove_leftovers_of(path)
            try:
                usual.mkdir(0o700)
                scratch = usual
            except FileExistsError:  # of another process that is writing the same output
                prefix = usual.name.removesuffix("part")
                scratch = Path(tempfile.mkdtemp(".part", prefix, path.parent))
            except OSError as error:
                error.filename = str(path)  # a name that the user knows
                raise
            try:
                lock = held.enter_context(exclusive(scratch / LOCK))
                break
            except (FileNotFoundError, LockedError):  # it was taken for a leftover: try again
                continue
        held.callback(shutil.rmtree, scratch, ignore_errors=True)
        yield scratch, stat.S_IMODE(os.fstat(lock).st_mode)


def _restore(scratch: Path) -> None:
    """Puts back a folder that was to be replaced if nothing is in its place."""
    for old in (scratch / OLD).glob("*"):
        place = scratch.parent / old.name
        if not place.exists():
            old.rename(place)


def _move(made: Path, path: Path, durable: bool) -> None:
    """Moves a file into place, with the mode of what it replaces."""
    if path.exists():
        durable = True
        shutil.copymode(path, made)
    if durable:
        _flush(made)
    try:
        made.replace(path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(made, path)  # a mounted file, as containers have them
    if durable:
        _flush(path.parent)


def _flush(path: Path) -> None:
    """Waits until a file, or the list of files in a folder, is on disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if not path.is_dir():  # it may not be readable, and not every file system can do it
            raise


def _target(path: Path) -> Path:
    """Returns the absolute path of what a path names, without links."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise UserError(f"{path}: a link that leads to itself: name another")
    return target


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


def parse_json(content: str | bytes) -> Any:
    """Returns a JSON value as `json.loads`, but for JSON that is nested too deeply.

    Raises:
        ValueError: it is not JSON, or nested more deeply than Python allows.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_yaml(content: str) -> Any:
    """Returns a YAML value of plain types.

    Raises:
        ValueError: it is not YAML, or a value in it is not what it looks like: the 31st of June.
    """
    import yaml

    try:
        return yaml.safe_load(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: there is no such file, it is too large, or it is not JSON or not an object.
    """
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise UserError(f"{path}: must have at most {MAX_JSON_BYTES} bytes, got {size}")
        values = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; give a folder in Hugging Face format, as save_pretrained or "
            "`wav2vec2-tf convert torch` writes it"
        ) from None
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: a JSON object is wanted, not a {type(values).__name__}")
    return values


def same_file(path: Path, other: Path) -> bool:
    """Whether both paths lead to one file, which exists."""
    return path.is_file() and other.is_file() and path.samefile(other)


def stamp_of(path: str | Path) -> Stamp | None:
    """Returns the stamp of a file; None if there is no file of this name."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def files_identity(files: Iterable[Path], stamps: Mapping[Path, Stamp] | None = None) -> str:
    """Returns a digest of names, sizes and times, which changes when any of the files does.

    Args:
        files: they exist, unless their stamps are given.
        stamps: those that are known already.
    """
    folder, digest = os.getcwd(), hashlib.sha256()
    stamped = []
    for file in files:
        if (stamp := (stamps or {}).get(file)) is None:
            status = file.stat()
            stamp = (status.st_size, status.st_mtime_ns)
        stamped.append((os.path.join(folder, file), *stamp))
    for name, size, modified in sorted(stamped):
        digest.update(os.fsencode(f"{name}\0{size}\0{modified}\n"))
    return digest.hexdigest()


def absolute_if_exists(name: str) -> str:
    """Returns the absolute path of a file or folder, and any other name (a hub id) unchanged."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name
