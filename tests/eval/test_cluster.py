"""`eval wer --cluster`: the same figures as without it, to the word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eval.__main__ import main
from tests.support.paths import CORPUS
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

COMMAND = ["wer", "--model", str(BUNDLED_MODEL), "--data", str(CORPUS)]


def untimed(content: Any) -> Any:
    """Returns the figures without timings, which differ from run to run."""
    if isinstance(content, dict):
        timed = ("compute_seconds", "first_call_seconds", "rtfx")
        return {key: untimed(value) for key, value in content.items() if key not in timed}
    return content


@pytest.mark.slow
def test_two_workers_give_the_same_figures(tmp_path: Path) -> None:
    """Words are the same too; two modes make each worker trace two graphs."""
    written = {}
    for name in ("here", "there"):
        files = [str(tmp_path / f"{name}{ending}") for ending in (".json", ".jsonl")]
        common = [*COMMAND, "--limit", "9", "--batch-size", "3", "--modes", "padded,variable"]
        common += ["--json", files[0], "--utterances", files[1], "--length", "100000"]
        if name == "here":
            assert main(common) == 0
        else:
            cluster = ["--cluster", "--workers", "2", "--threads", "1"]
            command = [sys.executable, "-m", "eval", *common, *cluster]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        written[name] = [Path(file).read_text() for file in files]
    (here, words), (there, remote_words) = written["here"], written["there"]
    assert remote_words == words
    assert len(words.splitlines()) == 18
    assert untimed(json.loads(there)) == untimed(json.loads(here))
    assert json.loads(there)["modes"]["variable"]["compute_seconds"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "need --cluster: add it"),
        (["--address", "auto"], "need --cluster: add it"),
        (["--cluster", "--lm", "x", "--tune"], "leave out --cluster"),
    ],
)
def test_options_that_go_together(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
