"""Exclusive locks, which the operating system releases when the process ends, however it ends.

A lock is a file. One that a killed process has left is free. On a file system without locks, every
lock is granted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0)
"""Flag of `os.open`: opens no link, which somebody else may have planted under a known name."""
UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
"""Errors of file systems without locks."""


class LockedError(Exception):
    """Another process, or another holder in this one, has the lock."""


@contextmanager
def exclusive(path: Path, *, keep: bool = False) -> Iterator[int]:
    """Makes a file and holds its lock.

    Args:
        path: the file.
        keep: whether the file stays when the lock is released.

    Yields:
        The descriptor of the file.

    Raises:
        LockedError: another holds it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NOT_FOLLOWED, 0o666)
        try:
            # A holder removes the file before it lets go: one that was opened before that and
            # locked after it may have another in its place, and its lock excludes nobody.
            if not _lock(descriptor) or _is_at(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    try:
        yield descriptor
    finally:
        if not keep:
            path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def taken_over(path: Path) -> Iterator[None]:
    """Holds the lock of a file that a process which has ended left.

    Raises:
        LockedError: the process is alive, or it is not known whether it is.
        FileNotFoundError: there is no such file.
    """
    descriptor = os.open(path, os.O_RDWR | NOT_FOLLOWED)
    try:
        if not (_lock(descriptor) and _is_at(descriptor, path)):
            raise LockedError(path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Locks an open file; returns False where there are no locks. Raises `LockedError`."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError from None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
