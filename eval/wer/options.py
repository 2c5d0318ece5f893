"""What is measured, and with what: the options of `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wav2vec2_tf.checkpoint.hub import HubOptions, ProcessorOption
from wav2vec2_tf.data.bad_recordings import SKIP_BY_DEFAULT_HELP
from wav2vec2_tf.data.columns import SPLIT_HELP, Columns
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.text.decoding import BeamSearchOptions
from wav2vec2_tf.transcription.batch.options import PoolOptions
from wav2vec2_tf.utils.options import OptionError, check, option

PADDED, VARIABLE, MASKED = "padded", "variable", "masked"
MODES = (PADDED, VARIABLE, MASKED)
PUBLISHED = "published"
"""`PADDED`, scored as the published evaluation did it."""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Columns, ProcessorOption):
    """How a model is run on a corpus.

    `padded` cuts and zero-pads every utterance to `length` and does not pass the lengths to the
    model, as the published SavedModels were used; `masked` does the same and passes the lengths;
    `variable` takes every utterance whole, padded to a bucket, with its length. `published` is
    `padded` scored by the published protocol: it compares with the first 256 characters of each
    reference (`published_references`), which makes the WER of longer utterances higher.
    """

    modes: tuple[str, ...] | None = option(
        None,
        choices=(*MODES, PUBLISHED),
        metavar="MODE,…",
        separator=",",
        help="padding modes: padded, variable, masked (default: all that the model supports); "
        "published is padded, with references cut as in the published evaluation",
    )
    length: int | None = option(
        None,
        above=0,
        metavar="SAMPLES",
        help="length in the padded and masked modes (default: the SavedModel's, or "
        f"{PUBLISHED_LENGTH})",
    )
    limit: int | None = option(None, above=0, metavar="N", help="first N utterances only")
    batch_size: int = option(8, above=0, metavar="N", help="utterances in a batch")
    jit_compile: bool = option(False, help="compile the model with XLA")
    target_lang: str | None = option(
        None, metavar="LANG", help="language, for MMS models with an adapter for each"
    )
    split: str | None = option(None, help=SPLIT_HELP)
    skip_bad: bool | None = option(None, help=SKIP_BY_DEFAULT_HELP)
    beam_search: BeamSearchOptions = field(default_factory=BeamSearchOptions)
    """Decoding is greedy unless these ask for a beam search."""
    hub: HubOptions = field(default_factory=HubOptions)
    cluster: PoolOptions | None = None
    """Computes on a pool of workers; in this process if None."""

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
        if self.modes is not None and not self.modes:
            raise OptionError("{modes} must name at least one mode")

    def facts(self, modes: list[str], length: int) -> dict[str, Any]:
        """Returns the options for reports, with the modes and length that are used."""
        return {
            "split": self.split,
            "audio_column": self.audio_column,
            "text_column": self.text_column,
            "modes": modes,
            "length": length,
            "limit": self.limit,
            "batch_size": self.batch_size,
            "jit_compile": self.jit_compile,
            "revision": self.hub.revision,
            "target_lang": self.target_lang,
            **({} if self.processor is None else {"processor": self.processor}),
            "decoding": self.beam_search.identity(),
        }


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The grid of weights that `tune.tune` tries."""

    lm_weights: tuple[float, ...] = option(
        (0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
        metavar="X,X,…",
        separator=",",
        help="weights of the language model, for --tune",
    )
    word_scores: tuple[float, ...] = option(
        (-1.0, 0.0, 1.0, 2.0), metavar="X,X,…", separator=",", help="scores of a word, for --tune"
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
