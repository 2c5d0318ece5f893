"""Hides PyTorch, as if it were not installed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

HIDDEN = ("torch", "transformers", "datasets")


class Finder:
    """A finder of modules that finds no PyTorch; it must be the first finder."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the import of PyTorch and transformers fail, though this process has them."""
    for name in list(sys.modules):
        if name.partition(".")[0] in HIDDEN:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
