"""The benchmark: every system runs and agrees, and the report equals the measurements.

The tests assert no timings.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.__main__ import main
from eval.speed import report, timing, workloads
from eval.speed.loaders import PRODUCTS
from eval.speed.results import SystemResult, WorkResult
from eval.speed.systems import FLOAT32, LIMITS, REFERENCE, SYSTEMS
from eval.speed.timing import LoadedSystem, Stopwatch
from eval.speed.worker import Call, Worker, WorkerError
from eval.speed.workloads import BATCH, QUICK_WORKS, WORKS, Work
from tests.support.paths import ROOT
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.lengths import bucket
from wav2vec2_tf.utils.errors import UserError


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, tiny_folders: dict[str, Path]) -> Path:
    """The folder with the results of a quick run of everything."""
    folder = tmp_path_factory.mktemp("speed")
    command = ["speed", "--quick", "--threads", "1", "--model", str(tiny_folders["group"])]
    command += ["--json", str(folder / "speed.json")]
    command += ["--table", str(folder / "speed.md"), "--plot", str(folder / "speed.png")]
    assert main(command) == 0
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("speed")
def test_every_system_runs_and_agrees(quick: Path) -> None:
    content = json.loads((quick / "speed.json").read_text())
    assert list(content["work"]) == list(WORKS)
    for key, work in content["work"].items():
        systems = work["systems"]
        wanted = [s.key for s in SYSTEMS.values() if s.does(QUICK_WORKS[key])]
        assert sorted(systems) == sorted(wanted)
        for name, row in systems.items():
            assert row["reason"] == "", (key, name, row["reason"])
            assert row["seconds"] and min(row["seconds"]) > 0, (key, name)
            assert row["median"] in row["seconds"]
            assert row["peak_bytes"] > 10_000_000
            assert row["rtfx"] == pytest.approx(work["audio_seconds"] / row["median"])
            if key == "cold":
                # transformers' decoder merges equal letters with a blank between them
                assert row["agreement"] > 0.8
                continue
            assert row["first_seconds"] > 0
            if not row["exact"]:
                assert row["difference"] is None
            elif row["precision"] == FLOAT32:
                assert row["difference"] <= 1e-3, (key, name)
                assert key == "training" or row["agreement"] >= 0.99, (key, name)
            else:
                assert row["difference"] < 10 and row["agreement"] > 0.7, (key, name, row)
        if key != "cold":
            assert set(work["gemm_flops"]) == set(LIMITS)
            limit = work["flops"] / max(work["gemm_flops"].values())
            assert work["limit_seconds"] == pytest.approx(limit)
            assert systems[REFERENCE]["of_limit"] == pytest.approx(
                limit / systems[REFERENCE]["median"]
            )
    compared = {each["what"].partition(",")[0] for each in content["comparisons"]}
    assert compared >= {"a: float32", "a: int8", "b: float32", "d: float32", "training: float32"}
    assert compared >= {"cold: float32", "a: peak memory", "d: exact beside padded"}
    assert content["machine"]["threads"] == 1
    assert content["versions"]["torch"] and content["versions"]["tensorflow"]


@pytest.mark.slow
@pytest.mark.xdist_group("speed")
def test_table_and_plot(quick: Path) -> None:
    content = json.loads((quick / "speed.json").read_text())
    table = (quick / "speed.md").read_text()
    for work in content["work"].values():
        assert f"### {work['title']}\n" in table
        for row in work["systems"].values():
            assert f"| {row['label']} |" in table
            assert f"| {row['median']:.3f} |" in table
    assert str(ROOT) not in table
    assert os.uname().nodename not in table
    assert (quick / "speed.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--systems", "openvinno"], "got 'openvinno'; did you mean openvino?"),
        (["--work", "a,e"], "--work must be one of a, b, c, d, training, cold, got 'e'"),
        (["--plot", "x.txt"], ".png or .svg"),
        (["--json", "."], "is a folder"),
        (["--model", "nowhere"], "no config.json there"),
        (["--threads", "100000"], "threads must be at most the number of cores"),
    ],
)
def test_refused_before_the_work(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["speed", "--quick", "--keep", str(tmp_path / "kept"), *options]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_missing_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named systems and the reference raise an error; others get a row with the reason."""
    found = timing.find_spec
    monkeypatch.setattr(
        timing, "find_spec", lambda name: None if name == "openvino" else found(name)
    )
    assert main(["speed", "--quick", "--systems", "openvino"]) == 1
    message = "error: openvino needs openvino: pip install 'wav2vec2-tf[bench]'\n"
    assert capsys.readouterr().err == message
    assert "wav2vec2-tf[bench]" in timing.missing(SYSTEMS["openvino-int8"])
    assert timing.missing(SYSTEMS["onnxruntime"]) == ""


@pytest.mark.parametrize("difference", [1.1e-3, math.inf, math.nan])
def test_a_float32_system_that_is_off_fails_the_run(difference: float) -> None:
    work = WORKS["a"]
    fine = SystemResult("openvino", "", False, FLOAT32, difference=1e-3)
    int8 = SystemResult("openvino-int8", "", False, "int8", difference=5.0)
    off = SystemResult("litert", "", True, FLOAT32, difference=difference)
    assert report.verdict([WorkResult(work, 1.0, 1, [fine, int8])]) == 0
    with pytest.raises(UserError, match="litert at a"):
        report.verdict([WorkResult(work, 1.0, 1, [fine, int8, off])])


