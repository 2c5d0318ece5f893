"""Groups of flags that several programs share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.support.paths import TEXT
from wav2vec2_tf import BeamSearchOptions, HubOptions, TranscribeOptions
from wav2vec2_tf.cli import shared
from wav2vec2_tf.text.ctc import Alphabet
from wav2vec2_tf.text.ngram import write_arpa
from wav2vec2_tf.utils.errors import UserError

ALPHABET = Alphabet(("", "|", "A", "B"), blank=0, word_delimiter=1)


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    shared.add_model_flags(parser)
    shared.add_transcribe_flags(parser)
    return parser.parse_args(arguments)


def test_without_flags_the_options_are_the_defaults() -> None:
    args = parsed()
    assert (args.model, args.target_lang) == ("bundled", None)
    assert shared.transcribe_options(args) == TranscribeOptions()
    assert shared.transcribe_options(args).beam_search.is_greedy
    assert shared.hub_options(args) == HubOptions()


def test_flags_become_options() -> None:
    args = parsed(
        *("--model", "m", "--target-lang", "fra", "--vad", "--window", "20"),
        *("--batch-seconds", "60", "--lm", "x.arpa", "--lexicon", "words", "--hotword", "ba"),
        *("--hotword", "b c", "--n-best", "3", "--beam-size", "20", "--lm-weight", "0.7"),
        *("--word-score", "-1", "--unknown-score", "-2", "--hotword-score", "4"),
        *("--revision", "main", "--cache-dir", "cache", "--local-files-only"),
    )
    assert (args.model, args.target_lang) == ("m", "fra")
    assert shared.transcribe_options(args) == TranscribeOptions(
        vad=True,
        window=20,
        batch_seconds=60,
        beam_search=BeamSearchOptions(
            lm="x.arpa",
            lexicon="words",
            hotwords=("ba", "b c"),
            n_best=3,
            beam_size=20,
            lm_weight=0.7,
            word_score=-1,
            unknown_score=-2,
            hotword_score=4,
        ),
    )
    hub = HubOptions(revision="main", cache_dir="cache", local_files_only=True)
    assert shared.hub_options(args) == hub


def test_a_decoder_has_what_the_options_say(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\nab\n", encoding="utf-8")
    (tmp_path / "text").write_text("A B\nAB A\n", encoding="utf-8")
    write_arpa([tmp_path / "text"], tmp_path / "lm.arpa", order=2)
    options = BeamSearchOptions(
        lm=str(tmp_path / "lm.arpa"),
        lexicon=str(tmp_path / "words"),
        hotwords=("ba", "b"),
        n_best=3,
        lm_weight=0.7,
    )
    search = options.decoder(ALPHABET)
    assert search is not None
    assert search.model is not None
    assert (str(search.model.path), search.hotwords) == (options.lm, options.hotwords)
    assert search.lexicon == {"A": [(2,)], "AB": [(2, 3)]}
    assert (search.n_best, search.beam_size, search.lm_weight) == (3, 50, 0.7)
    assert BeamSearchOptions().decoder(ALPHABET) is None


def test_the_identity_of_a_beam_search_follows_its_files(tmp_path: Path) -> None:
    assert BeamSearchOptions().identity() is None
    words = tmp_path / "words"
    words.write_text("a\n")
    options = BeamSearchOptions(lexicon=str(words), hotwords=("b",))
    before = options.identity()
    assert before is not None
    assert before["hotwords"] == ["b"]
    words.write_text("a\nb\n")
    assert options.identity() != before


@pytest.mark.parametrize(
    ("flag", "needed"),
    [
        ("--lm-weight=1", "--lm-weight needs --lm"),
        ("--unknown-score=1", "--unknown-score needs --lm"),
        ("--hotword-score=2", "--hotword-score needs --hotword"),
        ("--word-score=1", "--word-score needs --lm or --lexicon"),
    ],
)
def test_a_weight_needs_what_it_weighs(flag: str, needed: str) -> None:
    with pytest.raises(UserError, match=f"^{needed}$"):
        shared.transcribe_options(parsed(flag))


@pytest.mark.parametrize(
    "given",
    [
        *(["--n-best", "0"], ["--beam-size", "x"], ["--beam-size", "100001"]),
        *(["--lm-weight", "nan"], ["--lm-weight", "x"]),
        *(["--window", "0"], ["--batch-seconds", "inf"]),
    ],
)
def test_a_value_that_is_not_allowed_is_a_usage_error(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(*given)
    assert f"argument {given[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["kenlm", "flashlight.lib.text"])
def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for module in ("beam_search", "flashlight_lm"):
        monkeypatch.delitem(sys.modules, f"wav2vec2_tf.text.{module}", raising=False)
    with pytest.raises(UserError, match=r"pip install 'wav2vec2-tf\[lm\]'"):
        BeamSearchOptions(lm=str(TEXT / "small.arpa")).decoder(ALPHABET)


def test_programs_of_the_best_hypothesis_have_no_n_best() -> None:
    parser = argparse.ArgumentParser()
    shared.add_beam_search_flags(parser, n_best=False)
    assert shared.beam_search_options(parser.parse_args(["--beam-size", "2"])).beam_size == 2
    with pytest.raises(SystemExit):
        parser.parse_args(["--n-best", "2"])
