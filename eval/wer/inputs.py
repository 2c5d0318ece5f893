"""The model and the corpus that options name, and what of the options the model supports."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.data.bad_recordings import require_readable
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.utils.errors import UserError

from .options import MODES, PADDED, PUBLISHED, VARIABLE, EvaluateOptions

if TYPE_CHECKING:
    from wav2vec2_tf.data.corpus import Corpus

    from .batches import Recognizer


def open_data(corpus: str | PathLike[str] | Corpus, options: EvaluateOptions) -> Corpus:
    """Opens a corpus by its name; a `Corpus` is returned as it is.

    Raises:
        UserError: it cannot be opened; or recordings cannot be read, and `options.skip_bad` is
            False.
    """
    from wav2vec2_tf.data.corpus import open_corpus

    if isinstance(corpus, str | PathLike):
        corpus = open_corpus(
            fspath(corpus),
            split=options.split,
            cache_dir=options.hub.cache_dir,
            columns=options,
            keep_missing=True,
        )
    if options.skip_bad is False:
        first = islice(corpus, options.limit)
        require_readable(corpus.source, ((one.id, one.samples) for one in first))
    return corpus


def load_recognizer(model: str | PathLike[str] | Recognizer, options: EvaluateOptions) -> Any:
    """Loads a model by its name; a recognizer gets the decoder of `options` if they have one."""
    if isinstance(model, str | PathLike):
        from wav2vec2_tf.transcription.recognizer import Recognizer

        recognizer: Any = Recognizer.load(
            model,
            target_lang=options.target_lang,
            processor=options.processor,
            jit_compile=options.jit_compile,
            **options.hub.keywords(),
        )
    else:
        recognizer = model
    if options.beam_search.is_greedy:
        return recognizer
    return replace(recognizer, decoder=options.beam_search.decoder(recognizer.alphabet))


def fit_to_model(
    name: str, recognizer: Recognizer, options: EvaluateOptions
) -> tuple[list[str], int]:
    """Returns the modes and the length (samples) that a model can be run with.

    Raises:
        UserError: the options ask for others.
    """
    fixed = recognizer.fixed_length
    modes = list(dict.fromkeys(options.modes or MODES))
    length: int = options.length or fixed or PUBLISHED_LENGTH
    if fixed is not None:
        if length != fixed:
            raise UserError(
                f"{name}: was exported at length {fixed}, not {length}: leave the length out"
            )
        if options.modes is None:
            modes.remove(VARIABLE)
        elif VARIABLE in modes:
            raise UserError(
                f"{name}: was exported at length {fixed}: leave variable out of the modes, or name "
                "the folder it was exported from"
            )
    if not recognizer.takes_lengths:
        if options.modes is None:
            modes = [PADDED]
        elif not {PADDED, PUBLISHED}.issuperset(modes):
            raise UserError(f"{name}: takes no lengths: padded is the only mode it supports")
    if length < recognizer.minimum_length:
        raise UserError(
            f"length {length}: the model needs {recognizer.minimum_length} samples for one frame"
        )
    return modes, length
