"""Every program that takes a corpus reads the same parts of recordings, and named columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from eval.__main__ import main as evaluation
from eval.long_form import joined
from eval.wer.evaluate import evaluate
from eval.wer.options import EvaluateOptions
from tests.support.corpus import RATE, SPOKEN, Parrot, tone
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.training.examples import open_corpora, select_examples
from wav2vec2_tf.transcription.batch.inputs import inputs_named

COLUMNS = Columns(audio_column="recording", text_column="said")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The corpus of `SPOKEN` as parts of one recording, in a manifest with columns of its own."""
    rows, speech = [], [np.zeros(800, np.float32)]
    for key, (text, samples) in SPOKEN.items():
        offset = sum(map(len, speech)) / RATE
        row = {"id": key, "recording": "long.wav", "offset": offset, "duration": samples / RATE}
        rows.append({**row, "said": text, "text": "NOT THIS"})
        speech += [tone(samples), np.zeros(1600, np.float32)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(speech), RATE)
    path = tmp_path / "m.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_evaluation(manifest: Path) -> None:
    options = EvaluateOptions(modes=("variable",), audio_column="recording", text_column="said")
    evaluation = evaluate(Parrot(), str(manifest), options)
    counts = evaluation.modes["variable"].counts
    assert (counts.wer, counts.words) == (0, sum(len(text.split()) for text, _ in SPOKEN.values()))
    assert evaluation.options["text_column"] == "said"
    recordings = list(joined(open_corpus(str(manifest), columns=COLUMNS), 110))
    assert sum(len(recording.speech) for recording in recordings) >= sum(
        samples for _, samples in SPOKEN.values()
    )


@pytest.mark.parametrize("transcribed", [True, False])
def test_training(manifest: Path, transcribed: bool) -> None:
    corpora = open_corpora([str(manifest)], None, None, COLUMNS, transcribed=transcribed)
    selection = select_examples(corpora, Wav2Vec2Config())
    for example in selection.examples:
        samples = SPOKEN[example.id][1]
        assert example.samples == samples
        np.testing.assert_allclose(example.load(), tone(samples), atol=2**-15)
    assert len(selection.examples) == len(SPOKEN)


def test_shards(manifest: Path, tmp_path: Path) -> None:
    flags = ["--audio-column", "recording", "--text-column", "said", "--processes", "1"]
    assert main(["shards", str(manifest), str(tmp_path / "shards"), *flags]) == 0
    corpus = open_corpus(str(tmp_path / "shards"))
    found = {utterance.id: (utterance.text, len(utterance.load())) for utterance in corpus}
    assert found == SPOKEN


def test_batch_inputs(manifest: Path) -> None:
    found = {one.id: one for one in inputs_named(str(manifest), COLUMNS)}
    assert list(found) == list(SPOKEN)
    for key, (_, samples) in SPOKEN.items():
        stretch = found[key].stretch
        assert stretch.is_stated
        assert stretch.duration == samples / RATE
    with pytest.raises(ValueError, match=r"m\.json: no column audio"):
        list(inputs_named(str(manifest)))


@pytest.mark.parametrize(
    "program", ["finetune", "pretrain", "shards", "eval wer", "eval long-form"]
)
def test_help_names_the_columns(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    start, _, name = program.rpartition(" ")
    with pytest.raises(SystemExit):
        (evaluation if start else main)([name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--audio-column NAME" in text
    assert "--text-column NAME" in text
    if name != "long-form":  # which refers to `eval wer`
        for layout in ("LibriSpeech", "OpenSLR", "Common Voice", "Kaldi", "AudioFolder", "NeMo"):
            assert layout in text, layout
