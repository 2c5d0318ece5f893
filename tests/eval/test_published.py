"""`eval wer --modes published`: the protocol of the notebook behind the published WER."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
import transformers

from eval.__main__ import main
from eval.wer.evaluate import measure
from eval.wer.options import PADDED, PUBLISHED, EvaluateOptions
from eval.wer.published import published_references
from eval.wer.tables import band_table
from eval.wer.tune import tune
from tests.support.corpus import Parrot, bucket, write_corpus
from tests.support.paths import CORPUS
from wav2vec2_tf import UserError
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.eval import evaluate
from wav2vec2_tf.utils.journal import Journal

FIFTY = "ABCD " * 50  # of 250 characters


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A SHORT ONE", "A SHORT ONE"),
        ("lower case, with marks: 7 of them!", "LOWER CASE WITH MARKS  OF THEM"),
        ("DON'T — RE-ENTER", "DON'T  RE ENTER"),
        ("  two \t spaces\u00a0here", "TWO SPACES HERE"),
        (f"{FIFTY}ABCDEF", f"{FIFTY}ABCDEF"),  # 256
        (f"{FIFTY}ABCDEFG", f"{FIFTY}ABCDEF"),
        (f"{FIFTY}ABCDE FG", f"{FIFTY}ABCDE"),
        (f"{FIFTY}AB-CD EF", f"{FIFTY}AB CD"),
        ("TWO WORDS", "TWO WORDS"),
        ("ONE", None),
        ("ONE-TWO", None),  # one word to the notebook, which splits the line before that
        ("7 8 9", None),
    ],
)
def test_references(text: str, wanted: str | None) -> None:
    assert published_references({"a": text}) == ({} if wanted is None else {"a": wanted})


def test_the_published_mode_scores_what_padded_computed(tmp_path: Path) -> None:
    spoken = {
        "11-7-0000": ("IN THE BEGINNING", 6000),
        "11-7-0001": ("GOOD", 1600),
        "11-7-0002": (" ".join(["WORD"] * 60), 15997),  # 299 characters
    }
    corpus = open_corpus(str(write_corpus(tmp_path / "corpus", spoken)))
    parrot = Parrot(spoken=spoken)
    options = {"length": 16000, "bucket": bucket, "batch_size": 4}
    journal = Journal(tmp_path / "work.jsonl", {})
    result = measure(parrot, corpus, modes=[PADDED, PUBLISHED], journal=journal, **options)
    assert len(parrot.calls) == 1
    padded, published = (result.modes[mode].counts for mode in (PADDED, PUBLISHED))
    assert (padded.utterances, padded.words) == (3, 64)
    # 256 characters are 51 words and "W": 52. The other 8 words and the last whole one are errors.
    assert (published.utterances, published.words) == (2, 3 + 52)
    assert published.substitutions - padded.substitutions == 1
    assert published.insertions - padded.insertions == 8 - 1  # "GOOD" had one
    alone = measure(parrot, corpus, modes=[PUBLISHED], journal=journal, **options)
    assert len(parrot.calls) == 1  # what padded had finished
    assert alone.modes[PUBLISHED].counts == published


def test_letters_are_those_of_the_model(tmp_path: Path) -> None:
    spoken = {"1-1-0000": ("in the Beginning", 6000)}
    corpus = open_corpus(str(write_corpus(tmp_path / "corpus", spoken)))
    parrot = Parrot(spoken=spoken, characters=frozenset("abcdefghijklmnopqrstuvwxyz'"))
    result = measure(parrot, corpus, modes=[PUBLISHED], length=6000, bucket=bucket)
    assert [row.reference for row in result.modes[PUBLISHED].rows] == ["in the beginning"]


def test_letters_that_change_with_their_case(tmp_path: Path) -> None:
    """The notebook removes a dotted I and a capital sharp s; in lower case they become others."""
    spoken = {"1-1-0000": ("İT IS A STRAẞE", 6000)}
    corpus = open_corpus(str(write_corpus(tmp_path / "corpus", spoken)))
    parrot = Parrot(spoken=spoken, characters=frozenset("abcdefghijklmnopqrstuvwxyz'"))
    result = measure(parrot, corpus, modes=[PUBLISHED], length=6000, bucket=bucket)
    assert [row.reference for row in result.modes[PUBLISHED].rows] == ["t is a strae"]


def test_a_model_that_takes_no_lengths_has_the_published_mode(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "corpus")
    options = EvaluateOptions(modes=(PADDED, PUBLISHED), length=16000)
    result = evaluate(Parrot(takes_lengths=False), folder, options)
    assert list(result.modes) == [PADDED, PUBLISHED]
    with pytest.raises(UserError, match="leave published out of the modes"):
        tune("bundled", folder, EvaluateOptions(modes=(PUBLISHED,)))


def test_bands_of_utterances_that_the_notebook_leaves_out(
    tmp_path: Path,
) -> None:
    """A band that only they fill has no figure, and the others stay beside their own."""
    spoken = {"11-7-0000": ("GOOD", 1600), "11-7-0001": ("BE STILL", 24000)}
    corpus = open_corpus(str(write_corpus(tmp_path / "corpus", spoken)))
    result = measure(
        Parrot(spoken=spoken), corpus, modes=[PADDED, PUBLISHED], length=16000, bucket=bucket
    )
    _, rows = band_table(result)
    assert rows == [["0 to 1 s", "1", "100.00", "-"], ["1 to 5 s", "1", "50.00", "50.00"]]


@pytest.mark.parametrize("text", ["GOOD", "7 8 9", "ДОБРЫЙ ДЕНЬ"])
def test_no_transcript_that_the_notebook_scores(tmp_path: Path, text: str) -> None:
    spoken = {"11-7-0000": (text, 1600)}
    corpus = open_corpus(str(write_corpus(tmp_path / "corpus", spoken)))
    parrot = Parrot(spoken=spoken)
    with pytest.raises(UserError, match="no transcript has two words .* leave published out"):
        measure(parrot, corpus, modes=[PADDED, PUBLISHED], length=16000, bucket=bucket)
    assert not parrot.calls


def test_it_is_a_mode_of_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page has a look for it, and the help names it."""
    with pytest.raises(SystemExit):
        main(["wer", "--help"])
    assert "published is padded, with references cut" in " ".join(capsys.readouterr().out.split())
    arguments = ["wer", "--model", "bundled", "--data", str(CORPUS / "1001"), "--limit", "1"]
    arguments += ["--modes", "published", "--length", "48000"]
    outputs = ["--json", str(tmp_path / "wer.json"), "--report", str(tmp_path / "page.html")]
    assert main(arguments + outputs) == 0
    assert list(json.loads((tmp_path / "wer.json").read_text())["modes"]) == ["published"]
    assert "“published” is the same" in (tmp_path / "page.html").read_text(encoding="utf-8")