# Agreement


def compared(output: Any, reference: Any, work: Work = WORKS["a"]) -> SystemResult:
    row = SystemResult("x", "", True, FLOAT32)
    row.compare(output, reference, work)
    return row


def test_agreement_by_hand() -> None:
    reference = np.zeros((1, 4, 3), np.float32)
    reference[..., 1] = 1
    other = reference.copy()
    other[0, 2, 0] = 1.25  # another best token, a difference of 1.25
    row = compared(other, reference)
    assert (row.difference, row.agreement) == (1.25, 0.75)
    # a later call without a difference does not change that
    row.compare(reference, reference, WORKS["a"])
    assert (row.difference, row.agreement) == (1.25, 0.75)
    other[0, 0, 0] = np.nan
    assert math.isnan(compared(other, reference).difference or 0.0)
    assert compared(reference[:, :3], reference).difference == math.inf
    # in a corpus, frames beyond the utterance's length are padding
    longer = np.concatenate([reference[0], np.ones((2, 3), np.float32)])
    assert compared([longer], [reference[0]], WORKS["d"]).difference == 0
    assert compared([reference[0][:3]], [reference[0]], WORKS["d"]).difference == math.inf


# Work


def test_speech_is_normalized_and_no_two_rows_are_the_same() -> None:
    rows = workloads.speech(3, 50_000)
    assert rows.shape == (3, 50_000) and rows.dtype == np.float32
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(rows.std(axis=1), 1, atol=1e-4)
    assert np.abs(np.corrcoef(rows) - np.eye(3)).max() < 0.5
    np.testing.assert_array_equal(rows, workloads.speech(3, 50_000))


def test_corpus_has_the_durations_of_test_clean() -> None:
    seconds = np.array([len(each) for each in workloads.corpus(100, 246_000)]) / 16_000
    assert len(seconds) == 100
    assert seconds.mean() == pytest.approx(7.42, abs=0.1)
    assert seconds.std() == pytest.approx(5.2, abs=0.2)
    for part, wanted in ((25, 3.7), (50, 5.8), (75, 9.6), (90, 14.6)):
        assert np.percentile(seconds, part) == pytest.approx(wanted, rel=0.04)
    assert not np.array_equal(seconds, np.sort(seconds))
    short = np.array([len(each) for each in workloads.corpus(100, 24_600)]) / 1600
    np.testing.assert_allclose(short, seconds, rtol=1e-3)


@given(st.lists(st.integers(400, 500_000), max_size=40), st.sampled_from([bucket, int]))
def test_batches_hold_every_utterance_once_and_little_padding(
    samples: list[int], padded: Any
) -> None:
    batches = workloads.batches(samples, padded)
    assert sorted(number for batch in batches for number in batch) == list(range(len(samples)))
    for batch in batches:
        width = padded(max(samples[number] for number in batch))
        assert len(batch) == 1 or len(batch) * width <= workloads.CORPUS_BATCH
        for number in batch:
            assert padded(samples[number]) >= 0.95 * width


