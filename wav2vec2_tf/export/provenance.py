"""Provenance of a model's weights: `provenance.json`, kept from conversion to module card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path, PureWindowsPath
from typing import Any

from wav2vec2_tf.checkpoint.hub import BUNDLED, local_path
from wav2vec2_tf.checkpoint.loader import Plan
from wav2vec2_tf.checkpoint.readers import Checkpoint
from wav2vec2_tf.utils.errors import brief
from wav2vec2_tf.utils.files import read_json, sha256, whole_file

PROVENANCE_FILE = "provenance.json"
UNKNOWN = "unknown"
FENCE = "---"
"""The line before and after the front matter of a model card."""
MAX_CARD_BYTES = 2**20
LONGEST_LICENCE = 100


@dataclass(frozen=True)
class Provenance:
    """The checkpoint that weights were converted from, and how it was read."""

    source: str
    """The Hugging Face id that was converted, or the name of the folder or file: not its path,
    which is one machine's."""
    revision: str
    """Commit of the Hugging Face repository, or "unknown"."""
    licence: str
    """The checkpoint's licence, as its model card states it, or "unknown"."""
    sha256: dict[str, str]
    """SHA-256 of each file of weights, by its name."""
    seeded: tuple[str, ...]
    """Tensors that the checkpoint lacks, which were drawn from a fixed seed."""
    ignored: tuple[str, ...]
    """Tensors that were left out, of heads that were not kept."""
    description: str = ""
    """First paragraph of the checkpoint's model card."""

    @classmethod
    def of(cls, source: str | PathLike[str], checkpoint: Checkpoint, plan: Plan) -> Provenance:
        """Returns the record in a checkpoint's folder, or a new one if it has none."""
        path = checkpoint.path
        folder = path if path.is_dir() else path.parent
        if path.is_dir() and (folder / PROVENANCE_FILE).exists():
            return cls.load(folder)
        left_out = checkpoint.settings.ignored if checkpoint.settings else ()
        return cls(
            source=_public(source),
            revision=folder.name if folder.parent.name == "snapshots" else UNKNOWN,
            licence=licence_of(folder),
            sha256=hashes(checkpoint.files),
            seeded=tuple(plan.seeded.values()),
            ignored=(*plan.ignored, *left_out),
            description=description_of(folder),
        )

    @classmethod
    def load(cls, folder: Path) -> Provenance:
        """Reads the record in a folder; every field is unknown or empty if there is none."""
        path = folder / PROVENANCE_FILE
        values = read_json(path) if path.exists() else {}
        sha256 = values.get("sha256")
        lists = {name: values.get(name) for name in ("seeded", "ignored")}
        return cls(
            source=_without_path(_text(values.get("source", UNKNOWN))),
            revision=_text(values.get("revision", UNKNOWN)),
            licence=_text(values.get("licence", UNKNOWN)),
            sha256={k: _text(v) for k, v in sha256.items()} if isinstance(sha256, dict) else {},
            description=_text(values.get("description", "")),
            **{k: tuple(map(_text, v)) if isinstance(v, list) else () for k, v in lists.items()},
        )

    def save(self, folder: Path) -> None:
        """Writes `provenance.json` in a folder."""
        with whole_file(folder / PROVENANCE_FILE) as beside:
            beside.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def _public(source: str | PathLike[str]) -> str:
    """Returns an id as it is; of a path, the last part, or the id whose cached files it names."""
    if source == BUNDLED or (path := local_path(source)) is None:
        return str(source)
    path = path.absolute()
    if path.parent.name == "snapshots":  # of a cache of Hugging Face's
        return path.parent.parent.name.removeprefix("models--").replace("--", "/")
    return path.resolve().name


def _without_path(source: str) -> str:
    """Returns the last part of a path, which former releases recorded; anything else as it is."""
    is_path = source.startswith(("/", "~", ".")) or PureWindowsPath(source).drive
    return PureWindowsPath(source).name if is_path else source  # of either system's separators


def _text(value: Any) -> str:
    """Returns text, and of anything else a short description: it may nest deeply."""
    return value if isinstance(value, str) else brief(value)


def _card(folder: Path) -> tuple[str, str]:
    """Returns front matter and text of a Hugging Face model card, empty if there is none."""
    card = folder / "README.md"
    if not card.is_file():
        return "", ""
    with card.open("rb") as file:
        first, *lines = file.read(MAX_CARD_BYTES).decode("utf-8", "replace").splitlines() or [""]
    ends = (number for number, line in enumerate(lines) if line.rstrip() == FENCE)
    end = next(ends, None) if first.rstrip() == FENCE else None
    if end is None:
        return "", "\n".join([first, *lines])
    return "\n".join(lines[:end]), "\n".join(lines[end + 1 :])


def licence_of(folder: Path) -> str:
    """Returns the `license:` in the front matter of a model card, or "unknown"."""
    stated = re.search(r"^license:[ \t]*([^ \t\n]+)", _card(folder)[0], re.MULTILINE)
    return stated.group(1).strip("\"'")[:LONGEST_LICENCE] if stated else UNKNOWN


def description_of(folder: Path) -> str:
    """Returns the first paragraph of a model card's text, on one line."""
    paragraphs = (" ".join(part.split()) for part in _card(folder)[1].split("\n\n"))
    return next((p for p in paragraphs if p and not p.startswith(("#", "<", "|", "!"))), "")[:1000]


def hashes(files: Iterable[Path]) -> dict[str, str]:
    """Returns the SHA-256 of each file, by its name."""
    return {path.name: sha256(path) for path in files}
