"""The names that `wav2vec2_tf` exports, to Python and to type checkers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wav2vec2_tf


def test_every_name_in_all_can_be_imported() -> None:
    for name in wav2vec2_tf.__all__:
        assert getattr(wav2vec2_tf, name).__name__
    assert set(wav2vec2_tf.__all__) <= set(dir(wav2vec2_tf))
    with pytest.raises(AttributeError, match="has no attribute 'NoSuchThing'"):
        _ = wav2vec2_tf.NoSuchThing


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    source = Path(wav2vec2_tf.__file__).read_text(encoding="utf-8")
    (block,) = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    imports = {
        node.module: tuple(alias.name for alias in node.names if alias.asname == alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }
    assert imports == {
        f"wav2vec2_tf.{module}": names for module, names in wav2vec2_tf._EXPORTS.items()
    }
