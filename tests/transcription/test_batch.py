"""`wav2vec2-tf batch`: each recording once despite kills; bad input; results of `transcribe`."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import soundfile
import tensorflow as tf

from tests.support.batch_jobs import (
    alive,
    batch_command,
    descendants,
    manifest_of,
    records,
    started,
    tables,
    wait_for,
    workers,
)
from tests.support.errors import one_error
from tests.support.ffmpeg import fake_ffmpeg, without_ffmpeg
from tests.support.paths import CORPUS
from wav2vec2_tf import audio
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.transcription.batch import attempts, job, plan, pool, worker
from wav2vec2_tf.transcription.batch.attempts import FAILED, READ, READING, ROW, Attempt
from wav2vec2_tf.transcription.batch.inputs import Input, inputs_named
from wav2vec2_tf.transcription.batch.plan import Plan
from wav2vec2_tf.transcription.batch.pool import Size
from wav2vec2_tf.transcription.batch.store import ShardResult, Store
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import LOCK, hidden_name
from wav2vec2_tf.utils.journal import Journal

SPEAKER = CORPUS / "1003" / "1"
FILES = sorted(SPEAKER.glob("*.flac"))
FEW = FILES[:6]
LEFT_OUT = "could not be read and were left out; the reasons are in"


@pytest.fixture
def alone(bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs one worker in this process, without Ray."""

    @contextmanager
    def session(options: object) -> Iterator[Size]:
        yield Size(1, 1, 0)

    def transcribe(
        job: worker.Job, shards: Sequence[int], size: Size
    ) -> Iterator[tuple[int, ShardResult]]:
        one = worker.Worker(job)
        for shard in shards:
            done = one({"shard": np.array([shard])})
            if done["problem"][0]:
                raise UserError(done["problem"][0])
            yield shard, ShardResult.of(json.loads(done["result"][0]))

    monkeypatch.setattr(pool, "session", session)
    monkeypatch.setattr(pool, "transcribe", transcribe)
    monkeypatch.setattr(worker, "use_threads", lambda threads: None)
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: bundled_recognizer)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `in` with six recordings, some of them in subfolders."""
    (tmp_path / "in" / "below").mkdir(parents=True)
    for number, file in enumerate(FEW):
        shutil.copy(file, tmp_path / "in" / ("below" if number % 2 else ".") / file.name)
    return tmp_path


# Inputs


def test_inputs_of_a_folder(folder: Path) -> None:
    (folder / "in" / ".hidden.flac").touch()
    (folder / "in" / "notes.txt").touch()
    (folder / "in" / ".cache").mkdir()
    shutil.copy(FEW[0], folder / "in" / ".cache" / "a.flac")
    found = list(inputs_named(str(folder / "in")))
    names = [file.name for file in FEW]
    assert [one.id for one in found] == [*names[::2], *(f"below/{name}" for name in names[1::2])]
    assert all(Path(one.path).is_absolute() for one in found)
    assert [one.bytes for one in found] == [Path(one.path).stat().st_size for one in found]
    pattern = [one.path for one in inputs_named(f"{folder}/in/**/*.flac")]
    assert sorted(pattern) == sorted(one.path for one in found)
    assert [one.id for one in inputs_named(str(FEW[0]))] == [FEW[0].name]


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet"])
def test_inputs_of_a_manifest(folder: Path, ending: str) -> None:
    path = manifest_of(folder / f"list.{ending}", ["in/a.wav", str(FEW[0])], ids=["x", "y"])
    first, second = inputs_named(str(path))
    assert first == Input("x", str(folder / "in" / "a.wav"), 0, 0)  # missing: to test the errors
    assert (second.id, second.path) == ("y", str(FEW[0]))
    assert second.bytes == FEW[0].stat().st_size


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    table = pa.table({"id": [0, 1, None], "path": ["a.wav", "b.wav", "c.wav"]})
    parquet.write_table(table, tmp_path / "list.parquet")
    assert [one.id for one in inputs_named(str(tmp_path / "list.parquet"))] == ["0", "1", "c.wav"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.tsv", None, "no such manifest, folder or file"),
        ("none", None, "no such manifest, folder or file"),
        ("a.tsv", "id\ttext\n1\tx\n", "no column audio, path, file"),
        ("a.jsonl", '{"path": "a.wav"}\n{"path": 3}\n', "row 2 names no file"),
        ("a.jsonl", '{"path": "a.wav"}\n{"path": "a.wav"}\n', "'a.wav' occurs twice"),
        ("a.jsonl", '{"path": "\\ud800.wav"}\n', "row 1 is not valid Unicode"),
        ("a.jsonl", '{"path": \n', "line 1 is not JSON"),
        ("a.csv", "path\n\xe9.wav\n", "not UTF-8"),
        ("a.parquet", "PAR1", "not a Parquet file"),
        ("a.tsv", "path\n", "no rows"),
        ("*.mp3", None, "no audio in the input"),
        ("", None, "no audio in the input"),
    ],
)
def test_bad_inputs(
    name: str,
    content: str | None,
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="latin-1")
    assert main(["batch", str(tmp_path / name), f"{tmp_path}/../out"]) == 1
    assert complaint in one_error(capsys)


# The plan


def of_bytes(sizes: Sequence[int]) -> list[Input]:
    return [Input(f"é{place}", f"/{place}.wav", size, 7) for place, size in enumerate(sizes)]


def test_a_plan_has_each_input_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = of_bytes([5, 0, 3, 12, 1, 1, 1, 9, 2])
    for shard_files in (None, 1, 4, 100):
        monkeypatch.setattr(plan, "LEAST_BYTES", 8)
        made = Plan.make(tmp_path, iter(inputs), {"model": "m"}, shard_files=shard_files)
        read = Plan.read(tmp_path)
        assert read == made
        yielded = [one for shard in read.shards for one in read.inputs(shard.number)]
        assert yielded == inputs
        assert [shard.number for shard in read.shards] == list(range(len(read.shards)))
        assert (read.files, read.bytes) == (9, 34)
        read.require({"model": "m"}, iter(inputs))
    sizes = [shard.files for shard in Plan.make(tmp_path, inputs, {}, shard_files=4).shards]
    assert sizes == [4, 4, 1]
    assert [shard.files for shard in Plan.make(tmp_path, inputs, {}).shards] == [3, 1, 4, 1]
    monkeypatch.setattr(plan, "MOST_FILES", 2)
    assert max(shard.files for shard in Plan.make(tmp_path, inputs, {}).shards) == 2


def test_another_job_is_recognized(tmp_path: Path) -> None:
    inputs = of_bytes([5, 6])
    made = Plan.make(tmp_path / "job", inputs, {"model": "m", "--vad": False})
    touched = [inputs[0], replace(inputs[1], modified=8)]
    for identity, given, complaint in (
        ({"model": "n", "--vad": False}, inputs, "a job with other model;"),
        ({"model": "m", "--vad": True}, inputs, "a job with other --vad;"),
        ({"model": "m", "--vad": False}, touched, "a job with other inputs;"),
        ({"model": "n"}, inputs[:1], "a job with other model and inputs;"),
    ):
        with pytest.raises(UserError, match=complaint):
            made.require(identity, given)
    for damaged in ("{}", '{"identity": {}, "shards": [[1, 2]]}', "no", "", "[" * 10**5):
        (tmp_path / "job" / "plan.json").write_text(damaged)
        with pytest.raises(UserError, match=r"plan\.json: damaged, .* --overwrite"):
            Plan.read(tmp_path / "job")


# Attempts


def died(folder: Path, *entries: tuple[int, str, object], run: str = "r", shard: int = 3) -> Path:
    """Leaves the journal of a worker that was killed."""
    path = folder / f"{shard:05}.{run}.{len(list(folder.glob('*'))):08}.jsonl"
    journal = Journal(path, {"shard": shard})
    journal.start()
    for place, event, value in entries:
        journal.add(place, [event, value])
    return path


def test_an_attempt_continues_those_before_it(tmp_path: Path) -> None:
    cut = died(tmp_path, (0, READING, None), (0, READ, None), (0, ROW, {"text": "A"}))
    cut.write_bytes(cut.read_bytes() + b'[1, ["row", {"te')
    died(tmp_path, (2, FAILED, "damaged"), (3, ROW, {"text": "D"}))
    died(tmp_path, (5, ROW, {"text": "another shard"}), shard=33)
    (tmp_path / "00003.r.other.jsonl").write_text('["row", 7, {"text": "of another format"}]')
    content = cut.read_bytes()
    with Attempt(tmp_path, 3, "r") as attempt:
        assert attempt.rows == {0: {"text": "A"}, 3: {"text": "D"}}
        assert attempt.reasons == {2: "damaged"}
        assert cut.read_bytes() == content  # its worker may still be alive
        attempt.add(1, {"text": "É\ud800"})
    assert [path.name[:5] for path in tmp_path.iterdir()] == ["00033"]
    with pytest.raises(KeyboardInterrupt), Attempt(tmp_path, 3, "r") as attempt:
        attempt.add(4, {"text": "kept"})
        with attempt.reading(5):
            raise KeyboardInterrupt
    assert Attempt(tmp_path, 3, "r").rows == {4: {"text": "kept"}}


def test_a_file_that_kills_its_workers_is_skipped(tmp_path: Path) -> None:
    for deaths in range(attempts.DEADLY + 1):
        with pytest.raises(KeyboardInterrupt), Attempt(tmp_path, 3, "r") as attempt:
            with attempt.reading(2):  # and killed while it computes
                pass
            reasons = attempt.reasons
            raise KeyboardInterrupt
        assert list(reasons) == ([1] if deaths == attempts.DEADLY else [])
        died(tmp_path, (0, READING, None), (0, READ, None), (1, READING, None), run=f"r{deaths}")
    assert "died each of the 3 times" in reasons[1]


def test_attempts_have_an_end(tmp_path: Path) -> None:
    for _ in range(attempts.MOST_ATTEMPTS):
        died(tmp_path, run="this")
        Attempt(tmp_path, 3, "another")
    with pytest.raises(UserError, match="was started 10 times and its worker died each time"):
        Attempt(tmp_path, 3, "this")


# The output


def test_a_shard_is_done_when_its_record_and_its_file_are_there(tmp_path: Path) -> None:
    store = Store(tmp_path, "jsonl")
    assert store.result(0) is None
    rows = [{"id": "a", "seconds": 1.5}, {"id": "b", "seconds": 2.0}]
    written = store.write(0, rows, [{"id": "c", "path": "/c", "reason": "bad"}])
    assert store.result(0) == written
    assert (written.transcribed, written.seconds) == (2, 3.5)
    store.part(0).unlink()
    assert store.result(0) is None


def test_only_a_job_is_worked_in_and_by_one(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"), Store(tmp_path, "jsonl").locked():
        pass
    file = Store(tmp_path / "mine.txt", "jsonl")
    with pytest.raises(UserError, match="is a file"), file.locked():
        pass
    store = Store(tmp_path / "out", "jsonl")
    with store.locked():
        store.write(0, [], [])
        store.finish([])
        with pytest.raises(UserError, match="another run uses this folder"), store.locked():
            pass
    with store.locked():
        store.clear()
        assert [path.name for path in store.job.iterdir()] == ["lock"]
    assert [path.name for path in store.folder.iterdir()] == ["job"]
    (store.job / "lock").unlink()
    with store.locked():  # a run was killed before it made the lock
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


# The program, with one worker and without Ray


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_results_are_those_of_transcribe(
    folder: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compares words and times of each file, including one of several windows."""
    speech = [audio.load(file) for file in FILES if soundfile.info(file).duration > 7]
    soundfile.write(folder / "in" / "long.wav", np.concatenate(speech)[: 40 * 16000], 16000)
    names = [one.path for one in inputs_named(str(folder / "in"))]
    expected = {}
    for name in names:
        assert main(["transcribe", name, "--format", "json"]) == 0
        expected[name] = json.loads(capsys.readouterr().out)
    out = folder / "out"
    command = ["batch", str(folder / "in"), str(out), "--format", form, "--shard-files", "3"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"{out}: 7 of 7 recordings, 0.0" in captured.out
    rows, errors = tables(out, form)
    assert errors == []
    assert [row["path"] for row in rows] == names
    for row in rows:
        wanted = expected[row["path"]]
        assert (row["text"], row["seconds"]) == (wanted["text"], wanted["seconds"])
        assert len(row["words"]) == len(wanted["words"]) > 0
        for word, other in zip(row["words"], wanted["words"], strict=True):
            assert {key: word[key] for key in ("text", "start", "end")} == {
                key: other[key] for key in ("text", "start", "end")
            }
            assert word["confidence"] == pytest.approx(other["confidence"], abs=1e-4)
        mean = np.mean([word["confidence"] for word in row["words"]])
        assert row["confidence"] == pytest.approx(mean)
    assert sorted(path.name for path in (out / "job").iterdir()) == [
        *("done", "inputs.jsonl", "lock", "plan.json")
    ]


@pytest.mark.usefixtures("alone")
def test_parts_of_one_recording(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NeMo's `offset` and `duration`, and Kaldi's segments, give the texts of the parts alone."""
    speech = [audio.load(file) for file in FEW[:3]]
    ends = np.cumsum([len(one) for one in speech]) / 16000
    spans = [
        (float(end) - len(one) / 16000, float(end)) for one, end in zip(speech, ends, strict=True)
    ]
    soundfile.write(folder / "long.wav", np.concatenate(speech), 16000)
    expected = []
    for file in FEW[:3]:
        assert main(["transcribe", str(file)]) == 0
        expected.append(capsys.readouterr().out.strip())
    listed = [{"wav": "long.wav", "offset": a, "duration": b - a} for a, b in spans]
    (folder / "nemo.json").write_text("".join(json.dumps(row) + "\n" for row in listed))
    (folder / "wav.scp").write_text("rec long.wav\n")
    segments = [f"u{number} rec {a} {b}\n" for number, (a, b) in enumerate(spans)]
    (folder / "segments").write_text("".join(segments))
    for number, (source, names) in enumerate({"nemo.json": "long.wav@", ".": "u"}.items()):
        out = folder.parent / f"{folder.name} out {number}"
        assert main(["batch", str(folder / source), str(out), "--format", "jsonl"]) == 0
        rows, errors = tables(out, "jsonl")
        assert errors == []
        assert [row["text"] for row in rows] == expected
        assert all(row["id"].startswith(names) for row in rows)
        assert [row["seconds"] for row in rows] == pytest.approx([b - a for a, b in spans])


@pytest.mark.usefixtures("alone")
def test_names_that_are_not_utf8(folder: Path) -> None:
    """They are transcribed; tables show the bytes that are not UTF-8."""
    if sys.getfilesystemencoding() != "utf-8":
        pytest.skip("needs a locale whose encoding is UTF-8: export LC_ALL=C.UTF-8")
    only = folder / "only"
    only.mkdir()
    try:
        shutil.copy(FEW[0], os.fsencode(only) + b"/\xff.flac")
        Path(os.fsdecode(os.fsencode(only) + b"/\xfe.wav")).write_bytes(b"no audio")
    except OSError:
        pytest.skip("this file system takes no such name")
    for form in ("parquet", "jsonl"):
        assert main(["batch", str(only), str(folder / form), "--format", form]) == 1
        rows, errors = tables(folder / form, form)
        assert [row["id"] for row in rows] == ["\\xff.flac"]
        assert [row["id"] for row in errors] == ["\\xfe.wav"]
        assert rows[0]["text"]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("ffmpeg", "complaint"), [(without_ffmpeg, "not audio"), (fake_ffmpeg, "ffmpeg cannot read it")]
)
def test_bad_files_are_in_the_table_of_errors(
    ffmpeg: Callable[..., object],
    complaint: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ffmpeg(monkeypatch, folder)
    bad = folder / "in" / "bad.wav"
    bad.write_text("no audio")
    soundfile.write(folder / "short.wav", np.zeros(10), 16000)
    paths = ["in/bad.wav", str(FEW[0]), "none.flac", "short.wav", "in"]
    listed = manifest_of(folder / "list.jsonl", paths)
    command = ["batch", str(listed), str(folder / "out"), "--shard-files", "2"]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "1 of 5 recordings" in captured.out
    assert captured.err == (f"4 recordings {LEFT_OUT} {folder}/out/errors.parquet\n")
    rows, errors = tables(folder / "out", "parquet")
    assert [row["path"] for row in rows] == [str(FEW[0])]
    assert [error["id"] for error in errors] == [paths[0], *paths[2:]]
    assert complaint in errors[0]["reason"]
    assert "few" in errors[2]["reason"]
    assert all(error["reason"] and error["path"].startswith("/") for error in errors)
    # errors name their inputs, and failed inputs are not retried
    bad.write_bytes(FEW[1].read_bytes())
    again = ["batch", str(folder / "out" / "errors.parquet"), str(folder / "again")]
    assert main(again) == 1
    assert [row["id"] for row in tables(folder / "again", "parquet")[0]] == ["in/bad.wav"]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_errors_keep_the_part_of_a_recording(folder: Path, form: str) -> None:
    """The whole file was transcribed when the table of errors was the next input."""
    bad, listed = folder / "bad.flac", folder / "list.jsonl"
    bad.write_bytes(b"")
    row = {"id": "a", "path": str(bad), "offset": 0.5, "duration": 1.25}
    listed.write_text(json.dumps(row) + "\n" + json.dumps({"id": "b", "path": "none.wav"}))
    assert main(["batch", str(listed), f"{folder}/out", "--format", form]) == 1
    shutil.copy(FEW[0], bad)
    first, second = inputs_named(f"{folder}/out/errors.{form}")
    assert first == next(inputs_named(str(listed)))
    assert (first.stretch.offset, first.stretch.duration) == (0.5, 1.25)
    assert second.stretch == audio.stretch.WHOLE


@pytest.mark.usefixtures("alone")
def test_the_split_of_a_corpus(folder: Path) -> None:
    (folder / "xy" / "clips").mkdir(parents=True)
    for number, split in enumerate(("train", "dev")):
        shutil.copy(FEW[number], folder / "xy" / "clips")
        row = f"{FEW[number].name}\tA\n"
        (folder / "xy" / f"{split}.tsv").write_text("path\tsentence\n" + row)
    command = ["batch", str(folder / "xy"), f"{folder}/out", "--format", "jsonl"]
    assert main([*command, "--split", "dev"]) == 0
    assert [row["id"] for row in tables(folder / "out", "jsonl")[0]] == [FEW[1].name]


@pytest.mark.usefixtures("alone")
def test_the_policy_on_bad_recordings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --no-skip-bad they are listed before the work; with --skip-bad the job does not fail."""
    (folder / "empty.wav").write_bytes(b"")
    listed = manifest_of(folder / "list.jsonl", ["empty.wav", str(FEW[0]), "none.flac"])
    command = ["batch", str(listed), str(folder / "out")]
    assert main([*command, "--no-skip-bad"]) == 1
    error = one_error(capsys)
    assert "2 of 3 recordings cannot be read: " in error
    assert "'empty.wav' (" in error and "'none.flac' (" in error
    assert not (folder / "out").exists()
    assert main([*command, "--skip-bad"]) == 0
    assert f"2 recordings {LEFT_OUT} " in capsys.readouterr().err
    assert main([*command, "--no-skip-bad"]) == 1
    (folder / "empty.wav").unlink()
    good = manifest_of(folder / "good.jsonl", [str(FEW[0])])
    assert main(["batch", str(good), str(folder / "good"), "--no-skip-bad"]) == 0


def interrupted(bundled_recognizer: Recognizer, calls: list[int], stop: int) -> Recognizer:
    """The bundled recognizer, interrupted in its call number `stop`."""

    def logits(speech: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        if len(calls) == stop:
            raise KeyboardInterrupt
        calls.append(speech.shape[0])
        return bundled_recognizer.logits(speech, lengths)

    return replace(bundled_recognizer, logits=logits)


@pytest.mark.usefixtures("alone")
def test_a_job_goes_on_where_it_was_interrupted(
    bundled_recognizer: Recognizer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = folder / "out"
    command = ["batch", str(folder / "in"), str(out), "--format", "jsonl"]
    command += ["--batch-seconds", "1"]  # one by one
    for stop in (4, 1, 0):
        calls: list[int] = []
        stopping = interrupted(bundled_recognizer, calls, stop)
        monkeypatch.setattr(Recognizer, "load", lambda *_, stopping=stopping, **__: stopping)
        assert main([*command, *(["--shard-files", "3"] if stop else [])]) == 130
    assert len(list((out / "transcripts").iterdir())) == 1
    calls = []
    last = interrupted(bundled_recognizer, calls, 100)
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: last)
    capsys.readouterr()
    assert main(command) == 0
    assert sum(calls) == 1  # of six; five were done
    assert capsys.readouterr().err == "kept: 1 of 2 shards were done\n"
    rows, _ = tables(out, "jsonl")
    assert [row["path"] for row in rows] == [one.path for one in inputs_named(str(folder / "in"))]
    assert main(command) == 0
    assert sum(calls) == 1
    assert "6 of 6 recordings" in capsys.readouterr().out
    assert main([*command, "--overwrite"]) == 0
    assert sum(calls) == 7
    assert tables(out, "jsonl")[0] == rows


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "other", "deep", "record", "killed"])
def test_a_job_goes_on_though_its_files_are_damaged(
    damage: str,
    bundled_recognizer: Recognizer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every run stopped at a line that was cut, and said that the same command resumes the job."""
    out = folder / "out"
    command = ["batch", str(folder / "in"), str(out), "--format", "jsonl", "--shard-files", "3"]
    stopping = interrupted(bundled_recognizer, [], 4)
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: stopping)
    assert main([*command, "--batch-seconds", "1"]) == 130
    inputs = out / "job" / "inputs.jsonl"
    content = inputs.read_bytes()
    damaged = {
        "cut": content[: len(content) // 3],
        "empty": b"",
        "other": content.replace(b"flac", b"flax"),
        "deep": b"[" * 10**5,
    }
    if damage in damaged:
        inputs.write_bytes(damaged[damage])
    elif damage == "missing":
        inputs.unlink()
    elif damage == "record":
        (record,) = (out / "job" / "done").iterdir()
        record.write_text(record.read_text()[:-5])
    else:
        for output in (inputs, out / "errors.jsonl", *(out / "transcripts").iterdir()):
            scratch = output.with_name(hidden_name(output.name, "part"))
            scratch.mkdir()
            (scratch / LOCK).touch()
            (scratch / output.name).touch()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: bundled_recognizer)
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err == (
        "" if damage == "record" else "kept: 1 of 2 shards were done\n"
    )
    assert inputs.read_bytes() == content
    rows, _ = tables(out, "jsonl")
    assert [row["path"] for row in rows] == [one.path for one in inputs_named(str(folder / "in"))]
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


@pytest.mark.usefixtures("alone")
def test_recordings_of_one_stem_have_rows_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(FEW[0], tmp_path / "a.flac")
    soundfile.write(tmp_path / "a.wav", audio.load(FEW[1]), 16000)
    assert main(["batch", str(tmp_path), f"{tmp_path}/out", "--format", "jsonl"]) == 0
    assert [row["id"] for row in tables(tmp_path / "out", "jsonl")[0]] == ["a.flac", "a.wav"]


@pytest.mark.usefixtures("alone")
def test_a_long_recording_is_computed_again(
    bundled_recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = [audio.load(file) for file in FILES if soundfile.info(file).duration > 7]
    soundfile.write(tmp_path / "long.wav", np.concatenate(speech)[: 40 * 16000], 16000)
    command = ["batch", str(tmp_path / "long.wav"), str(tmp_path / "out")]
    for stop, status in ((2, 130), (100, 0)):
        calls: list[int] = []
        stopping = interrupted(bundled_recognizer, calls, stop)
        monkeypatch.setattr(Recognizer, "load", lambda *_, stopping=stopping, **__: stopping)
        assert main(command) == status
        assert list((tmp_path / "out" / "job").glob("attempts/.*")) == []
    first = tables(tmp_path / "out", "parquet")[0]
    assert main([*command, "--overwrite"]) == 0
    assert tables(tmp_path / "out", "parquet")[0] == first


@pytest.mark.usefixtures("alone")
def test_another_job_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(folder / "out")
    source, model = folder / "in", folder / "model"
    shutil.copytree(BUNDLED_MODEL, model)
    command = ["batch", str(source), out, "--model", str(model)]
    assert main(command) == 0
    before = records(folder / "out")
    capsys.readouterr()
    for more, complaint in (
        (["--model", str(BUNDLED_MODEL)], "other model"),
        (["--format", "jsonl"], "other --format"),
        (["--window", "20"], "other --window"),
        (["--shard-files", "2"], "other --shard-files"),
        (["--hotword", "Jerusalem"], "other decoding"),
    ):
        assert main([*command, *more]) == 1
        assert complaint in one_error(capsys)
    with monkeypatch.context() as patch:
        patch.setattr(job, "__version__", "next")
        assert main(command) == 1
        assert "other version of this program" in one_error(capsys)
    (model / "config.json").touch()
    assert main(command) == 1
    assert "other model; name another folder" in one_error(capsys)
    shutil.copy(FEW[0], source / "more.flac")
    assert main(command) == 1
    assert "other model and inputs" in one_error(capsys)
    (folder / "nothing").mkdir()
    for given, complaint in (("no-such", "no such manifest"), ("nothing", "no audio")):
        assert main(["batch", str(folder / given), *command[2:], "--overwrite"]) == 1
        assert complaint in one_error(capsys)
    assert records(folder / "out") == before
    assert main([*command, "--overwrite"]) == 0
    assert "7 of 7 recordings" in capsys.readouterr().out


@pytest.mark.usefixtures("alone")
def test_bad_options_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["batch", str(folder / "in"), str(folder / "out")]
    assert main([*command, "--lm-weight", "1"]) == 1
    assert "--lm" in one_error(capsys)
    assert main([*command, "--window", "121", "--overwrite"]) == 1
    assert "1 to 120 s" in one_error(capsys)
    (folder / "file").touch()
    assert main(["batch", str(folder / "in"), str(folder / "file")]) == 1
    assert "is a file" in one_error(capsys)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(command) == 1
    assert "pip install 'wav2vec2-tf[batch]'" in one_error(capsys)


def test_progress_on_a_terminal(alone: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["batch", str(folder / "in"), str(folder / "out"), "--shard-files", "2"]) == 0
    shown = terminal.getvalue()
    assert re.search(r"100%.* left, 6/6 files, 0\.00 h of audio, [\d.]+ × real time", shown)


@pytest.mark.parametrize(
    ("cores", "gpus", "workers", "threads", "size"),
    [
        (2, 0, None, None, Size(1, 2, 0)),
        (2, 0, 2, None, Size(2, 1, 0)),
        (16, 0, None, None, Size(4, 4, 0)),
        (16, 2, None, None, Size(2, 4, 1)),
        (8, 4, None, None, Size(4, 2, 1)),
        (16, 0, 2, None, Size(2, 4, 0)),
        (16, 0, None, 1, Size(16, 1, 0)),
        (1, 0, 4, 3, Size(4, 3, 0)),
        (2, 0, 5, None, Size(5, 1, 0)),
    ],
)
def test_sizes(cores: int, gpus: int, workers: int | None, threads: int | None, size: Size) -> None:
    assert Size.of(cores, gpus, workers, threads) == size


# With Ray


@pytest.mark.slow
def test_each_once_though_the_job_and_a_worker_are_killed(tmp_path: Path) -> None:
    """Kills the job, then a worker; the same command resumes each time."""
    files = [str(file) for file in SPEAKER.parent.parent.rglob("*.flac")] * 2 + ["none.flac"]
    ids = [str(place) for place in range(len(files))]
    listed, out = manifest_of(tmp_path / "list.tsv", files, ids), tmp_path / "out"
    command = batch_command(listed, out, "--workers", 2, "--threads", 1, "--shard-files", 6)
    with started(command) as job:
        wait_for(lambda: records(out), job)
        processes = descendants(job.pid)
        job.kill()
        wait_for(lambda: not any(map(alive, processes)))  # Ray's own among them
    before = records(out)
    assert 0 < len(before) < 22
    with started(command) as job:
        wait_for(lambda: len(records(out)) > len(before), job)
        os.kill(workers(job.pid)[0], signal.SIGKILL)
        printed, complaints = job.communicate()
    assert job.returncode == 1
    assert f"{out}: 128 of 129 recordings, 0.17 h of audio, " in printed
    # a slow machine writes lines of progress too
    assert [line for line in complaints.splitlines() if not line.startswith("batch: ")] == [
        f"kept: {len(before)} of 22 shards were done",
        f"1 recording could not be read and was left out; the reasons are in {out}/errors.parquet",
    ]
    assert before.items() <= records(out).items()
    rows, errors = tables(out, "parquet")
    assert [row["id"] for row in rows] == ids[:-1]
    assert [error["id"] for error in errors] == ids[-1:]
    for half in range(64):  # both copies have the same transcript
        assert len({row["text"] for row in rows[half::64]}) == 1
    assert not list((out / "transcripts").glob(".*"))
