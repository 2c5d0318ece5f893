"""What makes an output stale: other recordings, models, options; and what killed runs leave."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import CORPUS
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.transcription import resume
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.transcription.resume import RECORDS_FILE, Results, model_identity
from wav2vec2_tf.utils.files import LOCK, hidden_name, locked

FILES = sorted((CORPUS / "1003" / "1").glob("*.flac"))


@pytest.fixture(autouse=True)
def loaded_once(bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: bundled_recognizer)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def error_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_recording_that_changes_meanwhile_is_transcribed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text was kept as that of what the recording has become."""
    source, out = tmp_path / "a.flac", tmp_path / "out.txt"
    shutil.copy(FILES[0], source)
    write = Results.write

    def changing(self: Results, *arguments: object) -> None:
        shutil.copy(FILES[1], source)
        write(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Results, "write", changing)
        assert main(["transcribe", str(source), "-o", str(out)]) == 0
    first = out.read_text()
    assert main(["transcribe", str(source), "-o", str(out)]) == 0
    assert out.read_text() != first
    assert error_lines(capsys) == [
        "replaced: 1 of 1 outputs are results of other recordings, models or options"
    ]


@pytest.mark.parametrize("unreadable", ["a.flac", "a.txt"])
def test_what_may_not_be_read_does_not_stop_the_others(
    unreadable: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither a recording nor an output; root may read all, so a hash fails instead."""
    for name in ("a.flac", "b.flac"):
        shutil.copy(FILES[0], tmp_path / name)
    command = ["transcribe", str(tmp_path), "-o", str(tmp_path)]
    assert main(command) == 0
    sha256 = resume.sha256

    def denied(path: Path) -> str:
        if path.name == unreadable:
            raise PermissionError(13, "Permission denied", str(path))
        return sha256(path)

    monkeypatch.setattr(resume, "sha256", denied)
    is_output = unreadable == "a.txt"
    assert main(command) == int(is_output)
    lines = error_lines(capsys)
    assert lines[0].startswith("kept: 1 of 2")
    assert ("a.txt: not an unchanged result" in lines[1]) == is_output


def test_an_output_that_is_kept_has_nothing_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run may be killed after it has written an output, before it removes what is hidden."""
    out = tmp_path / "out.txt"
    command = ["transcribe", str(FILES[0]), "-o", str(out)]
    assert main(command) == 0
    journal, lock, scratch = (
        tmp_path / hidden_name(out.name, end) for end in ("partial", "lock", "part")
    )
    scratch.mkdir()
    for left in (journal, lock, scratch / LOCK):
        left.touch()
    with locked(out):  # by a run that is alive
        assert main(command) == 0
        assert journal.exists()
    lock.touch()
    assert main(command) == 0
    assert names(tmp_path) == [RECORDS_FILE, "out.txt"]
    assert all(line.startswith("kept: 1 of 1") for line in error_lines(capsys))


def test_outputs_may_lie_in_the_folder_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They were taken for files of the model: nothing was kept or resumed there."""
    shutil.copytree(BUNDLED_MODEL, tmp_path / "model")
    monkeypatch.chdir(tmp_path / "model")
    command = ["transcribe", str(FILES[0]), "--model", ".", "-o", "below/out.json"]
    assert main(command) == 0
    assert main([*command[:-1], "out.json"]) == 0
    assert main(command) == 0
    assert [line.split(":")[0] for line in error_lines(capsys)] == ["kept"]


@pytest.mark.parametrize(
    ("model", "belongs", "does_not"),
    [
        ("m.pt", "dict.ltr.txt", "n.pt"),
        ("m.pt", "m.pt", "out.txt"),
        ("m.xml", "m.bin", "n.bin"),
        ("model.safetensors", "vocab.json", "out.json"),
        ("model.safetensors.index.json", "model-00002-of-00002.safetensors", "out.json"),
        (".", "model.safetensors", ".out.txt.partial"),
        (".", "adapter.fra.bin", "below/model.safetensors"),
        ("saved", "saved/variables/v/variables.index", "saved/out.txt"),
        ("saved/saved_model.pb", "saved/assets.extra/vocab.json", "saved/vocab.txt"),
    ],
)
def test_a_model_is_its_own_files(model: str, belongs: str, does_not: str, tmp_path: Path) -> None:
    """A vocabulary beside a file of weights counts; what others have put there does not."""

    def identity(source: str) -> str:
        return model_identity(tmp_path / source, None)

    for name in ("m.pt", "m.xml", "model.safetensors", "model.safetensors.index.json"):
        (tmp_path / name).touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    before = identity(model)
    for name, changes in ((does_not, False), (belongs, True)):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("other")
        assert (identity(model) != before) == changes, name


# What names a recording


def test_a_recording_that_is_named_twice_is_taken_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(FILES[0], tmp_path / "a.flac")
    monkeypatch.chdir(tmp_path)
    given = ["a.flac", "./a.flac", str(tmp_path / "a.flac")]
    assert main(["transcribe", *given, "-o", "out/"]) == 0
    assert names(tmp_path / "out") == [RECORDS_FILE, "a.txt"]
    (tmp_path / "below" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("below/b")
    shutil.copy(FILES[1], tmp_path / "below" / "a.flac")
    assert main(["transcribe", "a.flac", "link/../a.flac"]) == 0  # another one
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t")[1] != second.split("\t")[1]


@pytest.mark.parametrize("program", ["transcribe", "align"])
def test_a_pipe_is_read(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `<(command)` gives it in a shell."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    more = ["--text", "the"] if program == "align" else ["--format", "json"]
    outputs = []
    for content in (FILES[0].read_bytes(), b"no audio"):
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        status = main([program, str(pipe), *more])
        writer.join()
        outputs.append((status, capsys.readouterr()))
    (good, printed), (bad, complaint) = outputs
    assert (good, bad) == (0, 1)
    assert main([program, str(FILES[0]), *more]) == 0
    assert printed.out == capsys.readouterr().out.replace(str(FILES[0]), str(pipe))
    assert complaint.err.startswith(f"error: {pipe}: ") and "/tmp" not in complaint.err.replace(
        str(tmp_path), ""
    )


# Outputs that cannot be written


@pytest.mark.parametrize("program", ["transcribe", "align"])
@pytest.mark.parametrize("place", ["file/out.json", "file/below/out.json", "denied/out.json"])
def test_outputs_are_checked_before_the_work(
    program: str,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "denied").mkdir()
    access: Callable[..., bool] = os.access
    denied = tmp_path / "denied"
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != denied and access(path, mode)
    )
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: pytest.fail("loaded"))
    more = ["--text", "the"] if program == "align" else []
    assert main([program, str(FILES[0]), *more, "-o", str(tmp_path / place)]) == 1
    (line,) = error_lines(capsys)
    fault = "may not be written to" if place.startswith("denied") else "file is not a folder"
    assert f"{fault}; name another place" in line


def test_align_checks_its_output_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.json").mkdir()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: pytest.fail("loaded"))
    assert main(["align", str(FILES[0]), "--text", "the", "-o", str(tmp_path / "out.json")]) == 1
    assert "out.json: is a folder: name a file" in error_lines(capsys)[0]
