"""`eval wer` by beam search, and the grid of its weights."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from eval.__main__ import main
from eval.wer.options import TuneOptions
from eval.wer.tune import Emission, Point, Tuning, grid_table, search_grid
from tests.support.paths import DATA, TEXT
from wav2vec2_tf.cli.main import main as program
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.beam_search import BeamSearch
from wav2vec2_tf.text.language_model import LanguageModel
from wav2vec2_tf.utils.journal import Journal

CORPUS = DATA / "corpus"


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trigrams of text that does not occur in the corpus."""
    path = tmp_path_factory.mktemp("lm") / "kjv.arpa"
    assert program(["ngram", str(TEXT / "kjv_runs.txt"), str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lexicon") / "words.txt"
    path.write_text("\n".join(sorted(set((TEXT / "kjv_runs.txt").read_text().split()))))
    return path


def wer(*options: object, data: Path = CORPUS) -> int:
    common = ["--model", BUNDLED_MODEL, "--data", data, "--modes", "variable"]
    return main(["wer", *map(str, common), *map(str, options)])


def test_the_gain_on_the_bundled_corpus(
    tmp_path: Path,
    arpa: Path,
    lexicon: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Compares greedy decoding with two grid points, one of them the default."""
    monkeypatch.setattr("wav2vec2_tf.utils.progress.QUIET_SECONDS", 0.0)
    out = tmp_path / "grid.json"
    options = ["--tune", "--lm-weights", "0.5,1", "--word-scores", "0", "--json", out]
    assert wer("--lm", arpa, "--lexicon", lexicon, *options) == 0
    grid = json.loads(out.read_text())
    assert (grid["utterances"], grid["words"]) == (64, 1279)
    assert grid["greedy_wer"] == pytest.approx(0.0547, abs=0.003)  # the figures in the model's card
    weights = [(point["lm_weight"], point["word_score"]) for point in grid["points"]]
    assert weights == [(0.5, 0.0), (1.0, 0.0)]
    assert all(point["wer"] < 0.03 for point in grid["points"])
    assert grid["best"] == min(grid["points"], key=lambda point: point["wer"])
    printed = capsys.readouterr()
    assert f"--lm-weight {grid['best']['lm_weight']:g} --word-score 0" in printed.out
    assert f"*{100 * grid['best']['wer']:.2f}" in printed.out
    assert "model: 64 of 64 utterances (100 %)" in printed.err
    assert re.search(r"search: 128 of 128 utterances \(100 %\), .*best WER 2\.\d\d %", printed.err)


def test_what_the_grid_promises_is_measured(tmp_path: Path, arpa: Path) -> None:
    """`eval wer` with a grid point's weights has its WER; without them, greedy decoding's."""
    folder = CORPUS / "1002"
    few = ["--limit", 5, "--batch-size", 5]
    files = [tmp_path / name for name in ("grid.json", "search.json", "greedy.json")]
    tuning = ["--tune", "--lm-weights", "2", "--word-scores", "-3"]
    assert wer("--lm", arpa, *tuning, *few, "--json", files[0], data=folder) == 0
    weights = ["--lm-weight", "2", "--word-score", "-3"]
    assert wer("--lm", arpa, *weights, *few, "--json", files[1], data=folder) == 0
    assert wer(*few, "--json", files[2], data=folder) == 0
    grid, search, greedy = (json.loads(file.read_text()) for file in files)
    assert search["modes"]["variable"]["wer"] == grid["points"][0]["wer"]
    assert greedy["modes"]["variable"]["wer"] == grid["greedy_wer"]
    decoding = search["options"]["decoding"]
    assert (decoding["lm"], decoding["lm_weight"], decoding["word_score"]) == (str(arpa), 2, -3)
    assert greedy["options"]["decoding"] is None


# The grid without a model


@dataclass(frozen=True)
class SomeRecognizer:
    """The part of a recognizer that tuning uses."""

    characters: frozenset[str] = frozenset("AB")
    seconds_per_frame: float = 0.02
    decoder: Any = None

    def decode(self, logits: np.ndarray) -> Any:
        return ctc.transcript(ctc.BestPath.of(logits), ALPHABET, 0.02)


ALPHABET = ctc.Alphabet(("<pad>", "|", "A", "B"), blank=0, word_delimiter=1)


def test_every_point_is_its_own_search(tmp_path: Path) -> None:
    """The WER of each pair of weights equals jiwer's of a search with these weights."""
    (tmp_path / "text").write_text("AB A\nA B\nAB B\n")
    path = tmp_path / "ab.arpa"
    assert program(["ngram", str(tmp_path / "text"), str(path), "--order", "2"]) == 0
    draw = np.random.default_rng(5)
    outputs = [
        Emission(text, ctc.log_softmax(draw.normal(0, 2, (14, 4)).astype(np.float32)))
        for text in ("AB A", "B", "A B AB", "B A")
    ]
    search = BeamSearch(ALPHABET, LanguageModel(path))
    weights, scores = (0.0, 1.0, 4.0), (-2.0, 0.0)
    grid = TuneOptions(lm_weights=weights, word_scores=scores)
    result = search_grid(outputs, SomeRecognizer(), search, grid)  # type: ignore[arg-type]
    assert [(p.lm_weight, p.word_score) for p in result.points] == [
        (weight, score) for weight in weights for score in scores
    ]
    references = [one.reference for one in outputs]
    for point in result.points:
        one_search = replace(search, lm_weight=point.lm_weight, word_score=point.word_score)
        texts = [one_search(one.log_probabilities, 0.02).text for one in outputs]
        assert point.wer == jiwer.wer(references, texts)
    assert len({point.wer for point in result.points}) > 1
    greedy = [SomeRecognizer().decode(one.log_probabilities).text for one in outputs]
    assert result.greedy == jiwer.wer(references, greedy)
    assert (result.utterances, result.words) == (4, 8)


def test_the_best_of_equals_trusts_the_model_most() -> None:
    points = [(1.0, 0.0, 0.2), (0.5, 1.0, 0.1), (0.5, -0.5, 0.1), (2.0, 0.0, 0.1), (0.0, 0.0, 0.3)]
    tuning = Tuning("variable", 4, 8, 0.4, tuple(Point(*point) for point in points))
    assert tuning.best == Point(0.5, -0.5, 0.1)


def test_table() -> None:
    points = [(0.5, 0.0, 0.25), (0.5, 1.0, 0.1), (1.0, 0.0, 0.2), (1.0, 1.0, 0.1234)]
    tuning = Tuning("variable", 4, 8, 0.4, tuple(Point(*point) for point in points))
    assert grid_table(tuning) == (
        ["lm weight", "word score 0", "word score 1"],
        [["0.5", "25.00", "*10.00"], ["1", "20.00", "12.34"]],
    )


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tune"], "name one with --lm"),
        (["--tune", "--lm", "x", "--report", "page.html"], "--tune writes its grid with --json"),
        (["--tune", "--lm", "x", "--lm-weight", "0"], "give them as --lm-weights"),
        (["--lm", "none.arpa"], "none.arpa: no such file"),
        (["--lm", str(TEXT / "small.txt")], "its first line is not"),
        (["--lexicon", "none.txt"], "none.txt: cannot be read"),
        (["--hotword", "7"], "cannot spell the hotword '7'"),
        (["--lm-weight", "1"], "--lm-weight needs --lm"),
        (["--lm-weights", "1"], "--lm-weights and --word-scores need --tune"),
    ],
)
def test_one_line_says_what_is_wrong(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wer(*options) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert message in errors[0]


def test_invalid_weights(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        wer("--tune", "--lm-weights", "1,much")
    assert "argument --lm-weights: 'much' is not a number" in capsys.readouterr().err


def test_another_model_is_another_run(
    tmp_path: Path,
    arpa: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run does not resume without its language model or with another one."""
    copy, work = tmp_path / "lm.arpa", tmp_path / "work.jsonl"
    copy.write_bytes(arpa.read_bytes())

    def interrupted(*_: Any, journal: Journal, **options: Any) -> None:
        journal.add("variable x", None)
        raise KeyboardInterrupt

    monkeypatch.setattr("eval.wer.evaluate.measure", interrupted)
    options = ["--limit", 1, "--work", work]
    assert wer("--lm", copy, *options, data=CORPUS / "1002") == 130
    for decoding in (["--lm", arpa], ["--lm", arpa, "--lm-weight", 1], []):
        assert wer(*decoding, *options, data=CORPUS / "1002") == 1
        assert "left by a run with another decoding" in capsys.readouterr().err
