"""How every program starts and ends: parse, call, and one clear line where something is wrong.

A program is a module with `add_arguments(parser)` and `run(args) -> int`, or with programs of its
own below it. Only argparse is imported until one of them runs.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wav2vec2_tf.utils.errors import UserError

NATIVE_LOG = "WAV2VEC2_TF_NATIVE_LOG"
"""Environment variable: with 1, the log of TensorFlow's C++ code is shown as `LEVEL` says."""
LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def add_programs(
    parser: argparse.ArgumentParser,
    package: str | None,
    programs: Mapping[str, tuple[str, str | None]],
) -> None:
    """Adds a sub-command for each `name: (program, help)`; one without help is not listed.

    A program is named as `load_program` takes it.
    """
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (target, summary) in programs.items():
        program = load_program(target, package)
        listed: dict[str, Any] = {} if summary is None else {"help": summary}
        command = commands.add_parser(name, description=program.__doc__, **listed)
        program.add_arguments(command)
        if hasattr(program, "run"):
            command.set_defaults(run=program.run)


def load_program(target: str, package: str | None) -> Any:
    """Imports a program: `module` in a package, or `module:object` where a module has several."""
    module_name, _, attribute = target.partition(":")
    module = importlib.import_module(f".{module_name}", package)
    return getattr(module, attribute) if attribute else module


def run_program(parser: argparse.ArgumentParser, argv: list[str] | None) -> int:
    """Parse, run, return the exit status: 1 after one line for bad input, 130 if interrupted."""
    args = parser.parse_args(argv)
    with _every_character_printed(), _native_log_silenced():
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        try:
            status: int = args.run(args)
        except BrokenPipeError:
            return 141
        except (UserError, OSError) as error:  # OSError: a full disk, a folder one may not write to
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
    return status


@contextmanager
def _every_character_printed() -> Iterator[None]:
    """Escapes what the encoding of standard output lacks, where it would end the program."""
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
def _native_log_silenced() -> Iterator[None]:
    """Keeps the log of TensorFlow's C++ code off the terminal, unless `NATIVE_LOG` is set.

    Its first lines come before any setting is read, so file descriptor 2 leads nowhere, and
    Python's standard error goes on over a copy of it. The message of a process that aborts is lost
    with the log, so Python's stack at that time is written instead.
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
            copy.close()
        if level is None:
            del os.environ[LEVEL]
        else:
            os.environ[LEVEL] = level


def positive(text: str) -> int:
    """A type of argparse: 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
