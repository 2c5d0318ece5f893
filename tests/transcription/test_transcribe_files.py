"""`wav2vec2-tf transcribe`: folders, outputs, interrupts, invalid input."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.paths import CORPUS
from wav2vec2_tf import audio
from wav2vec2_tf.audio.discover import AudioFile, named_by, with_outputs
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.transcription import resume, transcriber
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.transcription.recording import Recording
from wav2vec2_tf.transcription.resume import RECORDS_FILE
from wav2vec2_tf.utils.errors import UserError

SPEAKER = CORPUS / "1003" / "1"
FILES = sorted(SPEAKER.glob("*.flac"))


@pytest.fixture(autouse=True)
def loaded_once(bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: bundled_recognizer)


@pytest.fixture(scope="module")
def texts(bundled_recognizer: Recognizer) -> dict[str, str]:
    """The text of some short files, each computed alone."""
    return {
        file.name: bundled_recognizer.transcribe([audio.load(file)])[0].text
        for file in (*FILES[:3], FILES[9])
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `in` with two recordings, one in a subfolder, and files that are skipped."""
    (tmp_path / "in" / "below").mkdir(parents=True)
    shutil.copy(FILES[0], tmp_path / "in" / "b.flac")
    shutil.copy(FILES[1], tmp_path / "in" / "below" / "a.FLAC")
    for name in ("notes.txt", ".hidden.flac", "below/.b.wav"):
        (tmp_path / "in" / name).write_text("none")
    return tmp_path


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A recording of 75 s: seven windows."""
    speech = [audio.load(file) for file in FILES if soundfile.info(file).duration > 7]
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate(speech)[: 75 * 16000], 16000)
    assert soundfile.info(path).duration == 75
    return path


def test_many_files_are_printed_in_their_order(
    texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches are computed by length, but printed in the order of the files."""
    names = [str(SPEAKER / name) for name in reversed(texts)]
    assert main(["transcribe", *names]) == 0
    wanted = [f"{name}\t{texts[Path(name).name]}" for name in names]
    assert capsys.readouterr().out.splitlines() == wanted


def test_folders_and_patterns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder / "in"
    assert main(["transcribe", str(source)]) == 0
    names = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [str(source / "b.flac"), str(source / "below" / "a.FLAC")]
    assert main(["transcribe", str(source / "**" / "[ab].*"), str(source / "b.flac")]) == 0
    names = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(names) == [str(source / "b.flac"), str(source / "below" / "a.FLAC")]


