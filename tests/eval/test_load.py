"""`eval load` and `eval soak` on a server that listens, for a few seconds: counts, not timings."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from eval.__main__ import main
from eval.service import load, soak
from eval.service.client import ANOTHER, RIGHT
from eval.service.clients import KINDS
from eval.service.server import MultipartForm, serving
from tests.support.paths import CORPUS
from wav2vec2_tf.utils.errors import UserError

SPEAKER = CORPUS / "1003" / "1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of different lengths."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in (12, 13, 14, 15):
        shutil.copy(SPEAKER / f"1003-1-00{number}.flac", folder)
    return folder


@pytest.mark.slow
def test_load_counts_every_request(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {name: tmp_path / f"load.{name}" for name in ("json", "md", "svg")}
    options = ["--clients", "1,4", "--requests", "8", "--repetitions", "2", "--data", str(data)]
    files = ["--json", made["json"], "--table", made["md"], "--plot", made["svg"]]
    assert main(["load", *options, *map(str, files)]) == 0
    table = made["md"].read_text()
    assert table in capsys.readouterr().out
    found = json.loads(made["json"].read_text())
    assert found["recordings"] == 4
    levels = {(level["way"], level["clients"]): level for level in found["levels"]}
    assert set(levels) == {(way, clients) for way in load.WAYS for clients in (1, 4)}
    for (way, clients), level in levels.items():
        assert (level["requests"], level["errors"], level["mismatches"]) == (16, 0, 0)
        assert len(level["latencies"]) == 16
        assert len(level["elapsed"]) == 2
        assert min(level["latencies"]) <= level["p50"] <= level["p99"] == max(level["latencies"])
        assert level["rows"] == 16
        if "one at a time" in way or clients == 1:
            assert level["batch_size"] == 1
        assert f"| {clients} | {way} |" in table
    assert ElementTree.parse(made["svg"]).getroot().tag.endswith("svg")


@pytest.mark.slow
def test_soak_finds_no_faults(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "soak.json"
    options = ["--seconds", "3", "--clients", "1", "--data", str(data)]
    status = main(["soak", *options, "--json", str(written)])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    found = json.loads(written.read_text())
    assert found["faults"] == []
    assert found["temporary_files"] == found["tracebacks"] == found["exit_status"] == 0
    assert set(found["clients"]) == {kind.name for kind in KINDS}
    for name, kind in found["clients"].items():
        assert sum(kind["outcomes"].values()) >= 2, name
        assert f"| {name} |" in captured.out
    assert found["clients"]["transcription"]["outcomes"]["right"] >= 2


# Figures and faults


def level(**values: object) -> load.Level:
    return dataclasses.replace(load.Level("batching", 2, [2.0], [0.3, 0.1, 0.2]), **values)


def test_figures_of_a_level() -> None:
    hundred = level(latencies=[place / 100 for place in range(100, 0, -1)])
    assert [hundred.percentile(percent) for percent in (50, 95, 99)] == [0.5, 0.95, 0.99]
    assert level().percentile(50) == 0.2
    assert level().percentile(99) == 0.3
    assert level().throughput == 1.5
    assert level(rows=6.0, batches=4.0).batch_size == 1.5
    assert level().batch_size == 0


def test_load_fails_on_wrong_texts() -> None:
    assert load.verdict([level(), level()]) == 0
    with pytest.raises(UserError, match=r"2 texts differ from the model's .*, 1 requests failed"):
        load.verdict([level(mismatches=2), level(errors=1)])


def faultless() -> soak.Report:
    came = {kind.name: Counter({kind.expected[0]: 9}) for kind in KINDS}
    return soak.Report(
        *(9.0, came, [10**9, 2 * 10**9, 10**9], (20, 21), (30, 30)),
        health=200,
        at_stop=Counter({RIGHT: 8}),
        exit_status=0,
    )


def test_soak_reports_every_fault() -> None:
    assert soak.faults(faultless()) == []
    for change, message in (
        ({"memory": [10**9, 10**9, 15 * 10**8]}, "memory grew by 500 MB in the second half"),
        ({"threads": (20, 80)}, "threads: 20 before, 80 after"),
        ({"descriptors": (30, 31)}, "descriptors: 30 before, 31 after"),
        ({"temporary_files": 2}, "2 temporary files left"),
        ({"tracebacks": 1}, "1 tracebacks in the log"),
        ({"health": 503}, "/health returns 503"),
        ({"at_stop": Counter({"no answer": 3})}, "in flight at shutdown: no answer, 3 times"),
        ({"exit_status": None}, "did not end"),
        ({"exit_status": 1}, "exit status 1"),
    ):
        assert soak.faults(dataclasses.replace(faultless(), **change)) == [message]
    report = faultless()
    report.outcomes["a wrong key"]["200"] = 1
    report.outcomes["words"] = Counter({ANOTHER: 2})
    assert soak.faults(report) == [
        "words: another text, 2 times",
        "a wrong key: 200, 1 times",
        "words: never right",
    ]


@pytest.mark.slow
def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"did not start: .*no-such-model"),
        serving(["--model", str(tmp_path / "no-such-model")]),
    ):
        pass


def test_a_form_is_a_form() -> None:
    form = MultipartForm.of(b"\x00speech\xff", model="small")
    boundary = form.content_type.partition("boundary=")[2].encode()
    first, second = form.body.split(b"--" + boundary)[1:3]
    assert first.endswith(b'name="model"\r\n\r\nsmall\r\n')
    assert second.endswith(b"\r\n\r\n\x00speech\xff\r\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["load", "--plot", "load.pdf"], "must end in .png or .svg"),
        (["load", "--data", "no/such/folder"], "no/such/folder"),
        (["soak", "--model", "no/such/model"], "no/such/model"),
    ],
)
def test_bad_options(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