def notebook_wer() -> float:
    """Returns what the notebook's steps give with PyTorch's model, on the bundled corpus."""
    model = transformers.Wav2Vec2ForCTC.from_pretrained(BUNDLED_MODEL).eval()
    ids = json.loads((BUNDLED_MODEL / "vocab.json").read_text(encoding="utf-8"))
    tokens = {number: token for token, number in ids.items()}

    def decode(numbers: list[int], group: bool) -> str:
        if group:
            numbers = [number for number, _ in itertools.groupby(numbers)]
        kept = [tokens[number] for number in numbers if number != ids["<pad>"]]
        return "".join(" " if token == "|" else token for token in kept).strip()

    references, hypotheses = [], []
    for utterance in open_corpus(str(CORPUS)):
        speech = utterance.load()
        speech = (speech - speech.mean()) / np.sqrt(speech.var() + 1e-5)
        padded = np.zeros((1, 246_000), np.float32)
        padded[0, : len(speech)] = speech[:246_000]
        with torch.no_grad():
            best = model(torch.tensor(padded)).logits.argmax(-1)[0].tolist()
        text = re.sub("[^A-Z' ]", "", re.sub("-", " ", utterance.text).upper())
        label = [ids.get(token, ids["<unk>"]) for token in text.replace(" ", "|")][:256]
        hypotheses.append(decode(best, group=True))
        references.append(decode(label + [ids["<pad>"]] * (256 - len(label)), group=False))
    return jiwer.wer(references, hypotheses)


@pytest.mark.slow
def test_the_wer_is_the_notebook_s() -> None:
    wanted = notebook_wer()
    assert wanted == pytest.approx(0.22823, abs=1e-3)
    result = evaluate("bundled", CORPUS, EvaluateOptions(modes=(PADDED, PUBLISHED)))
    assert result.modes[PUBLISHED].counts.wer == pytest.approx(wanted, abs=1e-3)
    assert result.modes[PADDED].counts.wer == pytest.approx(0.2048, abs=1e-3)