def test_what_names_nothing_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    arguments = [str(folder / "empty"), str(folder / "*.mp3"), str(folder / "in" / "b.flac")]
    assert main(["transcribe", *arguments]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    first, second = captured.err.splitlines()
    assert "no audio in this folder" in first
    assert "no file matches this pattern" in second


def test_standard_input(
    texts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def given(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    given(FILES[0].read_bytes())
    assert main(["transcribe", "-"]) == 0
    assert capsys.readouterr().out == texts[FILES[0].name] + "\n"
    given(FILES[0].read_bytes())
    assert main(["transcribe", "-", "-o", f"{tmp_path}/out/", "--format", "json"]) == 0
    result = json.loads((tmp_path / "out" / "stdin.json").read_text())
    assert (result["file"], result["text"]) == ("-", texts[FILES[0].name])
    for content in (b"", b"no audio", FILES[0].read_bytes()[:2000]):
        given(content)
        assert main(["transcribe", "-"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert re.fullmatch(r"error: standard input: .+\n", captured.err), captured.err


def test_outputs_in_a_folder(
    folder: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    bad = folder / "bad.wav"
    bad.write_text("no audio")
    command = ["transcribe", str(folder / "in"), str(bad), "-o", str(out), "--format", "srt"]
    assert main(command) == 1
    assert "bad.wav" in capsys.readouterr().err
    files = sorted(out.rglob("*.srt"))
    assert [str(file.relative_to(out)) for file in files] == ["b.srt", "below/a.srt"]
    lines = [re.sub(r"\d+\n[\d:,]+ --> [\d:,]+\n", " ", file.read_text()) for file in files]
    assert [" ".join(text.split()) for text in lines] == [texts[file.name] for file in FILES[:2]]


def test_the_suffix_of_a_file_chooses_the_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, start in (("a.vtt", "WEBVTT"), ("b.JSON", "{"), ("c.tsv", "start\t"), ("d", "")):
        assert main(["transcribe", str(FILES[0]), "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(start)
    assert main(["transcribe", str(FILES[0]), "-o", str(tmp_path / "e.x"), "--format", "srt"]) == 0
    assert (tmp_path / "e.x").read_text().startswith("1\n00:00:")
    assert capsys.readouterr() == ("", "")


def test_results_of_the_same_work_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    command = ["transcribe", str(folder / "in"), "-o", str(out)]
    read: list[str] = []
    of = Recording.of
    monkeypatch.setattr(Recording, "of", lambda path, *more: read.append(path) or of(path, *more))
    assert main(["transcribe", str(folder / "in" / "b.flac"), "-o", f"{out}/"]) == 0
    assert (len(read), capsys.readouterr().err) == (1, "")
    assert main(command) == 0
    assert "kept: 1 of 2" in capsys.readouterr().err
    assert [Path(path).name for path in read] == ["b.flac", "a.FLAC"]
    os.utime(folder / "in" / "b.flac")
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: pytest.fail("loaded"))
    assert main([*command, "--batch-seconds", "3"]) == 0  # which changes no result
    assert "kept: 2 of 2" in capsys.readouterr().err
    assert len(read) == 2
    assert [path.name for path in sorted(out.rglob("*"))] == [
        *(RECORDS_FILE, "b.txt", "below", RECORDS_FILE, "a.txt")
    ]


@pytest.mark.parametrize(
    "change",
    ["recording", "content", "model", "language", "options", "hotword", "format", "version"],
)
def test_results_of_other_work_are_replaced(
    change: str,
    texts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An output of one recording was kept as that of another, with exit status 0."""
    source, out, model = tmp_path / "a.wav", tmp_path / "out.txt", tmp_path / "model"
    shutil.copytree(BUNDLED_MODEL, model)
    speech = [audio.load(file)[:40_000] for file in FILES[:2]]
    soundfile.write(source, speech[0], 16000)
    soundfile.write(tmp_path / "b.wav", speech[1], 16000)
    times = source.stat().st_atime_ns, source.stat().st_mtime_ns
    command = ["transcribe", str(source), "-o", str(out), "--model", str(model)]
    assert main(command) == 0
    first = out.read_text()
    assert main(command) == 0
    assert "kept: 1 of 1" in capsys.readouterr().err
    if change == "recording":
        command[1] = str(tmp_path / "b.wav")
    elif change == "content":  # of the same size and time
        source.write_bytes((tmp_path / "b.wav").read_bytes())
        os.utime(source, ns=times)
    elif change == "model":
        (model / "config.json").touch()
    elif change == "version":
        monkeypatch.setattr(resume, "__version__", "next")
    else:
        command += {
            "language": ["--target-lang", "eng"],
            "options": ["--window", "20"],
            "hotword": ["--hotword", "JERUSALEM"],
            "format": ["--format", "srt"],
        }[change]
    assert main(command) == 0
    assert capsys.readouterr().err == (
        "replaced: 1 of 1 outputs are results of other recordings, models or options\n"
    )
    second = out.read_text()
    assert (second != first) == (change in ("recording", "content", "format"))
    assert main(command) == 0
    assert "kept: 1 of 1" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert (out.read_text(), capsys.readouterr().err) == (second, "")


def test_standard_input_is_never_taken_for_the_same(
    texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in FILES[:2]:
        given = io.TextIOWrapper(io.BytesIO(file.read_bytes()))
        monkeypatch.setattr(sys, "stdin", given)
        assert main(["transcribe", "-", "-o", str(tmp_path / "out.txt")]) == 0
        assert (tmp_path / "out.txt").read_text() == texts[file.name] + "\n"


@pytest.mark.parametrize("edited", [False, True])
def test_what_is_not_an_unchanged_result_is_refused(
    edited: bool, folder: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    command = ["transcribe", str(folder / "in"), "-o", str(out)]
    out.mkdir()
    if edited:
        assert main(command) == 0
        shutil.rmtree(out / "below")
    (out / "b.txt").write_text("mine")
    capsys.readouterr()
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {out}/b.txt: not an unchanged result")
    assert line.endswith("--overwrite")
    assert (out / "b.txt").read_text() == "mine"
    assert (out / "below" / "a.txt").read_text() == texts[FILES[1].name] + "\n"
    (out / "below" / "a.txt").write_text("mine, too")
    assert main(command) == 1
    assert f"{out}/b.txt and 1 more: " in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert (out / "b.txt").read_text() == texts[FILES[0].name] + "\n"


def test_an_empty_file_is_replaced(texts: dict[str, str], tmp_path: Path) -> None:
    """Scripts make their output with mktemp."""
    (tmp_path / "out").touch()
    assert main(["transcribe", str(FILES[0]), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text() == texts[FILES[0].name] + "\n"


def test_a_damaged_record_makes_nothing_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["transcribe", str(FILES[0]), "-o", str(tmp_path / "out.txt")]
    assert main(command) == 0
    records = tmp_path / RECORDS_FILE
    line = records.read_bytes()
    for damaged in (b"", line[:-1], b"[" * 10**5, b"1", b"[1]", b"\xff", line.replace(b'"', b"")):
        records.write_bytes(damaged)
        assert main(command) == 1
        assert "not an unchanged result" in capsys.readouterr().err
    records.write_bytes(line[:-1])
    assert main([*command, "--overwrite"]) == 0
    assert main(command) == 0  # the damaged line does no harm to the next
    assert "kept" in capsys.readouterr().err


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_recording_is_never_replaced(
    overwrite: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "talk.txt"
    shutil.copy(FILES[0], source)
    (tmp_path / "link").symlink_to(source)
    for arguments in (
        [source, "-o", source],
        [source, "-o", tmp_path / "link"],
        [source, "-o", f"{tmp_path}/"],
    ):
        assert main(["transcribe", *map(str, arguments), *overwrite]) == 1
        assert "is the recording itself" in capsys.readouterr().err
    assert source.read_bytes() == FILES[0].read_bytes()


def test_outputs_that_cannot_be_written_do_not_stop_the_others(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of files may have 255 bytes, the name of an output one more than its recording's."""
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "below").mkdir(parents=True)
    names = ["é" * 125 + ".wav", "below/a.wav", "z.wav"]
    for name in names:
        shutil.copy(FILES[0], source / name)
    (out / "y.json").mkdir(parents=True)
    shutil.copy(FILES[0], source / "y.wav")
    (out / "below").touch()  # where a folder must be
    assert main(["transcribe", str(source), "-o", str(out), "--format", "json"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: {out}/y.json: is a folder: name another output"
    assert second.startswith(f"error: {out}/below: no folder can be made there")
    shutil.copy(FILES[0], source / ("é" * 125 + "x.wav"))
    assert main(["transcribe", str(source), "-o", str(out), "--format", "json"]) == 1
    assert "its output has more than 255 bytes" in capsys.readouterr().err
    written = [path for path in sorted(out.glob("*.json")) if path.is_file()]
    assert [path.name for path in written] == ["z.json", names[0].replace(".wav", ".json")]
    for path in written:
        assert json.loads(path.read_text())["text"] == texts[FILES[0].name]


def test_devices_pipes_and_links(
    texts: dict[str, str], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = texts[FILES[0].name] + "\n"
    for _ in range(2):
        for output in ("/dev/null", "/dev/stdout"):
            assert main(["transcribe", str(FILES[0]), "-o", output]) == 0
        assert capsysbinary.readouterr() == (text.encode(), b"")
    assert not Path("/dev", RECORDS_FILE).exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to("there/out.txt")
    for _ in range(2):
        assert main(["transcribe", str(FILES[0]), "-o", str(tmp_path / "link.txt")]) == 0
    assert b"kept: 1 of 1" in capsysbinary.readouterr().err
    assert os.readlink(tmp_path / "link.txt") == "there/out.txt"
    assert (tmp_path / "there" / "out.txt").read_text() == text


@pytest.mark.parametrize("output", ["/dev/stdout", "LINK"])
def test_a_long_recording_on_a_device_leaves_nothing_beside_it(
    long: Path, output: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    before = sorted(os.listdir("/dev")), sorted(os.listdir(tmp_path))
    output = str(tmp_path / "link") if output == "LINK" else output
    assert main(["transcribe", str(long), "-o", output]) == 0
    assert len(capsysbinary.readouterr().out.split()) > 50
    assert (sorted(os.listdir("/dev")), sorted(os.listdir(tmp_path))) == before


def counting(bundled_recognizer: Recognizer, calls: list[int], stop: int = 10**9) -> Recognizer:
    """The bundled recognizer, interrupted in its call number `stop`."""

    def logits(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        if len(calls) == stop:
            raise KeyboardInterrupt
        calls.append(speech.shape[0])
        return bundled_recognizer.logits(speech, lengths)

    return dataclasses.replace(bundled_recognizer, logits=logits)


def test_an_interrupted_recording_goes_on_at_its_window(
    bundled_recognizer: Recognizer,
    long: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    command = ["transcribe", str(long), "-o", f"{out}/", "--format", "json"]
    calls: list[int] = []
    monkeypatch.setattr(
        Recognizer, "load", lambda *_, **__: counting(bundled_recognizer, calls, stop=2)
    )
    assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [".long.json.partial"]  # and no lock
    calls.clear()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: counting(bundled_recognizer, calls))
    assert main(command) == 0
    assert len(calls) == 5  # of seven windows
    assert sorted(path.name for path in out.iterdir()) == [RECORDS_FILE, "long.json"]
    resumed = (out / "long.json").read_text()
    calls.clear()
    assert main([*command, "--overwrite"]) == 0
    assert len(calls) == 7
    assert (out / "long.json").read_text() == resumed
    result = json.loads(resumed)
    times = [time for word in result["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= result["seconds"] == 75.0
    assert times[-1] > 70


def test_other_windows_or_another_recording_do_not_go_on(
    bundled_recognizer: Recognizer, long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = str(tmp_path / "out.txt")
    calls: list[int] = []
    monkeypatch.setattr(
        Recognizer, "load", lambda *_, **__: counting(bundled_recognizer, calls, stop=2)
    )
    assert main(["transcribe", str(long), "-o", out]) == 130
    calls.clear()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: counting(bundled_recognizer, calls))
    assert main(["transcribe", str(long), "-o", out, "--window", "45"]) == 0
    assert len(calls) == 2  # both windows are computed again
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(RECORDS_FILE, "long.wav", "out.txt")
    ]


def test_two_runs_do_not_write_one_output(
    bundled_recognizer: Recognizer,
    long: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their windows were mixed in one journal, and the next run wrote a wrong text."""
    other = tmp_path / "other.wav"
    soundfile.write(other, audio.load(long)[::-1], 16000)
    command = ["transcribe", str(long), "-o", str(tmp_path / "out.txt")]
    nested: list[int] = []

    def logits(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        if not nested:
            nested.append(0)
            for recording in (long, other):
                assert main(["transcribe", str(recording), *command[2:]]) == 1
        return bundled_recognizer.logits(speech, lengths)

    waiting = dataclasses.replace(bundled_recognizer, logits=logits)
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: waiting)
    assert main(command) == 0
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert all("out.txt: another run is writing it" in line for line in complaints)
    found = (tmp_path / "out.txt").read_text()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: bundled_recognizer)
    assert main([*command[:-1], str(tmp_path / "again.txt")]) == 0
    assert found == (tmp_path / "again.txt").read_text()


@pytest.mark.slow
def test_kills_lose_nothing_and_leave_nothing(long: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "long.json"
    journal = out.with_name(".long.json.partial")
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "transcribe", str(long), "-o"]
    quick = ["--batch-seconds", "1"]
    for windows in (1, 3):
        with subprocess.Popen([*command, str(out), *quick], stderr=subprocess.PIPE) as run:
            deadline = time.monotonic() + 300
            while not journal.exists() or journal.read_bytes().count(b"\n") <= windows:
                assert run.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            run.kill()
    assert sorted(path.name for path in out.parent.iterdir()) == [
        *(".long.json.lock", ".long.json.partial")
    ]
    subprocess.run([*command, str(out), *quick], check=True)
    assert sorted(path.name for path in out.parent.iterdir()) == [RECORDS_FILE, "long.json"]
    subprocess.run([*command, str(tmp_path / "whole.json"), *quick], check=True)
    assert out.read_text() == (tmp_path / "whole.json").read_text()


def test_vad_skips_audio_without_speech(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    speech = audio.load(FILES[9])
    quiet = np.zeros(16000 * 20, np.float32)
    path = tmp_path / "pauses.wav"
    soundfile.write(path, np.concatenate([quiet, speech, quiet]), 16000)
    assert main(["transcribe", str(path), "--vad", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert all(20 <= word["start"] < word["end"] <= 40 for word in result["words"])
    words = {word["text"] for word in result["words"]}
    assert len(words & set(texts[FILES[9].name].split())) >= 0.6 * len(words) > 0
    soundfile.write(path, quiet, 16000)
    assert main(["transcribe", str(path), "--vad"]) == 0
    assert capsys.readouterr().out == "\n"


def test_progress_on_a_terminal(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["transcribe", str(long), str(FILES[0])]) == 0
    shown = terminal.getvalue()
    assert re.search(r"\d+%.*\d\d:\d\d left, 1/2 files, [\d.]+ × real time", shown)
    seconds = 75 + soundfile.info(FILES[0]).duration
    assert re.search(rf"{seconds:.1f} s of speech in [\d.]+ s: [\d.]+ × real time\n$", shown)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["IN", "--format", "srt"], "give -o FOLDER"),
        (["IN", "-o", "FILE"], "must be a folder for several recordings, got a file"),
        (["IN", "IN/below/a.FLAC", "-o", "FILE"], "got a file"),
        (["ONE", "COPY/b.flac", "-o", "OUT"], "would both be written to"),
        (["ONE", "--window", "121"], "1 to 120 s"),
        (["ONE", "--window", "0.5"], "1 to 120 s"),
        (["ONE", "-o", "FILE/out.txt"], ""),
    ],
)
def test_bad_input(
    arguments: list[str], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("mine")
    shutil.copytree(folder / "in", folder / "copy")
    names = {"IN": "in", "FILE": "file", "ONE": "in/b.flac", "COPY": "copy", "OUT": "out"}

    def filled(argument: str) -> str:
        for name, path in names.items():
            argument = re.sub(rf"^{name}\b", str(folder / path), argument)
        return argument

    assert main(["transcribe", *map(filled, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    assert complaint in line
    assert (folder / "file").read_text() == "mine"


@pytest.mark.parametrize("option", ["--window", "--batch-seconds"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "x", "inf"])
def test_wrong_seconds_are_a_usage_error(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["transcribe", str(FILES[0]), option, value])
    assert stop.value.code == 2
    assert "is not a number above 0" in capsys.readouterr().err


def test_a_place_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes before a model is loaded."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: pytest.fail("loaded"))
    for output in ("out.txt", "new/folder/", "new/folder/out.txt"):
        assert main(["transcribe", str(FILES[0]), "-o", f"{tmp_path}/{output}"]) == 1
        assert "may not be written to" in capsys.readouterr().err


def test_pools_are_bounded(
    texts: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines are the same with files one by one, or as many as fit in five seconds."""
    names = [str(SPEAKER / name) for name in texts]
    wanted = [f"{name}\t{texts[Path(name).name]}" for name in names]
    for constant, value in (("POOL_FILES", 1), ("POOL_SECONDS", 3.0)):
        monkeypatch.setattr(transcriber, constant, value)
        assert main(["transcribe", *names]) == 0
        assert capsys.readouterr().out.splitlines() == wanted


def test_names(tmp_path: Path) -> None:
    complaints: list[str] = []
    complain: Callable[[str], Any] = complaints.append
    for name in ("b.wav", "a[1].mp3", "sub/c.OGG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    root = str(tmp_path)
    found = named_by([root, f"{root}/a[1].mp3", f"{root}/none.wav", "-"], complain)
    names = ["a[1].mp3", "b.wav", "sub/c.OGG", "none.wav"]
    assert [file.name for file in found] == [*(f"{root}/{name}" for name in names), "-"]
    placed = with_outputs(found, Path("out"), "vtt")
    ends = ("a[1].vtt", "b.vtt", "sub/c.vtt", "none.vtt", "stdin.vtt")
    assert [file.output for file in placed] == [Path("out") / end for end in ends]
    with pytest.raises(UserError, match=r"x/a\.wav and y/a\.wav would both"):
        both = [AudioFile(f"{place}/a.wav", Path("a.wav")) for place in "xy"]
        with_outputs(both, Path("out"), "txt")
    assert complaints == []


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        ("a.wav a.flac b.wav", "a.wav.srt a.flac.srt b.srt"),
        ("a.wav x/a.wav x/a.mp3", "a.srt x/a.wav.srt x/a.mp3.srt"),
        ("a.wav a.flac a.wav.mp3", "a.wav.srt a.flac.srt a.wav.mp3.srt"),
        ("a a.wav a.srt", "a.srt a.wav.srt a.srt.srt"),
        ("v1.2.wav v1.3.wav", "v1.2.srt v1.3.srt"),
    ],
)
def test_recordings_of_one_stem_keep_their_endings(names: str, outputs: str) -> None:
    found = [AudioFile(name, Path(name)) for name in names.split()]
    placed = with_outputs(found, Path("out"), "srt")
    assert [str(file.output) for file in placed] == [f"out/{name}" for name in outputs.split()]


def test_recordings_of_one_stem(
    texts: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", audio.load(FILES[1]), 16000, "PCM_16")
    shutil.copy(FILES[0], tmp_path / "a.flac")
    assert main(["transcribe", str(tmp_path), "-o", f"{tmp_path}/out"]) == 0
    assert capsys.readouterr().err == ""
    for name, file in (("a.flac.txt", FILES[0]), ("a.wav.txt", FILES[1])):
        assert (tmp_path / "out" / name).read_text() == texts[file.name] + "\n"
