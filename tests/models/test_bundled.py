"""On the bundled model and corpus, padding raises the WER, and lengths undo that."""

from __future__ import annotations

import json
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile

from eval.__main__ import main
from tests.support.paths import CORPUS
from wav2vec2_tf.data.bundled import BUNDLED_MODEL

pytestmark = pytest.mark.xdist_group("bundled")  # `figures` takes long, so one process makes it

FIXED = 246_000


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of `eval wer` for the bundled model and corpus."""
    folder = tmp_path_factory.mktemp("bundled")
    arguments = ["wer", "--model", str(BUNDLED_MODEL), "--data", str(CORPUS)]
    arguments += ["--modes", "padded,variable,masked,published"]
    arguments += ["--json", str(folder / "wer.json"), "--utterances", str(folder / "rows.jsonl")]
    assert main(arguments) == 0
    result: dict[str, Any] = json.loads((folder / "wer.json").read_text(encoding="utf-8"))
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    result["rows"] = [json.loads(line) for line in lines]
    return result


def test_padding_raises_the_wer_and_lengths_undo_that(figures: dict[str, Any]) -> None:
    modes = figures["modes"]
    assert modes["variable"]["wer"] <= 0.15
    assert modes["padded"]["wer"] > 1.2 * modes["variable"]["wer"]
    assert modes["padded"]["fitting"]["wer"] > 1.2 * modes["variable"]["fitting"]["wer"]
    assert modes["masked"]["fitting"] == modes["variable"]["fitting"]


def test_the_published_protocol_cuts_references(figures: dict[str, Any]) -> None:
    """In `padded` and in the published protocol, by the steps of the notebook in PyTorch."""
    modes = figures["modes"]
    assert modes["padded"]["wer"] == pytest.approx(0.2048, abs=0.003)
    assert modes["published"]["wer"] == pytest.approx(0.2282, abs=0.003)
    references = [row["reference"] for row in figures["rows"] if row["mode"] == "published"]
    assert max(map(len, references)) <= 256
    assert (len(references), sum(len(text.split()) for text in references)) == (64, 1091)


def test_masked_equals_variable_on_every_utterance_that_fits(figures: dict[str, Any]) -> None:
    texts: dict[str, dict[str, str]] = {}
    for row in figures["rows"]:
        if row["fits"]:
            texts.setdefault(row["mode"], {})[row["id"]] = row["hypothesis"]
    assert len(texts["masked"]) >= 50
    assert texts["masked"] == texts["variable"]


def test_wer_is_jiwers(figures: dict[str, Any]) -> None:
    for mode, counted in figures["modes"].items():
        rows = [row for row in figures["rows"] if row["mode"] == mode]
        references = [row["reference"] for row in rows]
        hypotheses = [row["hypothesis"] for row in rows]
        assert counted["wer"] == pytest.approx(jiwer.wer(references, hypotheses))
        assert counted["cer"] == pytest.approx(jiwer.cer(references, hypotheses))


def test_shapes_are_few(figures: dict[str, Any]) -> None:
    assert len(figures["modes"]["variable"]["shapes"]) <= 18


def test_transformers_transcribes_the_same(figures: dict[str, Any]) -> None:
    """Compares PyTorch on each utterance alone with our model on padded batches."""
    import torch
    import transformers

    from wav2vec2_tf import AutoProcessor
    from wav2vec2_tf.audio import load
    from wav2vec2_tf.audio.normalization import normalize

    model = transformers.Wav2Vec2ForCTC.from_pretrained(BUNDLED_MODEL).eval()
    processor = AutoProcessor.from_pretrained(BUNDLED_MODEL)
    ours = {r["id"]: r["hypothesis"] for r in figures["rows"] if r["mode"] == "variable"}
    for path in sorted(CORPUS.rglob("*.flac"))[::4]:
        with torch.inference_mode():
            logits = model(torch.from_numpy(normalize(load(path)))[None]).logits[0].numpy()
        assert processor.decode(logits.argmax(-1)).split() == ours[path.stem].split()


def test_the_corpus_is_as_described() -> None:
    files = sorted(CORPUS.rglob("*.flac"))
    seconds = np.array([soundfile.info(path).duration for path in files])
    assert len(files) >= 60
    assert seconds.min() >= 1
    assert seconds.max() <= 25
    assert (seconds * 16000 > FIXED).sum() >= 6
    assert len({path.parent.parent.name for path in files}) >= 3
    assert {soundfile.info(path).samplerate for path in files} == {16000}
    kept = [path for folder in (CORPUS, BUNDLED_MODEL) for path in folder.rglob("*")]
    assert sum(path.stat().st_size for path in kept if path.is_file()) < 25e6