def test_ways_through_a_corpus() -> None:
    """A stand-in sums the valid samples, which only `published` gets wrong."""
    utterances = [workloads.speech(1, n, n)[0] for n in (900, 5000, 16_001, 4990, 900)]
    shapes = []

    def run(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        shapes.append(speech.shape)
        counts = [speech.shape[1]] * len(speech) if lengths is None else lengths
        pairs = zip(speech, counts, strict=True)
        return np.array([[[row[:count].sum(), count]] for row, count in pairs])

    wanted = [[[each.sum(), len(each)]] for each in utterances]
    for way in ("alone", "bucketed", "near_equal"):
        shapes.clear()
        np.testing.assert_allclose(workloads.WAYS[way](utterances, run), wanted, atol=1e-3)
        if way == "bucketed":
            assert {width for _, width in shapes} == {16_000, bucket(16_001)}
        if way == "near_equal":
            assert shapes == [(1, 16_001), (2, 5000), (2, 900)]
    got = np.array(workloads.published(utterances, run, 6000))
    assert (got[:, 0, 1] == 6000).all()
    assert got[2, 0, 0] == pytest.approx(utterances[2][:6000].sum(), abs=1e-3)


def test_flop_ratio_by_hand() -> None:
    from wav2vec2_tf.models.flops import flops

    config = Wav2Vec2Config()
    one, other = (sum(flops(config, n, ctc=True).values()) for n in (80_000, 246_000))
    work = replace(WORKS["d"], batch=3)
    ratio = report.flop_ratio(WorkResult(work, 1.0, 2 * one + other), config)
    assert ratio == pytest.approx(3 * other / (2 * one + other))


def test_limit_by_hand() -> None:
    result = WorkResult(WORKS["a"], 1.0, 600, gemm_flops={"x": 200.0, "y": 300.0})
    assert result.limit_seconds == 2
    assert WorkResult(WORKS["a"], 1.0, 600).limit_seconds is None


def test_comparisons_by_hand() -> None:
    """The SavedModel is compared, not our ONNX, with the best of the others."""

    def row(name: str, *seconds: float, peak: int = 1) -> SystemResult:
        system = SYSTEMS[name]
        return SystemResult(
            name, "", system.ours, system.precision, seconds=list(seconds), peak_bytes=peak
        )

    rows = [
        row("savedmodel", 1.0, 9.0, 2.0, peak=3_000_000),
        row("savedmodel-xla", 3.0),
        row("our-onnx", 0.1),
        row("litert", 0.2),
        row("litert-int8", 1.0),
        row("pytorch-eager", 8.0, peak=5_000_000),
        row("pytorch-sdpa", 7.0, peak=6_000_000),
        row("openvino", 4.0),
        row("openvino-int8", 0.5),
    ]
    found = report.comparisons([WorkResult(WORKS["a"], 1.0, 1, rows)], Wav2Vec2Config())
    assert [(each.ours, each.other, each.ratio) for each in found] == [
        ("savedmodel", "openvino", 0.5),
        ("litert-int8", "openvino-int8", 2.0),
        ("litert-int8", "savedmodel", 0.5),
        ("savedmodel", "pytorch-eager", 0.6),
    ]


# The child process


@pytest.mark.slow
def test_worker_times_calls_and_reports_errors(tmp_path: Path) -> None:
    with Worker(1, tmp_path / "log") as worker:
        worker.load("product", "loaders:gemm", library="gemm-numpy", threads=1)
        called = worker.call("product")
        assert len(called.result) == len(PRODUCTS) and min(called.result) > 1e8
        operations = sum(2 * m * k * n for m, k, n in PRODUCTS)
        assert called.seconds > operations / max(called.result)
        assert worker.peak_bytes > 20_000_000
        assert worker.busy_seconds > 0
        with pytest.raises(WorkerError, match="^KeyError: 'nothing'$"):
            worker.call("nothing")
        worker.call("product")  # the process continues
        worker.unload("product")
        with pytest.raises(WorkerError, match="KeyError"):
            worker.call("product")
        worker.process.kill()
        with pytest.raises(WorkerError, match="its process ended with SIGKILL"):
            worker.call("product")


@pytest.mark.slow
def test_a_system_that_fails_gets_a_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other systems are still timed."""
    from wav2vec2_tf.data.bundled import BUNDLED_MODEL
    from wav2vec2_tf.models.pretrained import read_config

    monkeypatch.setattr(timing, "LIMITS", {"gemm-numpy": ("numpy",)})
    (tmp_path / "model").symlink_to(BUNDLED_MODEL)
    broken = tmp_path / "transformers.onnx"
    broken.write_bytes(b"no model")
    stopwatch = Stopwatch(
        tmp_path, read_config(tmp_path / "model"), threads=1, repetitions=2, shared=False
    )
    systems = [SYSTEMS[REFERENCE], SYSTEMS["onnxruntime"]]
    result = stopwatch.run(Work("a", BATCH, 1, 4000), systems, {})
    fine, failed = result.rows
    assert len(fine.seconds) == 2 and fine.difference == 0 and fine.reason == ""
    assert failed.seconds == [] and "transformers.onnx" in failed.reason
    shown = "\n".join(report.table(result))
    assert f"ONNX Runtime: {failed.reason}" in shown


class Mortal(Worker):
    """A worker that is killed after its second call."""

    calls = 0

    def call(self, name: str, *arguments: Any) -> Call:
        called = super().call(name, *arguments)
        self.calls += 1
        if self.calls == 2:
            self.process.kill()
            self.process.wait()
        return called


@pytest.mark.slow
def test_a_system_that_is_killed_keeps_the_others(tmp_path: Path) -> None:
    """A system killed before or after its turn, as for lack of memory, does not stop the run."""
    stopwatch = Stopwatch(tmp_path, Wav2Vec2Config(), threads=1, repetitions=2, shared=False)
    result = WorkResult(WORKS["training"], 1.0, 1)
    with ExitStack() as stack:
        kinds = (Worker, Mortal, Worker)
        workers = [stack.enter_context(kind(1, tmp_path / "log")) for kind in kinds]
        rows = [SystemResult(f"system {number}", "", False, FLOAT32) for number in range(3)]
        for worker in workers:
            worker.load("product", "loaders:gemm", library="gemm-numpy", threads=1)
        loaded = [LoadedSystem(*pair, "product", ()) for pair in zip(rows, workers, strict=True)]
        workers[0].process.kill()
        stopwatch.take_turns(result, loaded, 0.0)
    assert "SIGKILL" in rows[0].reason and not rows[0].seconds
    assert "SIGKILL" in rows[1].reason and not rows[1].seconds
    assert rows[2].reason == "" and len(rows[2].seconds) == 2 and rows[2].peak_bytes > 0


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['eval', 'speed', '--help']\n"
        "from eval.__main__ import main\n"
        "try: main()\n"
        "finally: print([m for m in ('numpy', 'tensorflow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--repetitions" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
