"""`wav2vec2-tf align` on valid and invalid input."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import transformers
from hypothesis import given
from hypothesis import strategies as st

from tests.support import reference
from tests.support.errors import one_error
from tests.support.ffmpeg import fake_ffmpeg, without_ffmpeg
from tests.support.paths import CORPUS
from wav2vec2_tf.checkpoint.hub import BUNDLED
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.text.forced_alignment import AlignedCharacter, AlignedWord
from wav2vec2_tf.text.textgrid import to_textgrid
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription.recognizer import Recognizer

UTTERANCE = CORPUS / "1002" / "1" / "1002-1-0010.flac"
TEXT = "Of Jerusalem, and upon the men of Judah — all the evil that I have:"


@pytest.fixture(autouse=True)
def one_model(bundled_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model is loaded once for all tests."""
    load = Recognizer.load

    def loaded(source: object, **options: object) -> Recognizer:
        if source != BUNDLED:
            return load(source, **options)
        return bundled_recognizer

    monkeypatch.setattr(Recognizer, "load", loaded)


def parse_textgrid(content: str) -> dict[str, list[tuple[float, float, str]]]:
    """Parses the tiers of a TextGrid in Praat's long text format, by Praat's manual.

    Praat takes the numbers, quoted strings and flags in their order and passes over the rest.
    """
    assert content.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n')
    found = re.finditer(
        r'"((?:[^"]|"")*)"|<(\w+)>|\[\d*\]|(?<![\w.])(-?\d+(?:\.\d+)?(?:e-?\d+)?)', content
    )
    values = [m for m in found if not m[0].startswith("[")]

    def text() -> str:
        quoted = values.pop(0)
        assert quoted[1] is not None, quoted[0]
        return quoted[1].replace('""', '"')

    def number() -> float:
        return float(values.pop(0)[3])

    assert (text(), text()) == ("ooTextFile", "TextGrid")
    start, end = number(), number()
    assert values.pop(0)[2] == "exists"
    tiers = {}
    for _ in range(int(number())):
        assert text() == "IntervalTier"
        name = text()
        assert (number(), number()) == (start, end)
        tiers[name] = [(number(), number(), text()) for _ in range(int(number()))]
        edges = [edge for interval in tiers[name] for edge in interval[:2]]
        assert edges[0] == start
        assert edges[-1] == end
        assert edges[1:-1:2] == edges[2:-1:2]  # without gaps
        assert all(a < b for a, b, _ in tiers[name])
    assert not values
    return tiers


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", str(UTTERANCE), "--text", TEXT]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result = json.loads(captured.out)
    assert result["file"] == str(UTTERANCE)
    assert result["seconds"] == pytest.approx(soundfile.info(UTTERANCE).duration)
    assert result["text"] == TEXT
    words = result["words"]
    assert [word["text"] for word in words][6:9] == ["of", "Judah —", "all"]
    assert " ".join(word["text"] for word in words) == TEXT
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= result["seconds"]
    letters = "".join(c["text"] for word in words for c in word["characters"])
    assert letters == re.sub(r"[^A-Za-z]", "", TEXT)
    assert all(0.5 < word["confidence"] <= 1 for word in words)
    assert not any(word["wildcard"] for word in words)


