"""Names of files as manifests and transcripts have them, and the files that they mean."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path, PureWindowsPath

from wav2vec2_tf.utils.files import Stamp, stamp_of

USUAL_ENDING = ".mp3"


def located(name: str, folders: Sequence[Path]) -> tuple[Path, Stamp | None]:
    """Returns the file of this name, relative to the first of the folders that has it.

    The name may be absolute, start with `~`, have the separators of Windows, lack its ending `.mp3`
    as in the first releases of Common Voice, or differ from the file's in the Unicode form of its
    letters, as after a copy from macOS.

    Returns:
        The file and its stamp. If there is no such file: the path in the first folder, and None.
    """
    names = [str(expanded(name)) if name.startswith("~") else name]
    if "\\" in name:
        names.append(PureWindowsPath(name).as_posix())
    if not os.path.splitext(name)[1]:
        names += [f"{one}{USUAL_ENDING}" for one in names]
    # strings: a manifest may have millions of rows, and a step on a `Path` costs more than `stat`
    places: list[str] = []
    for one, folder in product(names, folders):
        places.append(path := os.path.join(folder, one))
        if (stamp := stamp_of(path)) is not None:
            return Path(path), stamp
    for path in places:
        if not path.isascii() and (file := _in_other_form(Path(path))) is not None:
            return file, stamp_of(file)
    return Path(places[0]), None


def expanded(name: str) -> Path:
    """Returns the path of this name, which may start with `~`."""
    try:
        return Path(name).expanduser()
    except (RuntimeError, ValueError):  # no such user, or a zero byte: no error of its own
        return Path(name)


def as_id(name: str) -> str:
    """Returns a name as an id: in NFC, with escapes for bytes that are not UTF-8.

    Two names that look alike are the same id.
    """
    return unicodedata.normalize("NFC", printable(name))


def printable(name: str) -> str:
    """Returns a name, or a message with one, with escapes for bytes that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _in_other_form(path: Path) -> Path | None:
    """Returns the file whose name is `path` but for the Unicode form of letters, or None."""
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if os.path.lexists(found / part):
            found /= part
            continue
        try:
            other = _names_by_id(str(found), os.stat(found).st_mtime_ns).get(as_id(part))
        except OSError:
            return None
        if other is None:
            return None
        found /= other
    return found if os.path.isfile(found) else None


@lru_cache(maxsize=64)
def _names_by_id(folder: str, modified: int) -> dict[str, str]:
    """Returns the names in a folder by their ids; `modified` is its time of change."""
    return {as_id(name): name for name in os.listdir(folder)}
