"""The models of a server: each has a name, languages and decodings, and is loaded and warmed up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.models.saved_model_folder import saved_model_folder
from wav2vec2_tf.serving.errors import RequestError
from wav2vec2_tf.serving.options import ServeOptions
from wav2vec2_tf.transcription.long_form import Windows
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError, did_you_mean

log = logging.getLogger(__name__)

GREEDY, BEAM_SEARCH = "greedy", "lm"
"""Names of decodings in requests."""

LANGUAGE = r"^[\w-]{1,64}$"
"""Pattern of a language in requests."""

BUNDLED_NAME = "bundled"
"""Name of the bundled model in requests."""


@dataclass(frozen=True)
class SpeechModel:
    """A model under the name that requests use for it."""

    name: str
    recognizers: Mapping[str | None, Recognizer]
    """One for each language; the key is None for a model without a list of languages. If they have
    a decoder, it is the decoding `BEAM_SEARCH`."""
    created: int = field(default_factory=lambda: int(time.time()))
    """Unix time in seconds, as OpenAI's API has it."""

    @property
    def languages(self) -> list[str]:
        """The languages that a request may choose from; empty if the model does not list them."""
        return [language for language in self.recognizers if language is not None]

    @property
    def decodings(self) -> list[str]:
        """The decodings that a request may choose from; the first is the default."""
        decodes = any(recognizer.decoder is not None for recognizer in self.recognizers.values())
        return [BEAM_SEARCH, GREEDY] if decodes else [GREEDY]


@dataclass(frozen=True)
class Selection:
    """The model, language and decoding that a request selects."""

    model: str
    recognizer: Recognizer
    language: str | None
    """The language of the transcript, if it is known."""


class Models:
    """The models of a server, by name; the first is the default."""

    def __init__(self, models: Iterable[SpeechModel]) -> None:
        self._models = {model.name: model for model in models}

    def __iter__(self) -> Iterator[SpeechModel]:
        return iter(self._models.values())

    def get(self, name: str | None) -> SpeechModel:
        """Returns the model `name`, or the first for None.

        Raises:
            RequestError: no model has this name.
        """
        if name is None:
            return next(iter(self))
        if name not in self._models:
            near = did_you_mean(name, self._models)
            raise RequestError(404, f"there is no model {name!r}{near}", "model_not_found", "model")
        return self._models[name]

    def select(self, name: str | None, language: str | None, decoding: str | None) -> Selection:
        """Returns the recognizer for a request; None stands for the default.

        Raises:
            RequestError: there is no such model, or it lacks the language or the decoding.
        """
        model = self.get(name)
        if decoding is not None and decoding not in model.decodings:
            known = ", ".join(model.decodings)
            message = f"decoding of {model.name!r} must be one of {known}, got {decoding!r}"
            raise RequestError(400, message, "decoding_not_found", "decoding")
        if model.languages:
            language = language or model.languages[0]
            if language not in model.languages:
                known = ", ".join(model.languages)
                message = f"language of {model.name!r} must be one of {known}, got {language!r}"
                raise RequestError(400, message, "language_not_supported", "language")
        recognizer = model.recognizers[language if model.languages else None]
        if decoding == GREEDY:
            recognizer = replace(recognizer, decoder=None)
        return Selection(model.name, recognizer, language)


def load_models(options: ServeOptions, windows: Windows) -> list[SpeechModel]:
    """Loads the models that the options name, and warms them up.

    Raises:
        UserError: a model or its decoder cannot be used, or two models have the same name.
    """
    models: dict[str, SpeechModel] = {}
    sources = _names_and_sources(options.models)
    processors = _processors(options.processors, [name for name, _ in sources])
    for name, source in sources:
        recognizers: dict[str | None, Recognizer] = {}
        for language in options.target_langs or (None,):
            log.info("loading %s", f"{name} ({language})" if language else name)
            recognizer = Recognizer.load(
                source,
                target_lang=language,
                processor=processors.get(name),
                **options.hub.keywords(),
            )
            decoder = options.beam_search.decoder(recognizer.alphabet)
            recognizer = replace(recognizer, decoder=decoder)
            log.info("warming up")
            warm_up(recognizer, windows)
            recognizers[recognizer.tokenizer.target_lang] = recognizer
        models[name] = SpeechModel(name, recognizers)
    return list(models.values())


def warm_up(recognizer: Recognizer, windows: Windows) -> None:
    """Computes a second and a whole window, so that no request waits for TensorFlow's tracing.

    Another length and another batch size tell `tf.function` that both vary.
    """
    length = windows.length(recognizer)
    second = min(length, SAMPLE_RATE)
    for samples, rows in ((second, 1), (length, 1), (second, 2)):
        recognizer.transcribe([np.zeros(samples, np.float32)] * rows, length=None)


def _names_and_sources(models: Iterable[str]) -> list[tuple[str, str]]:
    """Splits `NAME=SOURCE`; without a name, a model has that of its folder or its id on the Hub."""
    pairs: list[tuple[str, str]] = []
    for model in models:
        name, separator, source = model.partition("=")
        if not separator:
            path = saved_model_folder(Path(model)) or Path(model)
            name, source = (path.name if path.exists() else model), model
        if not name or not source:
            raise UserError(f"a model must be SOURCE or NAME=SOURCE, got {model!r}")
        if name in dict(pairs):
            raise UserError(f"two models have the name {name}: give them names, NAME=SOURCE")
        pairs.append((name, source))
    return pairs or [(BUNDLED_NAME, str(BUNDLED_MODEL))]


def _processors(processors: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """Splits `NAME=FOLDER`; without a name, a processor is that of the first model."""
    found: dict[str, str] = {}
    for given in processors:
        name, separator, folder = given.partition("=")
        if not separator:
            name, folder = names[0], given
        if name not in names or not folder:
            raise UserError(
                f"a processor must be FOLDER or NAME=FOLDER with a model's name, got {given!r}"
                + did_you_mean(name, names)
            )
        if name in found:
            raise UserError(f"the model {name} has two processors: give each model at most one")
        found[name] = folder
    return found
