"""`eval wer`: counts against jiwer's and hand-worked ones, batching, resuming, the program."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import types
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.__main__ import main
from eval.wer.batches import Speech, groups, normalize
from eval.wer.evaluate import measure
from eval.wer.options import MODES, EvaluateOptions
from eval.wer.results import Evaluation, duration_bands, score
from eval.wer.tables import to_json
from tests.support.corpus import SPOKEN, Parrot, bucket, tone, write_corpus, write_tar
from tests.support.paths import ROOT
from wav2vec2_tf import audio
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.eval import evaluate
from wav2vec2_tf.text.spelling import letter_case
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal

LENGTH = 16000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


def measured(
    folder: Path, recognizer: Parrot | None = None, journal: Journal | None = None, **options: Any
) -> Evaluation:
    common = {"modes": MODES, "length": LENGTH, "bucket": bucket, "batch_size": 2, **options}
    corpus = open_corpus(str(folder))
    return measure(recognizer or Parrot(), corpus, journal=journal, **common)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Parrot:
    """The recognizer that the program will load instead of a model."""
    parrot = Parrot()
    module = types.ModuleType("wav2vec2_tf.transcription.recognizer")
    module.Recognizer = types.SimpleNamespace(load=lambda source, **options: parrot)  # type: ignore[attr-defined]
    module.bucket = bucket  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wav2vec2_tf.transcription.recognizer", module)
    return parrot


def wer(folder: Path, *options: object) -> int:
    common = ["--model", "parrot", "--data", folder, "--length", LENGTH, "--batch-size", 2]
    return main(["wer", *map(str, common), *map(str, options)])


def untimed(content: Any) -> Any:
    """Returns the figures without timings, which differ from run to run."""
    if isinstance(content, dict):
        timed = ("compute_seconds", "first_call_seconds", "rtfx")
        return {key: untimed(value) for key, value in content.items() if key not in timed}
    return content


# Counting


@pytest.mark.parametrize(
    ("reference", "hypothesis", "substitutions", "deletions", "insertions", "character_errors"),
    [
        ("A B C", "A B C", 0, 0, 0, 0),
        ("A B C", "A X C", 1, 0, 0, 1),
        ("A B C", "A C", 0, 1, 0, 2),
        ("A B C", "A B B C", 0, 0, 1, 2),
        ("A B C", "", 0, 3, 0, 5),
        ("A B C", "X B C D", 1, 0, 1, 3),
    ],
)
def test_score(
    reference: str,
    hypothesis: str,
    substitutions: int,
    deletions: int,
    insertions: int,
    character_errors: int,
) -> None:
    row = score("padded", "x", LENGTH, LENGTH, reference, hypothesis)
    assert (row.substitutions, row.deletions, row.insertions) == (
        substitutions,
        deletions,
        insertions,
    )
    assert (row.words, row.characters) == (3, len(reference))
    assert row.character_errors == character_errors
    assert (row.seconds, row.fits, row.truncated) == (1.0, True, False)


def test_one_sample_too_many_is_truncated() -> None:
    assert score("padded", "x", LENGTH + 1, LENGTH, "A", "A").truncated
    assert score("masked", "x", LENGTH + 1, LENGTH, "A", "A").truncated
    whole = score("variable", "x", LENGTH + 1, LENGTH, "A", "A")
    assert (whole.fits, whole.truncated) == (False, False)


def test_modes_by_hand(folder: Path) -> None:
    """Padded: 4 insertions in the 4 short ones, 3 + 5 deletions in the 2 long ones, of 33 words."""
    result = measured(folder)
    padded, variable, masked = (result.modes[mode] for mode in MODES)
    sums = padded.counts
    assert (sums.words, sums.substitutions, sums.deletions, sums.insertions) == (33, 0, 8, 4)
    assert sums.wer == pytest.approx(12 / 33)
    assert (sums.utterances, sums.truncated) == (7, 2)
    assert sums.audio_seconds == pytest.approx(94601 / 16000)
    assert (padded.fitting.utterances, padded.fitting.words) == (5, 16)
    assert padded.fitting.wer == pytest.approx(4 / 16)
    assert (masked.counts.wer, masked.fitting.wer) == (pytest.approx(8 / 33), 0.0)
    assert (variable.counts.wer, variable.counts.truncated) == (0.0, 0)
    for mode in result.modes.values():
        references = [row.reference for row in mode.rows]
        hypotheses = [row.hypothesis for row in mode.rows]
        assert mode.counts.wer == pytest.approx(jiwer.wer(references, hypotheses))
        assert mode.counts.cer == pytest.approx(jiwer.cer(references, hypotheses))
        assert [row.id for row in mode.rows] == sorted(SPOKEN)
        assert mode.rtfx == pytest.approx(mode.counts.audio_seconds / mode.compute_seconds)
        assert 0 < mode.first_call_seconds <= mode.compute_seconds


def test_bands() -> None:
    """The fixed length replaces an edge near it; an utterance on an edge counts below it."""
    seconds = [0.5, 5, 5.1, 10, 15.375, 15.5, 20, 29, 61]
    rows = [
        score("padded", str(place), round(16000 * length), 246000, "A", "A")
        for place, length in enumerate(seconds)
    ]
    bands = [
        (band.above, band.upto, band.counts.utterances) for band in duration_bands(rows, 246000)
    ]
    assert bands == [
        (0, 5, 2),
        (5, 10, 2),
        (10, 15.375, 1),
        (15.375, 20, 2),
        (20, 30, 1),
        (60, None, 1),
    ]
    near = duration_bands(rows[:3], 5 * 16000 + 800)
    assert [(band.above, band.upto) for band in near] == [(0, 5.05), (5.05, 10)]


@pytest.mark.parametrize(
    ("characters", "letters", "text"),
    [
        ("ABCÉ'", "upper", "DON'T GO, É"),
        ("abcé'", "lower", "don't go, é"),
        ("abC", "unchanged", "Don't go, é"),
        ("你好'", "unchanged", "Don't go, é"),
    ],
)
def test_text_takes_the_case_of_the_model(characters: str, letters: str, text: str) -> None:
    assert letter_case(characters) == letters
    assert normalize(" Don't \t go,\n é ", letters) == text


def test_case_and_spelling_of_references(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_corpus(
        tmp_path / "c", {"1-1-1": ("Let there  be & light & é", 5000), "1-1-2": ("é", 6000)}
    )
    spoken = {"1-1-1": ("LET THERE BE LIGHT", 5000), "1-1-2": ("E", 6000)}
    result = measured(folder, Parrot(spoken), modes=["variable", "masked"])
    assert result.letters == "upper"
    assert result.modes["variable"].rows[0].reference == "LET THERE BE & LIGHT & É"
    assert (result.modes["variable"].counts.deletions, result.unspellable) == (3, {"&": 2, "É": 2})
    warnings = [line for line in capsys.readouterr().err.splitlines() if "cannot spell" in line]
    assert len(warnings) == 1
    assert "'&' (2), 'É' (2)" in warnings[0]


# Batching


def test_calls(folder: Path) -> None:
    """Batches are always full; padded and masked have one shape, variable has its buckets'."""
    parrot = Parrot()
    result = measured(folder, parrot)
    padded, variable = [(2, LENGTH, False)] * 4, [(2, n, True) for n in (16000, 8000, 40000, 8000)]
    assert parrot.calls == [*padded, *variable, *[(2, LENGTH, True)] * 4]
    assert [result.modes[mode].shapes for mode in MODES] == [
        ((2, 16000),),
        ((2, 8000), (2, 16000), (2, 40000)),
        ((2, 16000),),
    ]
    # the last batch of variable repeats its only utterance, and counts it once
    assert parrot.received[8:16] == [16000, 9000, 6000, 1600, 33000, 24001, 5000, 5000]


