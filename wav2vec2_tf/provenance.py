"""Where a model's weights come from: `provenance.json`, carried from conversion to module card."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from wav2vec2_tf.config import read_json
from wav2vec2_tf.files import whole_file

PROVENANCE_FILE = "provenance.json"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Provenance:
    source: str
    """The folder or Hugging Face id that was converted."""
    revision: str
    licence: str
    """The checkpoint's own, as its model card states it."""
    sha256: dict[str, str]
    """Of each file of weights."""
    seeded: tuple[str, ...]
    """Tensors the checkpoint lacks."""
    ignored: tuple[str, ...]
    """Tensors of heads that were not asked for."""

    def save(self, folder: Path) -> None:
        with whole_file(folder / PROVENANCE_FILE) as beside:
            beside.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Provenance:
        """The record in a folder; of unknown origin where there is none."""
        path = folder / PROVENANCE_FILE
        values = read_json(path) if path.exists() else {}
        return cls(
            source=str(values.get("source", UNKNOWN)),
            revision=str(values.get("revision", UNKNOWN)),
            licence=str(values.get("licence", UNKNOWN)),
            sha256=dict(values.get("sha256", {})),
            seeded=tuple(values.get("seeded", ())),
            ignored=tuple(values.get("ignored", ())),
        )


def licence_of(folder: Path) -> str:
    """The `license:` in the front matter of a Hugging Face model card, or "unknown"."""
    card = folder / "README.md"
    if not card.exists():
        return UNKNOWN
    front = re.match(r"---\s*\n(.*?)\n---", card.read_text("utf-8", errors="replace"), re.DOTALL)
    stated = re.search(r"^license:\s*(\S+)", front.group(1), re.MULTILINE) if front else None
    return stated.group(1).strip("\"'") if stated else UNKNOWN


def hashes(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 by file name."""
    result = {}
    for path in files:
        with path.open("rb") as file:
            result[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return result
