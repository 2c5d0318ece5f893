"""How an interrupted run is found again: the identity of its model, the place of its journal."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from wav2vec2_tf.checkpoint.hub import HubOptions, local_path
from wav2vec2_tf.utils.files import files_identity


def model_identity(
    model: str | PathLike[str], target_lang: str | None, hub: HubOptions | None = None
) -> str:
    """Returns text that differs between models, without loading them.

    Resumed work compares it. A local model is identified by the sizes and times of its files.

    Raises:
        UserError: `model` is a path and nothing is there.
    """
    source = local_path(model) or Path(model)
    files = source.rglob("*") if source.is_dir() else [source] if source.exists() else []
    content = files_identity(file for file in files if file.is_file())
    return f"{source} {(hub or HubOptions()).revision} {target_lang} {content}"


def journal_of(output: Path) -> Path:
    """Returns the path of a long recording's journal, which exists until `output` is written."""
    return output.with_name(f".{output.name}.partial")
