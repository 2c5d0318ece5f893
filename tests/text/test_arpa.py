"""Estimation of n-gram models: worked by hand, against KenLM's lmplz, and the program."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import kenlm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import TEXT
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.text.ngram import FALLBACK, arpa_lines, estimate
from wav2vec2_tf.utils.errors import UserError


def written(folder: Path, sentences: list[list[str]], order: int) -> kenlm.Model:
    """Returns the model as KenLM reads it."""
    path = folder / "model.arpa"
    path.write_text("".join(arpa_lines(estimate(sentences, order))), encoding="utf-8")
    config = kenlm.Config()
    config.show_progress = False
    return kenlm.Model(str(path), config)


def probability(model: kenlm.Model, history: list[str], word: str) -> float:
    """Returns p(word | history), at the start of a sentence if the history starts with <s>."""
    state, after = kenlm.State(), kenlm.State()
    if history[:1] == ["<s>"]:
        model.BeginSentenceWrite(state)
        history = history[1:]
    else:
        model.NullContextWrite(state)
    for before in history:
        model.BaseScore(state, before, after)
        state, after = after, state
    return 10 ** model.BaseScore(state, word, after)


def test_a_case_by_hand() -> None:
    """ "A B" and "A" are too few sentences for discounts, which are then 0.5, 1 and 1.5.

    Unigrams count the words before: A after <s> alone, B after A, </s> after B and A: 1, 1, 2 of 4.
    They keep back 0.5 + 0.5 + 1 = 2 of 4, spread over A, B, </s> and <unk>.
    """
    unigrams, bigrams = estimate([["A", "B"], ["A"]], 2)
    assert FALLBACK == (0.5, 1.0, 1.5)
    p = {ngram[-1]: 10**entry.probability for ngram, entry in unigrams.items()}
    even = (0.5 + 0.5 + 1) / 4 / 4
    assert p["A"] == pytest.approx((1 - 0.5) / 4 + even)
    assert p["B"] == pytest.approx((1 - 0.5) / 4 + even)
    assert p["</s>"] == pytest.approx((2 - 1) / 4 + even)
    assert p["<unk>"] == pytest.approx(even)
    # A is followed once by B and once by </s>: each is discounted by 0.5 of 2: backoff is 1/2
    assert 10 ** unigrams["A",].backoff == pytest.approx(0.5)
    assert 10 ** bigrams["A", "B"].probability == pytest.approx((1 - 0.5) / 2 + 0.5 * p["B"])
    # <s> is followed twice by A, which is discounted by 1 of 2
    assert 10 ** unigrams["<s>",].backoff == pytest.approx(0.5)
    assert 10 ** bigrams["<s>", "A"].probability == pytest.approx((2 - 1) / 2 + 0.5 * p["A"])
    assert set(bigrams) == {("<s>", "A"), ("A", "B"), ("A", "</s>"), ("B", "</s>")}


def test_discounts_by_hand() -> None:
    """Bigram counts 1 ×4, 2 ×3, 3 ×2, 4 ×1: Y = 4 / (4 + 2·3) = 0.4, so 1 − 2·0.4·3/4 = 0.4,
    2 − 3·0.4·2/3 = 1.2 and 3 − 4·0.4·1/2 = 2.2."""
    counts = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4]
    # every sentence is a single word w, so "<s> w" has the count of w
    sentences = [[f"w{index}"] for index, count in enumerate(counts) for _ in range(count)]
    unigrams, bigrams = estimate(sentences, 2)
    # "w </s>" has the same counts: of both together 8, 6, 4 and 2 n-grams, with the same Y
    kept_back = 4 * 0.4 + 3 * 1.2 + 3 * 2.2
    weight = kept_back / sum(counts)
    assert 10 ** unigrams["<s>",].backoff == pytest.approx(weight)
    shorter = 10 ** unigrams["w4",].probability
    assert 10 ** bigrams["<s>", "w4"].probability == pytest.approx(
        (2 - 1.2) / sum(counts) + weight * shorter
    )


# Output of `lmplz -o 3 --discount_fallback` (KenLM 0.3.0) on the first 400 lines of kjv_runs.txt.
LMPLZ_COUNTS = [177, 1190, 1751]
LMPLZ = {
    "<unk>": (-2.794182, 0.0),
    "</s>": (-1.0644922, 0.0),
    "THE": (-1.4566821, -0.49713),
    "LORD": (-2.664243, -0.17813547),
    "WITH THE": (-1.2240874, -0.07946244),
    "THE TIME": (-2.433524, -0.07946244),
    "CITY AND": (-0.82206357, -0.07946244),
    "OUT FROM": (-1.5539222, -0.07946244),
    "OF THE": (-0.73195624, -0.33113444),
    "IN MY </s>": (-0.23400189, 0.0),
    "<s> SPAKE UNTO": (-0.32965082, 0.0),
    "MINE OWN HOUSE": (-0.5305457, 0.0),
    "IT FOR OUT": (-0.70248514, 0.0),
    "OF THE LORD": (-0.90952915, 0.0),
}


def test_equals_lmplz() -> None:
    lines = (TEXT / "kjv_runs.txt").read_text(encoding="utf-8").splitlines()[:400]
    model = estimate([line.split() for line in lines], 3)
    assert [len(ngrams) for ngrams in model] == LMPLZ_COUNTS
    for words, (expected, backoff) in LMPLZ.items():
        ngram = tuple(words.split())
        entry = model[len(ngram) - 1][ngram]
        assert entry.probability == pytest.approx(expected, abs=2e-6)
        assert entry.backoff == pytest.approx(backoff, abs=2e-6)


words = st.sampled_from("ABCDE")
sentences = st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(sentences, st.integers(2, 4), st.lists(words, max_size=4), st.booleans())
def test_sums_to_one(
    tmp_path_factory: pytest.TempPathFactory,
    sentences: list[list[str]],
    order: int,
    history: list[str],
    from_beginning: bool,
) -> None:
    """KenLM's probabilities of all words, </s> and <unk> sum to 1 after any history."""
    sentences = [*sentences, ["A", "B"]]  # a long enough history
    model = written(tmp_path_factory.mktemp("arpa"), sentences, order)
    vocabulary = {word for sentence in sentences for word in sentence} | {"</s>", "<unk>"}
    before = ["<s>"] * from_beginning + history
    total = sum(probability(model, before, word) for word in vocabulary)
    assert total == pytest.approx(1, abs=1e-5)