def test_batches_are_no_larger_than_the_corpus(folder: Path) -> None:
    parrot = Parrot()
    measured(folder, parrot, batch_size=64, modes=["padded"], limit=3)
    assert parrot.calls == [(3, LENGTH, False)]


lengths = st.lists(st.integers(1, 60), max_size=40)


@settings(deadline=None)
@given(lengths, st.integers(1, 5), st.integers(0, 10))
def test_groups(lengths: list[int], rows: int, finished: int) -> None:
    speech = [Speech(str(n), np.zeros(length)) for n, length in enumerate(lengths)]

    def size(samples: int) -> int:
        return -(-samples // 10) * 10

    def grouped(those: list[Speech]) -> list[tuple[int, list[str]]]:
        return [(length, [one.id for one in group]) for length, group in groups(those, rows, size)]

    found = grouped(speech)
    assert sorted(key for _, group in found for key in group) == sorted(one.id for one in speech)
    assert all(len(group) == rows for _, group in found[:-1])
    for length, group in found:
        assert length == size(max(lengths[int(key)] for key in group))
    # an interrupted run resumes with the same batches
    done = {key for _, group in found[:finished] for key in group}
    assert grouped([one for one in speech if one.id not in done]) == found[finished:]


# Invalid utterances


def test_unusable_utterances_are_skipped_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    (folder / "11" / "8" / "11-8.trans.txt").write_text("11-8-0000  \n")
    (folder / "11" / "7" / "11-7-0000.flac").write_bytes(b"no audio")
    soundfile.write(folder / "12" / "3" / "12-3-0001.flac", tone(399), 16000)
    result = measured(folder)
    assert result.failed.keys() == {"11-8-0000", "11-7-0000", "12-3-0001"}
    assert result.failed["11-8-0000"] == "empty reference text"
    assert "11-7-0000.flac" in result.failed["11-7-0000"]
    assert "399 samples, the model needs 400" in result.failed["12-3-0001"]
    for mode in result.modes.values():
        assert [row.id for row in mode.rows] == sorted(SPOKEN.keys() - result.failed.keys())
    lines = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert [line.split("'")[1] for line in lines] == ["11-8-0000", "11-7-0000", "12-3-0001"]


def test_audio_that_is_not_finite(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "load", lambda source, **_: np.full(5000, np.nan, np.float32))
    with pytest.raises(UserError, match=r"no utterance could be evaluated.*NaN"):
        measured(folder)


def test_audio_that_fails_in_a_later_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All modes measure the same utterances."""

    class Broken(Parrot):
        def transcribe(self, speech: Any, *, length: int, masked: bool) -> Any:
            if len(self.calls) == 3:
                (folder / "11" / "7" / "11-7-0000.flac").unlink()
            return super().transcribe(speech, length=length, masked=masked)

    assert len(audio.load(folder / "11" / "7" / "11-7-0000.flac")) == 6000
    result = measured(folder, Broken())
    assert result.failed.keys() == {"11-7-0000"}
    assert {len(mode.rows) for mode in result.modes.values()} == {6}


def test_utterance_too_long_for_any_bucket(folder: Path) -> None:
    def small(samples: int) -> int:
        if samples > 32000:
            raise UserError("too long: cut the recording")
        return bucket(samples)

    result = measured(folder, bucket=small)
    assert result.failed == {"12-3-0002": "too long: cut the recording"}
    assert {len(mode.rows) for mode in result.modes.values()} == {6}


# Resuming


class Interrupted(Parrot):
    """A recognizer that stops at a call, as Ctrl-C or a crash does."""

    def transcribe(self, speech: Any, *, length: int, masked: bool) -> Any:
        if len(self.calls) == 5:
            raise KeyboardInterrupt
        return super().transcribe(speech, length=length, masked=masked)


def test_resumes_after_every_batch(folder: Path, tmp_path: Path) -> None:
    """A run resumes from a journal that ends after any batch, or within a line."""
    path = tmp_path / "work.jsonl"
    whole = Parrot()
    expected = measured(folder, whole, Journal(path, {"length": LENGTH}))
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 12
    for count in range(1, 14):
        for torn in (b"", lines[count][:-1] if count < 13 else b"{"):
            path.write_bytes(b"".join(lines[:count]) + torn)
            parrot = Parrot()
            result = measured(folder, parrot, Journal(path, {"length": LENGTH}))
            assert parrot.calls == whole.calls[count - 1 :]
            assert untimed(to_json(result)) == untimed(to_json(expected))
            assert [m.rows for m in result.modes.values()] == [
                m.rows for m in expected.modes.values()
            ]
            assert len(Journal(path, {"length": LENGTH})) == 12


def test_evaluate_from_python(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function takes names or objects, options as an object, and resumes."""
    options = EvaluateOptions(modes=("masked", "padded"), length=LENGTH, batch_size=2, limit=4)
    work = tmp_path / "work.jsonl"
    parrot = Parrot()
    result = evaluate(parrot, str(folder), options, resume=work)
    assert list(result.modes) == ["masked", "padded"]
    assert result.modes["masked"].counts.utterances == 4
    assert (result.model, result.options["limit"]) == ("Parrot", 4)
    assert len(parrot.calls) == 4
    again = evaluate(parrot, open_corpus(str(folder)), options, resume=work)
    assert len(parrot.calls) == 4
    assert again.modes == result.modes
    with pytest.raises(UserError, match="another limit"):
        evaluate(parrot, folder, dataclasses.replace(options, limit=3), resume=work)
    with monkeypatch.context() as patch, pytest.raises(UserError, match="another version"):
        patch.setattr(sys.modules[evaluate.__module__], "__version__", "next")
        evaluate(parrot, folder, options, resume=work)
    for wrong in ({"modes": ()}, {"modes": ("x",)}, {"length": 0}, {"batch_size": 0}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            EvaluateOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_killed_run_resumes(folder: Path, tmp_path: Path) -> None:
    """After SIGKILL the same command resumes and computes no finished batch again."""
    script = tmp_path / "parrot.py"
    script.write_text(
        "import os, signal, sys, types\n"
        "from tests.support.corpus import Parrot, bucket\n"
        "class Mortal(Parrot):\n"
        "    def transcribe(self, speech, **options):\n"
        "        if len(self.calls) == int(os.environ['CALLS']):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        print(*map(len, speech), file=open(os.environ['LOG'], 'a'))\n"
        "        return super().transcribe(speech, **options)\n"
        "module = types.ModuleType('wav2vec2_tf.transcription.recognizer')\n"
        "module.Recognizer = types.SimpleNamespace(load=lambda *_, **__: Mortal())\n"
        "module.bucket = bucket\n"
        "sys.modules['wav2vec2_tf.transcription.recognizer'] = module\n"
        "from eval.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    archive = write_tar(tmp_path / "corpus.tar.gz", folder, last_first=True)
    out = tmp_path / "wer.json"

    def start(calls: int, log: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), "wer", "--model", "parrot", "--data", str(archive)]
        command += ["--length", "16000", "--batch-size", "2", "--json", str(out)]
        environment = {**os.environ, "CALLS": str(calls), "LOG": str(tmp_path / log)}
        environment["PYTHONPATH"] = str(ROOT)
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert start(99, "whole").returncode == 0
    expected = json.loads(out.read_text())
    out.unlink()
    assert start(6, "resumed").returncode == -signal.SIGKILL
    assert not out.exists()
    assert (tmp_path / "wer.json.partial.jsonl").exists()
    resumed = start(99, "resumed")
    assert resumed.returncode == 0
    assert "resumes: 11 results" in resumed.stderr
    assert untimed(json.loads(out.read_text())) == untimed(expected)
    assert not (tmp_path / "wer.json.partial.jsonl").exists()
    assert (tmp_path / "resumed").read_text() == (tmp_path / "whole").read_text()


# The program


def test_program_writes_everything(
    folder: Path,
    tmp_path: Path,
    program: Parrot,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wav2vec2_tf.utils.progress.QUIET_SECONDS", 0.0)
    out = tmp_path / "new" / "out"
    names = ("--json", out / "wer.json", "--report", out / "r.html", "--utterances", out / "u.csv")
    assert wer(folder, *names) == 0
    assert sorted(path.name for path in out.iterdir()) == ["r.html", "u.csv", "wer.json"]
    content = json.loads((out / "wer.json").read_text())
    assert list(content["modes"]) == list(MODES)
    padded = content["modes"]["padded"]
    assert padded["wer"] == pytest.approx(12 / 33)
    assert padded["fitting"]["wer"] == pytest.approx(4 / 16)
    assert padded["shapes"] == [[2, 16000]]
    assert padded["rtfx"] == pytest.approx(padded["audio_seconds"] / padded["compute_seconds"])
    assert [(band["above"], band["upto"], band["words"]) for band in padded["bands"]] == [
        (0, 1, 16),
        (1, 5, 17),
    ]
    assert (content["model"], content["data"]) == ("parrot", str(folder))
    assert content["versions"]["jiwer"] == metadata.version("jiwer")
    assert content["versions"]["tensorflow"] == tf.__version__  # from either wheel
    assert (content["options"]["batch_size"], content["failed"]) == (2, {})
    with open(out / "u.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["mode"] for row in rows) == dict.fromkeys(MODES, 7)
    long = next(row for row in rows if (row["mode"], row["id"]) == ("padded", "12-3-0000"))
    assert (long["hypothesis"], long["truncated"]) == ("AND THERE WAS LIGHT AND", "True")
    assert (long["deletions"], float(long["wer"])) == ("3", 3 / 8)
    printed = capsys.readouterr()
    table = [line.split() for line in printed.out.splitlines()]
    row = next(row for row in table if row and row[0] == "padded")
    assert row[1] == "36.36"
    assert row[3:9] == ["33", "0", "8", "4", "7", "2"]
    assert row[-1] == "25.00"
    assert ["0", "to", "1", "s", "5", "25.00", "0.00", "0.00"] in table
    for mode in MODES:
        assert re.search(
            rf"^{mode}: 7 of 7 utterances \(100 %\), .*RTFx", printed.err, re.MULTILINE
        )


def test_program_writes_jsonl(folder: Path, tmp_path: Path, program: Parrot) -> None:
    assert wer(folder, "--utterances", tmp_path / "u.jsonl", "--modes", "masked,padded") == 0
    rows = [json.loads(line) for line in (tmp_path / "u.jsonl").read_text().splitlines()]
    assert [row["mode"] for row in rows] == ["masked"] * 7 + ["padded"] * 7
    assert rows[0]["reference"] == SPOKEN["11-7-0000"][0]


def test_program_with_failed_utterances(
    folder: Path, tmp_path: Path, program: Parrot, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results of the others are written, failed ones are named, and the status is not 0."""
    (folder / "11" / "7" / "11-7-0000.flac").write_bytes(b"no audio")
    out = tmp_path / "wer.json"
    assert wer(folder, "--json", out) == 1
    content = json.loads(out.read_text())
    assert list(content["failed"]) == ["11-7-0000"]
    assert content["modes"]["padded"]["utterances"] == 6
    assert not (tmp_path / "wer.json.partial.jsonl").exists()
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert len(errors) == 1
    assert "1 recording could not be read or lacked a text and was left out" in errors[0]


def test_program_and_the_policy_on_bad_recordings(
    folder: Path, tmp_path: Path, program: Parrot, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are left out and counted; --skip-bad is content with that, --no-skip-bad is not."""
    rows = [
        f"{file.relative_to(tmp_path)}\t{SPOKEN[file.stem][0]}" for file in folder.rglob("*.flac")
    ]
    manifest = tmp_path / "m.tsv"
    manifest.write_text("\n".join(["path\ttext", *rows, "gone.flac\tHE", "empty.mp3\tHE"]))
    (tmp_path / "empty.mp3").write_bytes(b"")
    out = tmp_path / "wer.json"
    assert wer(manifest, "--json", out, "--no-skip-bad") == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert "2 of 9 recordings cannot be read: 'gone.flac' (" in error and "'empty.mp3' (" in error
    assert not program.calls and not out.exists()
    for flags, status in ([], 1), (["--skip-bad"], 0):
        assert wer(manifest, "--json", out, *flags) == status
        content = json.loads(out.read_text())
        assert content["failed"].keys() == {"gone.flac", "empty.mp3"}
        assert content["modes"]["padded"]["utterances"] == 7
        assert "2 recordings could not be read or lacked a text" in capsys.readouterr().err


def test_program_interrupted(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: Parrot,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module: Any = sys.modules["wav2vec2_tf.transcription.recognizer"]
    out, work = tmp_path / "wer.json", tmp_path / "work.jsonl"
    monkeypatch.setattr(module.Recognizer, "load", lambda *_, **__: Interrupted())
    assert wer(folder, "--json", out, "--work", work) == 130
    assert f"continues from {work}" in capsys.readouterr().err
    assert work.exists()
    assert not out.exists()
    # other options would mix results that cannot be compared
    monkeypatch.setattr(module.Recognizer, "load", lambda *_, **__: program)
    assert wer(folder, "--json", out, "--work", work, "--limit", 5) == 1
    assert "another limit" in capsys.readouterr().err
    assert wer(folder, "--json", out, "--work", work, "--limit", 5, "--restart") == 0
    assert len(program.calls) == 9
    assert json.loads(out.read_text())["modes"]["masked"]["utterances"] == 5


def test_program_notices_that_the_model_changed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: Parrot,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module: Any = sys.modules["wav2vec2_tf.transcription.recognizer"]
    monkeypatch.setattr(module.Recognizer, "load", lambda *_, **__: Interrupted())
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"1")
    options = ["--model", model, "--json", tmp_path / "wer.json"]
    assert wer(folder, *options) == 130
    (model / "model.safetensors").write_bytes(b"two")
    assert wer(folder, *options) == 1
    assert "another content of the model" in capsys.readouterr().err


def test_program_fits_the_model(
    folder: Path, tmp_path: Path, program: Parrot, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SavedModel of fixed length determines the length and has no variable mode."""
    program.fixed_length = 24001
    out = tmp_path / "wer.json"
    common = ["wer", "--model", "parrot", "--data", str(folder), "--json", str(out)]
    assert main(common) == 0
    content = json.loads(out.read_text())
    assert (content["length"], list(content["modes"])) == (24001, ["padded", "masked"])
    assert {length for _, length, _ in program.calls} == {24001}
    capsys.readouterr()
    assert main([*common, "--length", "16000"]) == 1
    assert "exported at length 24001, not 16000" in capsys.readouterr().err
    assert main([*common, "--modes", "variable"]) == 1
    assert "leave variable out" in capsys.readouterr().err
    program.fixed_length = None
    assert main([*common, "--length", "399"]) == 1
    assert "400 samples for one frame" in capsys.readouterr().err


def test_published_length_is_the_default(folder: Path, program: Parrot) -> None:
    assert main(["wer", "--model", "p", "--data", str(folder), "--modes", "padded"]) == 0
    assert program.calls == [(7, 246000, False)]


def test_program_refuses_before_the_work(
    folder: Path, tmp_path: Path, program: Parrot, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    file = folder / "11" / "8" / "11-8.trans.txt"
    cases: list[tuple[list[object], str]] = [
        (
            ["--modes", "padded,none"],
            "--modes must be one of padded, variable, masked, published, got 'none'",
        ),
        (["--json", folder], "is a folder"),
        (["--json", file / "x.json"], "not a folder"),
        (["--json", "a.json", "--work", "a.json"], "the same name"),
        (["--utterances", "u.txt"], ".csv or .jsonl"),
        (["--data", tmp_path / "none.tsv"], "no such file"),
    ]
    for options, message in cases:
        assert wer(folder, *options) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert printed.err.startswith("error: ")
        assert message in printed.err
    with pytest.raises(SystemExit):
        wer(folder, "--limit", 0)
    assert "'0' is not a whole number above 0" in capsys.readouterr().err
    assert (program.calls, sorted(tmp_path.rglob("*"))) == ([], before)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['eval', 'wer', '--help']\n"
        "from eval.__main__ import main\n"
        "try: main()\n"
        "finally: print([m for m in ('numpy', 'tensorflow', 'jiwer', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--utterances" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
