"""Files written by fairseq: outputs and conversion to Hugging Face, without fairseq or torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from convert.__main__ import main as convert
from tests.support import reference
from tests.support.paths import FAIRSEQ, ROOT
from wav2vec2_tf import (
    AutoModel,
    AutoModelForCTC,
    AutoModelForPreTraining,
    AutoProcessor,
    Recognizer,
    UserError,
)
from wav2vec2_tf.models import flops as info

PRE_TRAINED = ("pretrained_group_norm",)
FINE_TUNED = ("finetuned_ctc_group_norm", "finetuned_ctc_layer_norm_cfg")
TOLERANCE = 1e-4


def expected(name: str) -> dict[str, np.ndarray]:
    with np.load(FAIRSEQ / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", [*PRE_TRAINED, *FINE_TUNED])
def test_hidden_states_are_those_fairseq_computed(name: str) -> None:
    wanted = expected(name)
    model = AutoModel.from_pretrained(FAIRSEQ / f"{name}.pt")
    np.testing.assert_allclose(model(wanted["speech"]), wanted["hidden_states"], atol=TOLERANCE)


@pytest.mark.parametrize("name", FINE_TUNED)
def test_logits_are_those_fairseq_computed(name: str) -> None:
    wanted = expected(name)
    model = AutoModelForCTC.from_pretrained(FAIRSEQ / f"{name}.pt")
    assert model.load_report.seeded == ()
    logits = model(wanted["speech"]).numpy()
    np.testing.assert_allclose(logits, wanted["logits"], atol=TOLERANCE)
    np.testing.assert_array_equal(logits.argmax(-1), wanted["logits"].argmax(-1))


def test_features_are_those_fairseq_computed() -> None:
    wanted = expected("pretrained_group_norm")
    model = AutoModelForPreTraining.from_pretrained(FAIRSEQ / "pretrained_group_norm.pt")
    got = model.base_model.feature_encoder(wanted["speech"])
    np.testing.assert_allclose(got, wanted["conv_features"], atol=TOLERANCE)


@pytest.mark.parametrize("program", ["torch", "huggingface"])
@pytest.mark.parametrize("name", FINE_TUNED)
def test_the_published_path_to_a_hugging_face_model(
    name: str, program: str, tmp_path: Path
) -> None:
    """`wav2vec_small_960h.pt` and `dict.ltr.txt` → `Wav2Vec2ForCTC` and its processor."""
    out = tmp_path / "out"
    assert convert([program, str(FAIRSEQ / f"{name}.pt"), str(out)]) == 0
    wanted = expected(name)
    model, report = transformers.AutoModelForCTC.from_pretrained(out, output_loading_info=True)
    assert type(model).__name__ == "Wav2Vec2ForCTC"
    assert not any(report.values()), report
    logits = reference.run(model.eval(), wanted["speech"])
    np.testing.assert_allclose(logits, wanted["logits"], atol=TOLERANCE)
    ours = AutoModelForCTC.from_pretrained(out)
    np.testing.assert_allclose(ours(wanted["speech"]), logits, atol=1e-5)
    theirs = transformers.Wav2Vec2Processor.from_pretrained(out)
    ids = np.arange(32)[np.newaxis]
    assert AutoProcessor.from_pretrained(out).batch_decode(ids) == theirs.batch_decode(ids)
    assert theirs.tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 4, 5]) == [
        *("<pad>", "<s>", "</s>", "<unk>", "|", "E")
    ]
    layer_norm = name == "finetuned_ctc_layer_norm_cfg"
    assert theirs.feature_extractor.return_attention_mask is layer_norm


def test_a_pre_trained_file_keeps_its_quantizer(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(["huggingface", str(FAIRSEQ / "pretrained_group_norm.pt"), str(out)]) == 0
    model, report = transformers.Wav2Vec2ForPreTraining.from_pretrained(
        out, output_loading_info=True
    )
    assert not any(report.values()), report
    speech = expected("pretrained_group_norm")["speech"]
    with torch.inference_mode():
        theirs = model.eval()(torch.from_numpy(speech))
    ours = AutoModelForPreTraining.from_pretrained(FAIRSEQ / "pretrained_group_norm.pt")(speech)
    for name in ("projected_states", "projected_quantized_states", "codevector_perplexity"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-5)


@pytest.mark.slow
def test_needs_neither_torch_nor_fairseq(tmp_path: Path) -> None:
    program = """
import sys

class Absent:  # None in sys.modules would disturb packages that look there for torch
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "fairseq", "transformers"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent)
from convert.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
    source, out = FAIRSEQ / "finetuned_ctc_group_norm.pt", tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", program, "huggingface", str(source), str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert len(load_file(out / "model.safetensors")) > 50


def test_transcribed_with_the_dictionary_beside_it(tmp_path: Path) -> None:
    shutil.copy(FAIRSEQ / "finetuned_ctc_group_norm.pt", tmp_path / "model.pt")
    speech = reference.noise(16_000)
    with pytest.raises(UserError, match="has no dict.ltr.txt beside it"):
        Recognizer.load(tmp_path / "model.pt")
    shutil.copy(FAIRSEQ / "dict.ltr.txt", tmp_path)
    (transcript,) = Recognizer.load(tmp_path / "model.pt").transcribe([speech])
    assert convert(["torch", str(tmp_path / "model.pt"), str(tmp_path / "out")]) == 0
    (again,) = Recognizer.load(tmp_path / "out").transcribe([speech])
    assert transcript == again
    assert transcript.text


@pytest.mark.parametrize("line", [0, -1])  # the first is "|", which a tokenizer may add
def test_a_dictionary_of_another_model(
    tmp_path: Path, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = (FAIRSEQ / "dict.ltr.txt").read_text(encoding="utf-8").splitlines()
    assert letters.pop(line)[0] in "|Z"
    (tmp_path / "dict.txt").write_text("\n".join(letters) + "\n", encoding="utf-8")
    arguments: list[Any] = [FAIRSEQ / "finetuned_ctc_group_norm.pt", tmp_path / "out"]
    assert convert(["torch", *map(str, arguments), "--dictionary", str(tmp_path / "dict.txt")]) == 1
    assert "the vocabulary has 31 tokens and the model's head 32" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    shutil.copy(FAIRSEQ / "finetuned_ctc_group_norm.pt", tmp_path / "model.pt")
    (tmp_path / "dict.txt").rename(tmp_path / "dict.ltr.txt")
    with pytest.raises(UserError, match="has 31 tokens and the model's head 32"):
        Recognizer.load(tmp_path / "model.pt")


def test_described() -> None:
    described = info.describe(FAIRSEQ / "finetuned_ctc_group_norm.pt", 40_000)
    assert described.frames == 124
    assert {part.name for part in described.parts} >= {"feature encoder", "transformer", "head"}