def test_sums_to_one_after_the_histories_of_real_text(tmp_path: Path) -> None:
    lines = (TEXT / "kjv_runs.txt").read_text(encoding="utf-8").splitlines()[:400]
    sentences = [line.split() for line in lines]
    model = written(tmp_path, sentences, 3)
    vocabulary = {word for sentence in sentences for word in sentence} | {"</s>", "<unk>"}
    for sentence, (start, length) in zip(
        sentences[::25], product(range(2), range(4)), strict=False
    ):
        before = ["<s>"] * (start == 0) + sentence[start : start + length]
        assert sum(probability(model, before, word) for word in vocabulary) == pytest.approx(
            1, abs=1e-4
        )


def test_kenlm_reads_what_is_estimated(tmp_path: Path) -> None:
    """KenLM's score of a sentence is the sum of our entries, found without backing off."""
    sentences = [["A", "B", "C"], ["A", "B"], ["C"]]
    model = estimate(sentences, 2)
    sentence = ["<s>", "A", "B", "C", "</s>"]
    expected = sum(model[1][pair].probability for pair in pairwise(sentence))
    assert written(tmp_path, sentences, 2).score("A B C") == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("sentences", "order", "message"),
    [
        ([], 2, "the text must have words"),
        ([[]], 2, "the text must have words"),
        ([["A"]], 1, "order must be from 2 to 6"),
        ([["A"]], 7, "order must be from 2 to 6"),
        ([["A"]], 4, "no line has the 2 words"),
        ([["A", "<s>"]], 2, "the word <s> is reserved"),
        ([["<unk>"]], 2, "the word <unk> is reserved"),
    ],
)
def test_invalid_text(sentences: list[list[str]], order: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        estimate(sentences, order)


def test_empty_lines_count_nothing() -> None:
    assert estimate([["A"], [], ["B"]], 2) == estimate([["A"], ["B"]], 2)


# The program


def test_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The program reproduces the committed model; two files count as one text."""
    out = tmp_path / "new" / "small.arpa"
    assert main(["ngram", str(TEXT / "small.txt"), str(out), "--order", "2"]) == 0
    assert out.read_bytes() == (TEXT / "small.arpa").read_bytes()
    assert capsys.readouterr().out == f"{out}: 10 1-grams, 11 2-grams\n"
    first, rest = (TEXT / "small.txt").read_text(encoding="utf-8").split("\n", 1)
    (tmp_path / "a.txt").write_text("\ufeff" + first.lower(), encoding="utf-8")  # a byte order mark
    (tmp_path / "b.txt").write_text(rest, encoding="utf-8")
    parts = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    assert main(["ngram", *parts, str(out), "--order", "2", "--letters", "upper"]) == 0
    assert out.read_bytes() == (TEXT / "small.arpa").read_bytes()


def test_program_counts_characters(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("你好 你\n好\n", encoding="utf-8")
    out = tmp_path / "out.arpa"
    assert main(["ngram", str(tmp_path / "text"), str(out), "--characters", "--order", "2"]) == 0
    content = out.read_text(encoding="utf-8")
    assert "ngram 1=5" in content
    assert "\t你 好\n" in content
    assert "\t好 你\n" in content


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", [], "the text must have words"),
        (b" \n\t\n", [], "the text must have words"),
        (b"\xff\xfe\x00", [], "must be UTF-8 text"),
        (b"A </s> B\n", [], "the word </s> is reserved"),
        (b"A B\n", ["--order", "9"], "order must be from 2 to 6, got 9"),
        (b"A\n", ["--order", "6"], "no line has the 4 words"),
    ],
)
def test_program_says_what_is_wrong(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    options: list[str],
    message: str,
) -> None:
    text, out = tmp_path / "text", tmp_path / "out.arpa"
    text.write_bytes(content)
    assert main(["ngram", str(text), str(out), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*out*"))


def test_program_without_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text"
    assert main(["ngram", str(text), str(tmp_path / "out")]) == 1
    assert "text: cannot be read (No such file or directory)" in capsys.readouterr().err
    text.write_text("A B C\n", encoding="utf-8")
    assert main(["ngram", str(text), str(text)]) == 1
    assert "name the file to write last" in capsys.readouterr().err
    assert text.read_text(encoding="utf-8") == "A B C\n"
    assert main(["ngram", str(text), str(tmp_path)]) == 1
    assert "is a folder; name a file" in capsys.readouterr().err


def test_the_text_says_nothing_of_the_corpora() -> None:
    """No line of the text occurs in an utterance, and no line contains a whole utterance."""
    runs = (TEXT / "kjv_runs.txt").read_text(encoding="utf-8").splitlines()
    transcripts = [
        line.partition(" ")[2]
        for file in TEXT.parent.rglob("*.trans.txt")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert (len(runs), len(transcripts)) == (5000, 344)
    whole = "\n".join(transcripts)
    assert not [run for run in runs if run in whole]
    assert not [run for run in runs if any(text in run for text in transcripts)]
    assert len(set(runs)) == len(runs)
