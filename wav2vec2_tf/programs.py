"""How every program starts and ends: parse, call, and one clear line where something is wrong.

A program is a module with `add_arguments(parser)` and `run(args) -> int`, or with programs of its
own below it. Only argparse is imported until one of them runs.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Mapping

from wav2vec2_tf.errors import UserError


def add_programs(
    parser: argparse.ArgumentParser, package: str | None, programs: Mapping[str, tuple[str, str]]
) -> None:
    """Add a sub-command for each `name: (module in package, help)`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module_name, summary) in programs.items():
        module = importlib.import_module(f".{module_name}", package)
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
        if hasattr(module, "run"):
            command.set_defaults(run=module.run)


def run_program(parser: argparse.ArgumentParser, argv: list[str] | None) -> int:
    """Parse, run, return the exit status: 1 after one line for bad input, 130 if interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    args = parser.parse_args(argv)
    try:
        status: int = args.run(args)
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a read-only folder: nothing half-written is left
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status
