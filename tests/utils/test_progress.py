"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from wav2vec2_tf.utils import progress
from wav2vec2_tf.utils.progress import ProgressBar, duration

QUIET_SECONDS = progress.QUIET_SECONDS  # the users' default


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", QUIET_SECONDS)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def advance(bar: ProgressBar, clock: Clock, steps: int, seconds: float, **notes: str) -> None:
    """Takes steps of a number of seconds each."""
    for _ in range(steps):
        clock.now += seconds
        bar.update(1, notes or None)


def test_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("training", 1200, "step", clock=clock) as bar:
        advance(bar, clock, 119, 200 / 120, loss="2.500")
        assert capsys.readouterr().err == ""
        advance(bar, clock, 1, 200 / 120, loss="2.314")
        assert capsys.readouterr() == (
            "",
            "training: 120 of 1200 steps (10 %), 3 min 20 s, about 30 min left, loss 2.314\n",
        )
        advance(bar, clock, 1080, 200 / 120, loss="1.000")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("(")[1].split(" %")[0] for line in lines] == [
        str(percent) for percent in range(20, 101, 10)
    ]
    assert lines[-1] == "training: 1200 of 1200 steps (100 %), 33 min 20 s, loss 1.000"


def test_a_line_after_five_minutes_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("batch", 1e6, clock=clock) as bar:
        advance(bar, clock, 4, 60)
        assert capsys.readouterr().err == ""
        clock.now += 60
        bar.move_to(20_000, "3/400 files")
    assert capsys.readouterr().err == "batch: 2 %, 5 min, about 4 h 5 min left, 3/400 files\n"


def test_no_two_lines_within_half_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("check", 30, "shard", clock=clock) as bar:
        advance(bar, clock, 29, 1)
        assert capsys.readouterr().err == ""  # a short run
        advance(bar, clock, 1, 1)
    assert capsys.readouterr().err == "check: 30 of 30 shards (100 %), 30 s\n"
    with ProgressBar("check", 30, "shard", clock=clock) as bar:
        advance(bar, clock, 30, 7)
    assert len(capsys.readouterr().err.splitlines()) == 6  # one in 35 s, at most


def test_milestones_have_a_line_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("training", 100, "step", clock=clock) as bar:
        advance(bar, clock, 10, 2.9)
        bar.milestone({"epoch": "1", "dev wer": "0.9"})
        assert capsys.readouterr().err == ""  # 29 s
        advance(bar, clock, 10, 2.9)
        assert capsys.readouterr().err.count("\n") == 1  # once 30 s are over
        bar.milestone({"epoch": "2", "dev wer": "0.8"})
        bar.milestone({"epoch": "3", "dev wer": "0.7"})
    assert capsys.readouterr().err == (
        "training: 20 of 100 steps (20 %), 58 s, about 4 min left, epoch 2, dev wer 0.8\n"
    )


def test_a_resumed_run_estimates_from_its_own_speed(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("training", 100, "step", done=50, clock=clock) as bar:
        advance(bar, clock, 10, 10)
    assert capsys.readouterr().err == (
        "training: 60 of 100 steps (60 %), 1 min 40 s, about 7 min left\n"
    )


def test_nothing_is_printed_where_progress_is_hidden(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    for stream in (sys.stderr, Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        with ProgressBar("training", 10, "step", shown=False, clock=clock) as bar:
            advance(bar, clock, 10, 100, loss="1")
            bar.milestone("epoch 1")
        assert not bar.on_terminal
    assert stream.getvalue() == capsys.readouterr().err == ""


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar("transcribe", 0, clock=clock) as bar:
        clock.now += 400
        bar.move_to(0)
    assert capsys.readouterr().err == "transcribe: 100 %, 6 min 40 s\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock = Terminal(), Clock()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar("training", 40, "step", done=10, clock=clock, desc="here") as bar:
        assert bar.on_terminal
        advance(bar, clock, 10, 100, loss="1.5")
        assert "here:  50%|" in terminal.getvalue()
        bar.milestone({"loss": "1.5", "dev wer": "0.5"})
    shown = terminal.getvalue()
    assert "20/40 [" in shown and shown.endswith("loss=1.5, dev wer=0.5]\n")
    assert "training" not in shown and shown.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "rounded", "text"),
    [
        (0.2, False, "0 s"),
        (45, False, "45 s"),
        (200, False, "3 min 20 s"),
        (3599.8, False, "1 h"),
        (7530, False, "2 h 5 min"),
        (45, True, "45 s"),
        (92, True, "2 min"),
        (200, True, "3 min"),
        (3590, True, "1 h"),
    ],
)
def test_durations(seconds: float, rounded: bool, text: str) -> None:
    assert duration(seconds, rounded=rounded) == text
