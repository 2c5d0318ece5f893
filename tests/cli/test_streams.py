"""Closed and broken standard streams and early interrupts: one line or none, never a traceback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import argparse, os, sys
from wav2vec2_tf.cli.start import start
from wav2vec2_tf.utils.errors import UserError

def run(args):
    {}
    return 0

def make_parser():
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run)
    return parser

sys.exit(start(make_parser, {}))
"""
PRINTS = "print('a result')"
FAILS = "raise UserError('what must hold')"
FULL = "No space left on device: free some space, and start the same command again"
READS = "print(repr(sys.stdin.buffer.read()))"
INTERRUPTED = """
import sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from {} import main
sys.exit(main(["transcribe", "none.wav"]))
"""


def shell(line: str, *command: str) -> tuple[int, str, str]:
    """Runs a command in place of `CMD` in a line of bash; returns status, output and errors."""
    line = line.replace("CMD", shlex.join([sys.executable, *command]))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def program(body: str, arguments: str = "[]") -> tuple[str, str]:
    return "-c", PROGRAM.format(body, arguments)


@pytest.mark.parametrize(
    ("line", "body", "result"),
    [
        ("CMD", PRINTS, (0, "a result\n", "")),
        ("CMD >&-", "pass", (0, "", "")),
        ("CMD <&- 2>&-", PRINTS, (0, "a result\n", "")),
        ("CMD <&-", READS, (0, "b''\n", "")),
        ("CMD 2>&-", FAILS, (1, "", "")),
        ("CMD >&-", FAILS, (1, "", "error: what must hold\n")),
        ("CMD <&- >&- 2>&-", FAILS, (1, "", "")),
        ("CMD > /dev/full", PRINTS, (1, "", f"error: {FULL}\n")),
        ("CMD", "raise PermissionError(13, 'denied', 'a/b')", (1, "", "error: a/b: denied\n")),
        ("CMD 2> /dev/full", FAILS, (1, "", "")),
        ("CMD | true", "import time; time.sleep(1); " + PRINTS, (141, "", "")),
        ("CMD | head -1", "[print('many') for _ in range(10**6)]", (141, "many\n", "")),
        ("CMD 2>&1 >/dev/null | true", "import time; time.sleep(1); " + FAILS, (1, "", "")),
        ("CMD", "raise KeyboardInterrupt", (130, "", "interrupted\n")),
        ("CMD 2>&-", "raise KeyboardInterrupt", (130, "", "")),
    ],
)
def test_streams(line: str, body: str, result: tuple[int, str, str]) -> None:
    assert shell(line, *program(body)) == result


@pytest.mark.parametrize("arguments", ["[]", "['--help']"])
@pytest.mark.parametrize("others", ["", "<&-"])
def test_results_for_closed_standard_output_are_an_error(arguments: str, others: str) -> None:
    status, _, errors = shell(f"CMD >&- {others}", *program(PRINTS, arguments))
    assert status == 1
    assert errors == ("error: standard output is closed: redirect it to a file, or to /dev/null\n")


def test_files_do_not_take_the_place_of_closed_streams(tmp_path: Path) -> None:
    """A message once went into the first file that was opened: it had the number 2."""
    body = f"file = open({str(tmp_path / 'out')!r}, 'w'); os.write(2, b'native'); " + FAILS
    assert shell("CMD <&- >&- 2>&-", *program(body)) == (1, "", "")
    assert (tmp_path / "out").read_bytes() == b""


def test_programs_that_are_started_have_the_streams_as_well() -> None:
    child = "import os; [os.fstat(number) for number in range(3)]"
    body = f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert shell("CMD <&- >&- 2>&-", *program(body)) == (0, "", "")


@pytest.mark.parametrize("package", ["wav2vec2_tf.cli", "convert", "eval"])
def test_help_for_a_pipe_that_nobody_reads(package: str) -> None:
    status, _, errors = shell("CMD --help | sleep 0", "-m", package)
    assert (status in (0, 141), errors) == (True, "")
    status, printed, errors = shell("CMD --help | head -1", "-m", package)
    assert (status in (0, 141), printed[:6], errors) == (True, "usage:", "")


@pytest.mark.parametrize("package", ["wav2vec2_tf.cli.main", "convert.__main__", "eval.__main__"])
@pytest.mark.parametrize(
    "module", ["argparse", "logging", "wav2vec2_tf.cli.programs", "wav2vec2_tf.utils.options"]
)
def test_an_interrupt_while_modules_are_imported(package: str, module: str) -> None:
    code = INTERRUPTED.format(module, package)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr in ("", "interrupted\n")


def test_an_interrupt_at_the_very_end() -> None:
    """Python prints a traceback of an interrupt while it ends; the shell makes 130 of a signal."""
    late = "import atexit, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT)"
    assert shell("CMD; exit $?", *program(late, "None")) == (130, "", "")