def test_words_are_at_the_times_of_the_synthesizer(capsys: pytest.CaptureFixture[str]) -> None:
    table = (CORPUS.parent / "word_times.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in table if line.startswith(UTTERANCE.stem)]
    assert main(["align", str(UTTERANCE), "--text", TEXT, "--format", "tsv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "start\tend\tconfidence\tword"
    for line, (_, start, end, word) in zip(lines, rows, strict=True):
        found = line.split("\t")
        assert re.sub(r"\W", "", found[3]).upper() == word
        assert abs(float(found[0]) - float(start)) < 0.12
        assert abs(float(found[1]) - float(end)) < 0.4


def test_text_from_a_file_with_a_wildcard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, output = tmp_path / "words.txt", tmp_path / "out" / "words.TextGrid"
    text.write_text(
        TEXT.replace("upon the", "upon\r\n\r\n1").replace("Judah", '"Judäh"'), "utf-8-sig"
    )
    assert main(["align", str(UTTERANCE), str(text), "-o", str(output)]) == 0
    (warning,) = caplog.messages
    assert "2 of 14 words have characters that the vocabulary lacks" in warning
    assert "'1', '\"Judäh\" —'" in warning
    tiers = parse_textgrid(output.read_text("utf-8"))
    words = [interval for interval in tiers["words"] if interval[2]]
    assert [word for *_, word in words][2:8] == ["and", "upon", "1", "men", "of", '"Judäh" —']
    characters = [interval for interval in tiers["characters"] if interval[2]]
    judah = [c for c in characters if words[7][0] <= c[0] < words[7][1]]
    assert [c for *_, c in judah] == ["J", "u", "d", "<star>", "h"]
    assert judah[0][0] == words[7][0]
    assert judah[-1][1] == words[7][1]


def test_subtitles(tmp_path: Path) -> None:
    output = tmp_path / "words.srt"
    assert main(["align", str(UTTERANCE), "--text", TEXT, "-o", str(output)]) == 0
    blocks = output.read_text().strip().split("\n\n")
    shown = " ".join(" ".join(block.splitlines()[2:]) for block in blocks)
    assert shown == TEXT
    assert [block.splitlines()[0] for block in blocks] == [str(i + 1) for i in range(len(blocks))]
    clock = r"00:00:0\d,\d{3}"
    assert all(re.fullmatch(f"{clock} --> {clock}", block.splitlines()[1]) for block in blocks)


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert main(["align", str(UTTERANCE), "-"]) == 0
    from_text = json.loads(capsys.readouterr().out)
    audio = SimpleNamespace(buffer=io.BytesIO(UTTERANCE.read_bytes()))
    monkeypatch.setattr(sys, "stdin", audio)
    assert main(["align", "-", "--text", TEXT]) == 0
    from_audio = json.loads(capsys.readouterr().out)
    assert from_audio["words"] == from_text["words"]
    assert main(["align", "-", "-"]) == 1
    assert "give a file for the other" in one_error(capsys)


def write_audio(folder: Path) -> dict[str, str]:
    kinds = {
        "silence": np.zeros(32_000),
        "short": np.zeros(399),
        "empty": np.zeros(0),
    }
    for name, samples in kinds.items():
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
    (folder / "no.wav").write_text("no audio")
    return {name: str(folder / f"{name}.wav") for name in [*kinds, "no", "missing"]}


@pytest.mark.parametrize(
    ("audio", "complaint", "ffmpeg"),
    [
        ("silence", "recognizes no speech", None),
        ("short", "399 samples are too few", None),
        ("empty", "no samples", None),
        ("no", "not audio", without_ffmpeg),
        ("no", "ffmpeg cannot read it", fake_ffmpeg),
        ("missing", "no such file", None),
    ],
)
def test_bad_audio(
    audio: str,
    complaint: str,
    ffmpeg: Callable[..., object] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if ffmpeg is not None:
        ffmpeg(monkeypatch, tmp_path)
    paths = write_audio(tmp_path)
    output = tmp_path / "out.json"
    assert main(["align", paths[audio], "--text", "the", "-o", str(output)]) == 1
    line = one_error(capsys)
    assert complaint in line
    assert line.count(paths[audio]) == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the text must have words"),
        (b" \n \xef\xbb\xbf", "the text must have words"),
        ("…\n—".encode(), "the text must have words"),
        (b"the \xff", "invalid UTF-8 at byte 4"),
        ("the".encode("utf-16"), "invalid UTF-8 at byte 0"),
        (b"1984", "none of the text's letters"),
        (b"the " * 500, r"500 words of 1999 characters need at least 39.98 s"),
        (None, "no such file"),
    ],
)
def test_bad_text(
    content: bytes | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "words.txt"
    if content is not None:
        text.write_bytes(content)
    assert main(["align", str(UTTERANCE), str(text)]) == 1
    assert complaint.lower() in one_error(capsys).lower()


@pytest.mark.parametrize("name", ["", ".", "a\0b"])
def test_text_that_is_no_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", str(UTTERANCE), name]) == 1
    assert "--text" in one_error(capsys)


def test_another_recording_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    other = CORPUS / "1003" / "1" / "1003-1-0012.flac"
    assert main(["align", str(other), "--text", TEXT]) == 0
    (warning,) = caplog.messages
    assert "check that it is the text of this whole recording" in warning


def test_a_model_without_a_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transformers.Wav2Vec2Model(reference.tiny_config("group")).save_pretrained(tmp_path)
    for name in ("vocab.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copy(BUNDLED_MODEL / name, tmp_path)
    capsys.readouterr()
    assert main(["align", str(UTTERANCE), "--text", "the", "--model", str(tmp_path)]) == 1
    assert "has no CTC head" in one_error(capsys)


def test_output_of_no_known_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["align", str(UTTERANCE), "--text", "the", "-o", str(tmp_path / "a.ass")]) == 1
    assert ".TextGrid" in one_error(capsys)


@pytest.mark.parametrize(
    "arguments", [[], ["a.wav"], ["a.wav", "a.txt", "--text", "a"], ["a.wav", "b", "c"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["align", *arguments])
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1),
            st.integers(0, 3),
            st.integers(1, 9),
        ),
        max_size=5,
    ),
    st.integers(0, 3),
)
def test_textgrids_return(words: list[tuple[str, int, int]], rest: int) -> None:
    """TextGrids of any words at any times can be read back."""
    at, made = 0, []
    for text, gap, length in words:
        times = round((at + gap) * 0.02, 5), round((at + gap + length) * 0.02, 5)
        at += gap + length
        character = AlignedCharacter(text, *times, 0.0, wildcard=True)
        made.append(AlignedWord(text, *times, 0.0, (character,), wildcard=True))
    seconds = round((at + rest) * 0.02, 5) or 0.02
    tiers = parse_textgrid(to_textgrid("a.wav", seconds, Transcript("", tuple(made))))
    found = [interval for interval in tiers["words"] if interval[2]]
    assert found == [(word.start, word.end, word.text) for word in made]
    marked = [interval for interval in tiers["characters"] if interval[2]]
    assert marked == [(word.start, word.end, "<star>") for word in made]
