"""Flags and files that the measuring programs share."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import default_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Value = TypeVar("Value", str, int, float)


def add_list_flag(
    parser: argparse.ArgumentParser, options: type, name: str, kind: type[Value], metavar: str
) -> None:
    """Adds the flag of a tuple field, whose values are separated by commas.

    Args:
        parser: the program's.
        options: a dataclass of options; `cli.flags.options_from` reads the flag.
        name: of the field.
        kind: of each value.
        metavar: what `--help` calls the values.
    """
    (entry,) = (entry for entry in fields(options) if entry.name == name)
    help = entry.metadata["help"]
    if default := default_of(entry):
        help += f" (default: {','.join(map(str, default))})"
    parser.add_argument(
        "--" + name.replace("_", "-"),
        type=comma_list(kind),
        metavar=metavar,
        default=argparse.SUPPRESS,
        help=help,
    )


def comma_list(kind: type[Value]) -> Callable[[str], tuple[Value, ...]]:
    """Returns a type for argparse: distinct values separated by commas."""

    def parsed(text: str) -> tuple[Value, ...]:
        values = []
        for part in text.split(","):
            try:
                value = kind(part.strip())
                if not isinstance(value, str) and not math.isfinite(value):
                    raise ValueError(value)
            except ValueError:
                wanted = {int: "a whole number", float: "a number"}[kind]
                raise argparse.ArgumentTypeError(f"{part!r} is not {wanted}") from None
            values.append(value)
        return tuple(dict.fromkeys(values))

    return parsed


def write_json(path: Path | None, content: Any) -> None:
    """Writes a JSON file if there is a path for it."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path | None, text: str) -> None:
    """Writes a text file if there is a path for it."""
    from wav2vec2_tf.utils.files import write_whole

    if path:
        write_whole(path, text)


def check_plot(path: Path | None) -> None:
    """Raises `UserError` for a plot's name with another ending than .png or .svg."""
    if path and path.suffix not in (".png", ".svg"):
        raise UserError(f"--plot {path}: the name must end in .png or .svg")


def write_plot(path: Path | None, draw: Callable[[], Figure]) -> None:
    """Draws and writes a plot if there is a path for it."""
    from wav2vec2_tf.utils.files import whole_file

    if path:
        with whole_file(path) as beside:
            draw().savefig(beside, format=path.suffix[1:], dpi=120)


def markdown_table(header: list[str], rows: list[list[str]], left: int) -> list[str]:
    """Returns the lines of a table, its first `left` columns to the left, others to the right.

    Rows may be shorter than the header.
    """
    rules = ["---"] * left + ["---:"] * (len(header) - left)
    padded = [[*row, *[""] * (len(header) - len(row))] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in (header, rules, *padded)]
