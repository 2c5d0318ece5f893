"""Files that the measuring programs share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
