"""Fixtures that record the figures for the table that `make verify` ends with."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.paths import ROOT

FIGURES = ROOT / "build" / "figures.jsonl"


@pytest.fixture
def record() -> Callable[..., None]:
    """A function that adds a line to the figures: JSON of the named values."""

    def add(**values: Any) -> None:
        FIGURES.parent.mkdir(exist_ok=True)
        with FIGURES.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    return add


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Frees the models of a test before the next one makes its own."""
    yield
    gc.collect()
