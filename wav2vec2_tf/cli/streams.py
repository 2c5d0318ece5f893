"""The standard streams of a program: closed ones, narrow encodings, the log of TensorFlow's C++."""

from __future__ import annotations

import errno
import faulthandler
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wav2vec2_tf.utils.errors import UserError

NATIVE_LOG = "WAV2VEC2_TF_NATIVE_LOG"
"""Environment variable: 1 shows the log of TensorFlow's C++ code, at the level in `LEVEL`."""
LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def open_closed_streams() -> None:
    """Opens standard streams that are closed, so that no file takes their numbers.

    Closed standard input is empty, closed standard error shows nothing, and to write to closed
    standard output is an error: results would be lost.
    """
    flags = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
    for number, (name, flag) in enumerate(flags.items()):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flag)  # has the lowest number that is free
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            if getattr(sys, name) is None:
                file = io.FileIO(number, "r" if name == "stdin" else "w", closefd=False)
                buffer = io.BufferedReader(file) if name == "stdin" else io.BufferedWriter(file)
                setattr(sys, name, io.TextIOWrapper(buffer, encoding="utf-8"))


def flush_output() -> None:
    """Writes what is buffered of standard output.

    Raises:
        UserError: standard output is closed.
        OSError: it cannot be written to. It leads nowhere from then on, as after a `UserError`:
            the interpreter would report the error again at its end.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if error.errno == errno.EBADF:
            raise UserError(
                "standard output is closed: redirect it to a file, or to /dev/null"
            ) from None
        raise


def complain(message: str) -> None:
    """Prints a line on standard error, if that can be written to."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)


@contextmanager
def every_character_printed() -> Iterator[None]:
    """Escapes characters that the encoding of standard output lacks, instead of failing."""
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper) or stdout.errors != "strict":
        yield
        return
    stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stdout.reconfigure(errors="strict")


@contextmanager
def native_log_silenced() -> Iterator[None]:
    """Keeps the log of TensorFlow's C++ code off the terminal, unless `NATIVE_LOG` is set.

    The log starts before TensorFlow reads any setting, so file descriptor 2 is closed off and
    Python's standard error writes to a copy of it. The message of a process that aborts is lost
    with the log, so Python's stack is written instead.
    """
    if os.environ.get(NATIVE_LOG, "") not in ("", "0"):
        yield
        return
    level = os.environ.get(LEVEL)
    os.environ[LEVEL] = "3"  # child processes inherit it
    python_stderr, terminal = sys.stderr, os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    on_descriptor, traced = python_stderr is sys.__stderr__, faulthandler.is_enabled()
    if on_descriptor:
        sys.stderr = os.fdopen(
            os.dup(terminal),
            "w",
            buffering=1,
            encoding=python_stderr.encoding,
            errors="backslashreplace",
        )
        faulthandler.enable(sys.stderr)
    try:
        yield
    finally:
        copy, sys.stderr = sys.stderr, python_stderr
        os.dup2(terminal, 2)
        os.close(terminal)
        if on_descriptor:
            faulthandler.enable() if traced else faulthandler.disable()
            with suppress(OSError):  # nobody reads it
                copy.close()
        if level is None:
            del os.environ[LEVEL]
        else:
            os.environ[LEVEL] = level
