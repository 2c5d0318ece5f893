"""The command line on valid and invalid input."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.errors import one_error
from tests.support.paths import CORPUS
from wav2vec2_tf.cli.main import main, make_parser
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

UTTERANCE = CORPUS / "1003" / "1" / "1003-1-0012.flac"


def transcript(path: Path) -> str:
    """Returns the reference text of a file of the bundled corpus."""
    lines = next(path.parent.glob("*.trans.txt")).read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)[path.stem]


def test_help_imports_the_standard_library_alone() -> None:
    """Importing nothing else keeps `--help` fast."""
    program = (
        "import sys\nbefore = set(sys.modules)\nimport wav2vec2_tf.cli.main as cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*names - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wav2vec2_tf"


@pytest.mark.parametrize(
    "command",
    [
        *(["transcribe"], ["serve"], ["batch"], ["align"], ["ngram"], ["info"], ["eval", "wer"]),
        *(["convert", name] for name in ("torch", "verify", "saved-model", "package")),
    ],
)
def test_every_command_explains_itself(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: wav2vec2-tf {' '.join(command)}" in shown


@pytest.mark.parametrize(
    "command",
    [
        *("transcribe", "batch", "align", "ngram", "info", "shards"),
        *("serve", "finetune", "pretrain"),
    ],
)
def test_help_ends_with_an_example_that_parses(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    example = " ".join(capsys.readouterr().out.split()).split("example: ")[1]
    program, *arguments = shlex.split(example)
    assert program == "wav2vec2-tf"
    assert arguments[0] == command
    assert make_parser().parse_args(arguments).run


def test_transcribe_one_file_prints_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(UTTERANCE)]) == 0
    words = capsys.readouterr().out.strip().split()
    reference = transcript(UTTERANCE).split()
    assert len(set(words) & set(reference)) >= 0.7 * len(set(reference))


def test_transcribe_json_has_words_inside_the_audio(capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(BUNDLED_MODEL)]
    assert main(["transcribe", "--format", "json", *model, str(UTTERANCE)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result["file"] == str(UTTERANCE)
    assert result["seconds"] == pytest.approx(soundfile.info(UTTERANCE).duration)
    assert " ".join(word["text"] for word in result["words"]) == result["text"]
    times = [time for word in result["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= result["seconds"]
    assert all(0 < word["confidence"] <= 1 for word in result["words"])


def test_one_bad_file_is_reported_and_the_rest_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, silent, text = tmp_path / "short.wav", tmp_path / "empty.wav", tmp_path / "text.wav"
    soundfile.write(short, np.zeros(399), 16000)
    soundfile.write(silent, np.zeros(0), 16000)
    text.write_text("no audio at all")
    infinite = tmp_path / "infinite.wav"
    soundfile.write(infinite, np.array([0.0, np.inf] * 500), 16000, subtype="FLOAT")
    bad = [short, silent, text, infinite, tmp_path / "missing.wav"]
    assert main(["transcribe", *map(str, bad), str(UTTERANCE)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{UTTERANCE}\t")
    assert len(captured.out.splitlines()) == 1
    errors = captured.err.splitlines()
    assert len(errors) == len(bad)
    for line, path in zip(errors, bad, strict=True):
        assert line.startswith("error: ")
        assert str(path) in line


@pytest.mark.slow
def test_the_same_text_from_folder_and_saved_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "saved-model", str(BUNDLED_MODEL), str(tmp_path / "saved")]) == 0
    capsys.readouterr()
    texts = []
    for model in (BUNDLED_MODEL, tmp_path / "saved"):
        assert main(["transcribe", "--model", str(model), str(UTTERANCE)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("./no/such/model", "no/such/model"),
        (str(CORPUS), "config.json"),
    ],
)
def test_no_such_model(model: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "--model", model, str(UTTERANCE)]) == 1
    assert complaint in one_error(capsys)


def test_a_vocabulary_of_another_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in BUNDLED_MODEL.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    fewer = {token: index for token, index in vocabulary.items() if index < 20}
    (tmp_path / "vocab.json").write_text(json.dumps(fewer))
    assert main(["transcribe", "--model", str(tmp_path), str(UTTERANCE)]) == 1
    assert "20 tokens" in one_error(capsys)


def test_a_misspelt_flag_is_named_beside_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["transcribe", "talk.wav", "--modl", "bundled"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("unrecognized arguments: --modl bundled; did you mean --model?")


def test_wrong_usage_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["transcribe"], ["convert", "saved-model", "a", "b", "--length", "-1"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "usage:" in capsys.readouterr().err
