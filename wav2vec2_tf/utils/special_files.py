"""Outputs that cannot be replaced: devices, pipes, sockets and files that are open already."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

MOST_LINKS = 40
"""Links that are followed one after another, as the Linux kernel does."""


def is_special(path: Path) -> bool:
    """Whether something is at `path` that is neither a file nor a folder.

    /dev/stdout counts, whatever it is redirected to: other things are written there, too.
    """
    if _descriptor(path) is not None:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def copy_to_special(source: Path, path: Path) -> None:
    """Writes the content of a file to what `is_special`."""
    number = _descriptor(path)
    stream = {1: sys.stdout, 2: sys.stderr}.get(-1 if number is None else number)
    with source.open("rb") as file:
        if stream is not None and hasattr(stream, "buffer"):  # which may not be at descriptor 2
            stream.flush()
            shutil.copyfileobj(file, stream.buffer)
            stream.flush()
        elif number is not None:  # where its last writer stopped
            with os.fdopen(os.dup(number), "wb") as out:
                shutil.copyfileobj(file, out)
        else:
            with path.open("wb") as out:
                shutil.copyfileobj(file, out)


def _descriptor(path: Path) -> int | None:
    """Returns the number of the open file that a path such as /dev/stdout names, if it does."""
    place = path.absolute()
    for _ in range(MOST_LINKS):
        folder = os.path.realpath(place.parent)
        if place.name.isdecimal() and folder in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(place.name)
        if not place.is_symlink():
            break
        place = Path(folder, place.readlink())
    return None
