"""Outputs of all programs: one run at a time, nothing replaced that was named as an input."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from convert import verify
from convert.__main__ import main as convert
from eval.__main__ import main as evaluate
from eval.outputs import write_json, write_plot
from tests.support.corpus import SPOKEN, write_corpus
from tests.support.errors import one_error
from tests.support.paths import CORPUS
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import LOCK, hidden_name, locked

UTTERANCE = CORPUS / "1003" / "1" / "1003-1-0012.flac"


def test_two_runs_do_not_fill_one_folder_of_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path / "corpus", SPOKEN)
    command = ["shards", str(tmp_path / "corpus"), str(tmp_path / "out")]
    assert main(command) == 0
    capsys.readouterr()
    with locked(tmp_path / "out"):
        assert main(command) == 1
        assert "another run is writing it" in one_error(capsys)
    left = tmp_path / "out" / hidden_name("shard-00000.tfrecord", "part")
    left.mkdir()
    (left / LOCK).touch()
    assert main(command) == 0
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_two_evaluations_do_not_write_one_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, work = tmp_path / "wer.json", tmp_path / "work"
    for more, journal in (([], tmp_path / "wer.json.partial.jsonl"), (["--work", str(work)], work)):
        with locked(journal):
            command = ["wer", "--model", "none", "--data", "none", "--json", str(report), *more]
            assert evaluate([*command, "--restart"]) == 1
            assert f"{journal}: another run is writing it" in one_error(capsys)
    assert list(tmp_path.iterdir()) == []


def test_reports_go_through_links_and_into_pipes(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("there.json")
    write_json(tmp_path / "link.json", {"wer": 1})
    assert os.readlink(tmp_path / "link.json") == "there.json"
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_json(tmp_path / "pipe", {"wer": 1})
    reader.join()
    assert read == [(tmp_path / "there.json").read_text()] == ['{\n  "wer": 1\n}\n']
    os.mkfifo(tmp_path / "plot.png")
    drawn = type("Figure", (), {"savefig": lambda self, path, **_: path.write_bytes(b"drawn")})
    reader = threading.Thread(target=lambda: read.append((tmp_path / "plot.png").read_text()))
    reader.start()
    write_plot(tmp_path / "plot.png", drawn)
    reader.join()
    assert read[1:] == ["drawn"]


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_certificate_is_deleted_but_not_what_leads_to_it(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--json /dev/null` deleted the device."""

    def refused(*_: object) -> None:
        raise UserError("stopped")

    monkeypatch.setattr(verify, "verify", refused)
    report = tmp_path / "report"
    (tmp_path / "there").write_text("of an earlier run")
    report.symlink_to("there") if kind == "link" else os.mkfifo(report)
    assert convert(["verify", "source", "out", "--json", str(report)]) == 1
    assert one_error(capsys) == "error: stopped"
    mode = report.lstat().st_mode
    assert (stat.S_ISLNK(mode), stat.S_ISFIFO(mode)) == (kind == "link", kind == "pipe")
    assert (tmp_path / "there").exists() == (kind == "pipe")


@pytest.mark.parametrize("given", ["recording", "text", "link"])
def test_what_is_aligned_is_not_replaced(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, text = tmp_path / "talk.json", tmp_path / "text.json"
    shutil.copy(UTTERANCE, recording)
    text.write_text("THEN I SAID")
    (tmp_path / "link.json").symlink_to(text)
    output = {"recording": recording, "text": text, "link": tmp_path / "link.json"}[given]
    assert main(["align", str(recording), str(text), "-o", str(output)]) == 1
    assert "is what is aligned: name another output" in one_error(capsys)
    assert (recording.read_bytes(), text.read_text()) == (UTTERANCE.read_bytes(), "THEN I SAID")


@pytest.mark.parametrize("name", ["out.arpa", "LINK", "/dev/null", "é" * 125 + ".arpa"])
def test_outputs_of_any_kind(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("a b\nb a\n")
    (tmp_path / "link").symlink_to("there")
    output = tmp_path / ("link" if name == "LINK" else name)
    assert main(["ngram", str(tmp_path / "text"), str(output), "--order", "2"]) == 0
    assert stat.S_ISCHR(output.stat().st_mode) == (name == "/dev/null")
    assert (tmp_path / "link").is_symlink()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("value", ["2026-06-31", "!!int x", "[" * 10**4, "a: b: c"], ids=range(4))
def test_odd_yaml_is_one_line(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a file of settings, and on the command line."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"steps: {value}\n")
    assert main(["finetune", str(settings)]) == 1
    assert "settings.yaml: not YAML" in one_error(capsys)
    with pytest.raises(SystemExit) as stop:
        main(["finetune", "--model-config", f"hidden_size={value}"])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: --model-config: hidden_size must be a YAML value (" in last
