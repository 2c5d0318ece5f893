"""Options of decoding: greedy, or by a beam search with a language model, lexicon and hotwords."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.files import absolute_if_exists, files_identity, read_json
from wav2vec2_tf.utils.options import OptionError, check, option

if TYPE_CHECKING:
    from wav2vec2_tf.text.beam_search import BeamSearch
    from wav2vec2_tf.text.ctc import Alphabet


@dataclass(frozen=True, kw_only=True)
class BeamSearchOptions:
    """What a beam search prefers, and how wide it is; see `text.beam_search.BeamSearch`.

    `lm`, `lexicon`, `hotwords`, `beam_size` or `n_best` switch it on; decoding is greedy otherwise.
    """

    lm: str | None = option(
        None, metavar="FILE", help="KenLM n-gram language model of words: ARPA or binary"
    )
    lexicon: str | None = option(
        None,
        metavar="FILE",
        help="restrict the output to the words of this file: one word a line, optionally followed "
        "by its tokens",
    )
    hotwords: tuple[str, ...] = option(
        (),
        metavar="WORD",
        flag="hotword",
        repeated=True,
        help="word or phrase to favour; may be given more than once",
    )
    beam_size: int | None = option(
        None, metavar="N", minimum=1, maximum=100_000, help="hypotheses kept (default: 50)"
    )
    n_best: int | None = option(
        None, metavar="N", minimum=1, maximum=100_000, help="also return the N best transcripts"
    )
    lm_weight: float | None = option(
        None, metavar="X", help="weight of ln p(word | preceding words) (default: 0.5)"
    )
    word_score: float | None = option(None, metavar="X", help="added for each word (default: 0)")
    unknown_score: float | None = option(
        None, metavar="X", help="added for a word that the language model lacks (default: -10)"
    )
    hotword_score: float | None = option(
        None, metavar="X", help="added for each hotword (default: 5)"
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a weight of something that is not given."""
        check(self)
        needs = {
            "lm_weight": ("{lm}", self.lm),
            "unknown_score": ("{lm}", self.lm),
            "hotword_score": ("{hotwords}", self.hotwords),
            "word_score": ("{lm} or {lexicon}", self.lm or self.lexicon),
        }
        for name, (needed, there) in needs.items():
            if getattr(self, name) is not None and not there:
                raise OptionError("{" + name + "} needs " + needed)

    @property
    def is_greedy(self) -> bool:
        """Whether no field asks for a beam search."""
        return not (self.lm or self.lexicon or self.hotwords or self.beam_size or self.n_best)

    def decoder(self, alphabet: Alphabet) -> BeamSearch | None:
        """Makes the beam search; None where decoding is greedy.

        Raises:
            UserError: a file does not fit the vocabulary, or the extra `lm` is not installed.
        """
        if self.is_greedy:
            return None
        from wav2vec2_tf.text.beam_search import BeamSearch
        from wav2vec2_tf.text.language_model import LanguageModel
        from wav2vec2_tf.text.lexicon import read_lexicon

        sizes = {name: getattr(self, name) for name in BEAM_SEARCH_FIELDS}
        return BeamSearch(
            alphabet,
            LanguageModel(self.lm) if self.lm else None,
            read_lexicon(self.lexicon, alphabet) if self.lexicon else None,
            self.hotwords,
            **{name: value for name, value in sizes.items() if value is not None},
        )

    def with_absolute_paths(self) -> BeamSearchOptions:
        """Returns the options for a process in another folder."""
        lm, lexicon = (name and absolute_if_exists(name) for name in (self.lm, self.lexicon))
        return replace(self, lm=lm, lexicon=lexicon)

    def identity(self) -> dict[str, Any] | None:
        """Returns the options with hashes of the files' contents; None where decoding is greedy.

        Resumed work compares it, so that it does not go on with other options.
        """
        if self.is_greedy:
            return None
        files = [Path(file) for file in (self.lm, self.lexicon) if file]
        fields = {**asdict(self), "hotwords": list(self.hotwords)}  # as JSON returns it
        return fields | {"content of the files": files_identity(files)}


LANGUAGE_MODEL_FOLDER = "language_model"
"""Where transformers' `Wav2Vec2ProcessorWithLM` keeps KenLM's file and its weights."""
LANGUAGE_MODEL_SUFFIXES = (".arpa", ".bin", ".binary", ".klm")
WEIGHTS = {"alpha": "lm-weight", "beta": "word-score"}
"""Weight in `attrs.json` (pyctcdecode's) → the flag; both count in natural logarithms."""
HEAVIEST = 1e6
"""The largest weight that is accepted."""


def language_model_in(folder: Path) -> str | None:
    """Returns a line about the language model that a checkpoint's folder has; None without one.

    It is used only if it is named: KenLM trusts the content of a binary file.
    """
    inside = folder / LANGUAGE_MODEL_FOLDER
    if not inside.is_dir():
        return None
    files = sorted(file for file in inside.iterdir() if file.suffix in LANGUAGE_MODEL_SUFFIXES)
    attributes = inside / "attrs.json"
    values = read_json(attributes) if attributes.is_file() else {}
    weights = [
        f" --{flag} {values[name]:g}"
        for name, flag in WEIGHTS.items()
        if type(values.get(name)) in (int, float) and abs(values[name]) < HEAVIEST
    ]
    name = str(files[0]) if files else f"FILE, a copy of the n-gram file in {LANGUAGE_MODEL_FOLDER}"
    return f"has a language model, used only if it is named: --lm {name}{''.join(weights)}"


BEAM_SEARCH_FIELDS = (
    *("lm_weight", "word_score", "unknown_score", "hotword_score"),
    *("beam_size", "n_best"),
)
"""Fields of `BeamSearchOptions` that are fields of `BeamSearch`, too."""
