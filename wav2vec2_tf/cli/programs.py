"""Starts and ends every program: parses, calls, and prints one clear line if the input is invalid.

A program is a module with `add_arguments(parser)` and `run(args) -> int`, or with programs of its
own below it. Its module imports nothing heavy before `run`, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from wav2vec2_tf.cli.streams import (
    complain,
    every_character_printed,
    flush_output,
    native_log_silenced,
    open_closed_streams,
)
from wav2vec2_tf.utils.errors import UserError, did_you_mean


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


def run_program(make_parser: Callable[[], argparse.ArgumentParser], argv: list[str] | None) -> int:
    """Parses, runs and returns the exit status: 1 for invalid input, 130 if interrupted.

    Args:
        make_parser: returns the parser of the program; it may import the program's modules.
        argv: the arguments; by default those of the process.
    """
    open_closed_streams()
    try:
        with every_character_printed(), native_log_silenced():
            try:
                return _run(make_parser, argv)
            except (UserError, OSError) as error:  # OSError: a full disk, a folder without rights
                if isinstance(error, BrokenPipeError):
                    return 141
                complain(f"error: {' '.join(_message(error).split())}")
                return 1
    except KeyboardInterrupt:
        complain("interrupted")
        return 130


def _message(error: UserError | OSError) -> str:
    if isinstance(error, UserError) or error.strerror is None:
        return str(error)
    place = "" if error.filename is None else f"{error.filename}: "
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = ": free some space, and start the same command again" if full else ""
    return f"{place}{error.strerror}{remedy}"


def _run(make_parser: Callable[[], argparse.ArgumentParser], argv: list[str] | None) -> int:
    try:
        parser = make_parser()
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            command: argparse.ArgumentParser = getattr(args, "command", parser)
            flags = re.findall(r"--[a-z][\w-]*", command.format_help())
            hint = did_you_mean(unknown[0], flags) or f"; see {command.prog} --help"
            command.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of a home it may not write to
        status: int = args.run(args)
        return status
    finally:  # after --help as well
        flush_output()


def positive(text: str) -> int:
    """Parses a whole number above 0, as a type of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
