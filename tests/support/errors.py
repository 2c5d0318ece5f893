"""What a program prints when it fails."""

from __future__ import annotations

import pytest


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """Returns the only line on standard error; asserts that standard output is empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ")
    return lines[0]
