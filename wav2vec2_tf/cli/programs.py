"""Starts and ends every program: parses, calls, and prints one clear line if the input is invalid.

A program is a module with `add_arguments(parser)` and `run(args) -> int`, or with programs of its
own below it. Its module imports nothing heavy before `run`, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wav2vec2_tf.utils.errors import UserError, did_you_mean

NATIVE_LOG = "WAV2VEC2_TF_NATIVE_LOG"
"""Environment variable: 1 shows the log of TensorFlow's C++ code, at the level in `LEVEL`."""
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
            command.set_defaults(run=program.run, command=command)


def load_program(target: str, package: str | None) -> Any:
    """Imports a program: `module` in a package, or `module:object` where a module has several."""
    module_name, _, attribute = target.partition(":")
    module = importlib.import_module(f".{module_name}", package)
    return getattr(module, attribute) if attribute else module


def run_program(parser: argparse.ArgumentParser, argv: list[str] | None) -> int:
    """Parses, runs and returns the exit status: 1 for invalid input, 130 if interrupted."""
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        command: argparse.ArgumentParser = getattr(args, "command", parser)
        flags = re.findall(r"--[a-z][\w-]*", command.format_help())
        hint = did_you_mean(unknown[0], flags) or f"; see {command.prog} --help"
        command.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
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
def _native_log_silenced() -> Iterator[None]:
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
            copy.close()
        if level is None:
            del os.environ[LEVEL]
        else:
            os.environ[LEVEL] = level


def positive(text: str) -> int:
    """Parses a whole number above 0, as a type of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
