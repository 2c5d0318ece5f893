"""TensorFlow's C++ log stays off the terminal; what Python writes reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support.paths import CORPUS

LEVEL, NATIVE_LOG = "TF_CPP_MIN_LOG_LEVEL", "WAV2VEC2_TF_NATIVE_LOG"
UTTERANCE = CORPUS / "1003" / "1" / "1003-1-0012.flac"
PROGRAM = """
import argparse, os, sys
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.cli.programs import run_program

def run(args):
    os.write(2, b"native\\n")
    print("message", file=sys.stderr)
    {}
    return 0

parser = argparse.ArgumentParser()
parser.set_defaults(run=run)
status = run_program(lambda: parser, [])
os.write(2, b"after: %s\\n" % os.environ.get("TF_CPP_MIN_LOG_LEVEL", "unset").encode())
sys.exit(status)
"""


def environment(level: str | None, native: str | None = None) -> dict[str, str]:
    given = {LEVEL: level, NATIVE_LOG: native}
    others = {name: value for name, value in os.environ.items() if name not in given}
    return others | {name: value for name, value in given.items() if value is not None}


def errors(
    last: str = "", level: str | None = None, native: str | None = None
) -> tuple[int, Sequence[str]]:
    """Returns exit status and standard error of a program that ends with the statement `last`."""
    command = [sys.executable, "-c", PROGRAM.format(last or "pass")]
    done = subprocess.run(
        command, env=environment(level, native), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("level", [None, "0", "3"])
def test_only_pythons_messages_whatever_the_level(level: str | None) -> None:
    assert errors(level=level) == (0, ["message", f"after: {level or 'unset'}"])


@pytest.mark.parametrize(("native", "shown"), [("1", True), ("0", False), ("", False)])
def test_a_variable_shows_the_native_log(native: str, shown: bool) -> None:
    expected = ["native"] * shown + ["message", "after: 1"]
    assert errors(level="1", native=native) == (0, expected)


def test_errors_reach_the_terminal() -> None:
    status, lines = errors("raise UserError('bad input')")
    assert (status, lines) == (1, ["message", "error: bad input", "after: unset"])
    status, lines = errors("raise ValueError('a fault')")
    assert status == 1
    assert lines[1].startswith("Traceback") and lines[-1] == "ValueError: a fault"


def test_a_crash_is_not_silent() -> None:
    status, lines = errors("os.abort()")
    assert status < 0
    assert lines[:2] == ["message", "Fatal Python error: Aborted"]
    assert any("in run" in line for line in lines)


@pytest.mark.slow
def test_transcribe_writes_no_log() -> None:
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "transcribe", str(UTTERANCE)]
    runs = [
        subprocess.run(command, env=environment(level), capture_output=True, text=True, check=True)
        for level in (None, "0", "3")
    ]
    for done in runs:
        # On a slow machine there may be lines of progress.
        lines = [line for line in done.stderr.splitlines() if not line.startswith("transcribe: ")]
        assert lines == []
    assert len({done.stdout for done in runs}) == 1


def test_a_locale_without_a_character_ends_no_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(r'print("max |\u0394|")')],
        env={**environment(None), "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"max |\\u0394|\n")
