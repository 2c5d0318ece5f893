"""Transcribing from Python: `Transcriber`, `align` and `Recognizer` on every kind of source."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.paths import CORPUS, TEXT
from wav2vec2_tf import (
    BeamSearchOptions,
    HubOptions,
    Recognizer,
    TranscribeOptions,
    Transcriber,
    Transcript,
    UserError,
    align,
    load_audio,
)
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.transcription.recording import Recording

FILES = sorted((CORPUS / "1003" / "1").glob("*.flac"))[:4]
FILE = FILES[0]


@pytest.fixture(scope="module")
def transcriber(bundled_recognizer: Recognizer) -> Transcriber:
    return Transcriber(bundled_recognizer)


@pytest.fixture(scope="module")
def expected(bundled_recognizer: Recognizer) -> Transcript:
    """The transcript of `FILE`, computed as one utterance."""
    (transcript,) = bundled_recognizer.transcribe([load_audio(FILE)])
    return transcript


def test_every_kind_of_source_gives_the_same_words(
    transcriber: Transcriber, expected: Transcript
) -> None:
    speech = load_audio(FILE)
    content = FILE.read_bytes()
    sources: list[tuple[Any, str]] = [
        (FILE, str(FILE)),
        (str(FILE), str(FILE)),
        (content, "audio data"),
        (io.BytesIO(content), "audio stream"),
        (speech, "array"),
        (speech.astype(np.float64), "array"),
    ]
    for source, name in sources:
        result = transcriber.transcribe(source)
        assert (result.source, result.text) == (name, expected.text)
        assert result.words == expected.words
        assert result.duration == len(speech) / 16000
    assert transcriber.transcribe(speech, sampling_rate=16000).words == expected.words


def test_the_command_prints_what_python_returns(
    transcriber: Transcriber, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(FILE), "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    rendered = json.loads(transcriber.transcribe(FILE).render("json"))
    assert printed.keys() == rendered.keys()
    assert (printed["file"], printed["text"]) == (rendered["file"], rendered["text"])
    for word, other in zip(printed["words"], rendered["words"], strict=True):
        assert (word["start"], word["end"]) == (other["start"], other["end"])
        assert word["confidence"] == pytest.approx(other["confidence"], abs=1e-4)


def test_an_iterable_gives_results_in_order(
    transcriber: Transcriber, bundled_recognizer: Recognizer
) -> None:
    long = np.concatenate([load_audio(file) for file in FILES * 8])[: 40 * 16000]
    sources = [FILES[2], long, load_audio(FILES[0]), FILES[1].read_bytes()]
    results = transcriber.transcribe(source for source in sources)
    assert isinstance(results, Iterator)
    found = list(results)
    assert [result.source for result in found] == [str(FILES[2]), "array", "array", "audio data"]
    wanted = bundled_recognizer.transcribe([FILES[2], FILES[0], FILES[1]])
    assert [found[place].text for place in (0, 2, 3)] == [result.text for result in wanted]
    assert found[1].duration == 40
    assert list(transcriber.transcribe([])) == []


def test_an_iterator_raises_after_the_results_before_the_bad_recording(
    transcriber: Transcriber, tmp_path: Path, expected: Transcript
) -> None:
    results = transcriber.transcribe([FILE, tmp_path / "missing.wav", FILE])
    assert next(results).text == expected.text
    with pytest.raises(UserError, match=r"missing\.wav: no such file"):
        next(results)


def test_the_bundled_model_is_there_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: Transcript
) -> None:
    monkeypatch.chdir(tmp_path)
    for recognizer in (Recognizer.load(), Recognizer.load("bundled")):
        (transcript,) = recognizer.transcribe([FILE])
        assert transcript.text == expected.text
    assert Transcriber().transcribe(FILE).text == expected.text


def test_a_local_folder_called_bundled_counts_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundled").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"config\.json"):
        Recognizer.load("bundled")


def test_options_decide_on_windows_and_decoding(bundled_recognizer: Recognizer) -> None:
    options = TranscribeOptions(
        window=5,
        batch_seconds=10,
        beam_search=BeamSearchOptions(lm=str(TEXT / "small.arpa"), n_best=3),
    )
    transcriber = Transcriber(bundled_recognizer, options)
    assert (transcriber.windows.seconds, transcriber.windows.batch_seconds) == (5, 10)
    transcript: Any = transcriber.transcribe(FILE).transcript
    assert 1 <= len(transcript.alternatives) <= 2
    with pytest.raises(UserError, match="lm_weight needs lm"):
        BeamSearchOptions(lm_weight=1.0)
    with pytest.raises(UserError, match="1 to 120 s, got 121 s"):
        Transcriber(bundled_recognizer, TranscribeOptions(window=121))


def test_vad_skips_what_is_not_speech(bundled_recognizer: Recognizer) -> None:
    quiet = np.zeros(16000 * 5, np.float32)
    speech = np.concatenate([quiet, load_audio(FILE), quiet])
    result = Transcriber(bundled_recognizer, TranscribeOptions(vad=True)).transcribe(speech)
    assert result.words
    assert all(4.5 <= word.start < word.end <= result.duration - 4.5 for word in result.words)


@pytest.mark.parametrize(
    ("speech", "rate", "message"),
    [
        (np.zeros((2, 16000), np.float32), None, r"mono.*got \(2, 16000\): average .*axis=0"),
        (np.zeros((16000, 2), np.float32), None, r"mono.*got \(16000, 2\): average .*axis=1"),
        (np.zeros((1, 1, 16000), np.float32), None, r"mono.*got \(1, 1, 16000\)"),
        (np.zeros(16000, np.int16), None, "floating-point numbers, got int16: divide it by 32768"),
        (np.array([0.0] * 500 + [math.nan] * 500), None, "finite, got nan at sample 500"),
        (np.zeros(44100, np.float32), 44100, "must be 16000 Hz, got 44100: resample"),
        (np.zeros(399, np.float32), None, "array: 399 samples are too few"),
        (FILE, 44100, "sampling_rate=44100 describes an array, got a file"),
        (17, None, "got int"),
    ],
)
def test_one_clear_error(
    speech: Any, rate: int | None, message: str, transcriber: Transcriber
) -> None:
    calls: list[Any] = [
        lambda: transcriber.transcribe(speech, sampling_rate=rate),
        lambda: align(speech, "the", transcriber.recognizer, sampling_rate=rate),
    ]
    if not isinstance(speech, int):
        calls += [lambda: list(transcriber.transcribe([speech], sampling_rate=rate))]
    for call in calls:
        with pytest.raises(UserError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_samples_without_an_array_are_an_error(transcriber: Transcriber) -> None:
    with pytest.raises(UserError, match=r"got float: convert it with numpy\.asarray"):
        list(transcriber.transcribe([0.1, 0.2]))  # type: ignore[list-item]


def test_a_recognizer_takes_a_list_of_files_or_arrays(
    bundled_recognizer: Recognizer, expected: Transcript
) -> None:
    results = bundled_recognizer.transcribe([FILE, load_audio(FILE), FILE.read_bytes()])
    assert [result.text for result in results] == [expected.text] * 3
    for one in (str(FILE), load_audio(FILE)):
        with pytest.raises(UserError, match=r"must be a list .* give \[speech\]"):
            bundled_recognizer.transcribe(one)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="mono"):
        bundled_recognizer.transcribe([np.zeros((2, 16000), np.float32)])


def test_a_language_needs_a_model_to_load(bundled_recognizer: Recognizer) -> None:
    with pytest.raises(UserError, match=r"target_lang='fra' needs a model to load"):
        Transcriber(bundled_recognizer, target_lang="fra")
    with pytest.raises(UserError, match="has no adapters of languages"):
        Transcriber(target_lang="fra", hub=HubOptions(local_files_only=True))


def test_align_returns_the_words_of_the_text(
    bundled_recognizer: Recognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = next(FILE.parent.glob("*.trans.txt")).read_text().splitlines()
    text = dict(line.split(" ", 1) for line in lines)[FILE.stem]
    stages: list[str] = []
    result = align(
        FILE, text, bundled_recognizer, progress=lambda stage, done: stages.append(stage)
    )
    assert result.text == text
    assert [word.text for word in result.words] == text.split()
    assert result.source == str(FILE)
    assert result.duration == soundfile.info(FILE).duration
    assert list(dict.fromkeys(stages)) == ["model", "alignment"]
    assert align(load_audio(FILE), text, bundled_recognizer).words == result.words
    assert main(["align", str(FILE), "--text", text, "--model", str(BUNDLED_MODEL)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(result.render("json"))
    with pytest.raises(UserError, match=r"array: the text \w+ \w+ words"):
        align(load_audio(FILE), " ", bundled_recognizer)


def test_a_result_is_rendered_in_every_format(transcriber: Transcriber) -> None:
    result = transcriber.transcribe(FILE)
    assert result.render("txt") == f"{result.text}\n"
    assert result.render("vtt").startswith("WEBVTT\n")
    assert result.render("tsv").count("\n") == len(result.words) + 1
    assert '"words"' in result.render("textgrid")
    with pytest.raises(UserError, match=r"format must be one of .*, got 'str'; did you mean srt"):
        result.render("str")


def test_a_recording_says_where_it_came_from() -> None:
    assert Recording.of(FILE).name == str(FILE)
    with FILE.open("rb") as file:
        assert Recording.of(file).name == str(FILE)
    with pytest.raises(UserError, match="sampling_rate=8000 describes an array"):
        Recording.of(FILE.read_bytes(), 8000)
