"""Speech → what a model takes, and what it gives → text.

As transformers' `Wav2Vec2Processor` and `Wav2Vec2BertProcessor`, by the files that are there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.feature_extractor import (
    PROCESSOR_FILE,
    FeatureExtractor,
    LogMelFeatureExtractor,
    extractor_of,
    feature_extractor,
)
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.tokenizer_files import VOCABULARY_FILE
from wav2vec2_tf.utils.errors import UserError

DICTIONARY_FILE = "dict.ltr.txt"  # fairseq's name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processor:
    """A feature extractor and, unless the model is without text, a tokenizer."""

    feature_extractor: FeatureExtractor | LogMelFeatureExtractor
    tokenizer: CTCTokenizer | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        *,
        target_lang: str | None = None,
        dictionary: str | PathLike[str] | None = None,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> Processor:
        """Read the processor of a folder, of a fairseq checkpoint, or of a model on the hub.

        Args:
            source: a folder, a file of weights in it, a Hugging Face id, or a fairseq checkpoint.
            target_lang: the vocabulary's language, where there is one a language (MMS).
            dictionary: a fairseq checkpoint's; by default `dict.ltr.txt` beside it, if it is there.
            revision, token, cache_dir, local_files_only: as for `sources.resolve`.

        Returns:
            A processor; its tokenizer is None if there is no `vocab.json` or dictionary.

        Raises:
            UserError: no such source, no feature extractor, or files that make no sense.
        """
        from wav2vec2_tf.checkpoint.hub import resolve
        from wav2vec2_tf.checkpoint.readers import open_checkpoint

        folder = resolve(
            source,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        if folder.is_file():
            settings = open_checkpoint(folder).settings
            if settings is not None:
                extractor = extractor_of(settings.preprocessor, folder)
                return cls(extractor, _fairseq_tokenizer(folder, dictionary, target_lang))
            folder = folder.parent
        if dictionary is not None:
            raise UserError(f"{source}: is no fairseq checkpoint; leave dictionary out")
        tokenizer = None
        if (folder / VOCABULARY_FILE).exists():
            tokenizer = CTCTokenizer.from_pretrained(folder, target_lang=target_lang)
        return cls(feature_extractor(folder), tokenizer)

    @property
    def normalizes(self) -> bool:
        """Whether speech is scaled to zero mean and unit variance; log-mel features never are."""
        extractor = self.feature_extractor
        return isinstance(extractor, FeatureExtractor) and extractor.do_normalize

    def check_extractor(self, source: Path, config: Config) -> None:
        """Raises `UserError` where the extractor is for another kind of model or another rate."""
        extractor = self.feature_extractor
        wanted = LogMelFeatureExtractor if config.log_mel_input else FeatureExtractor
        if not isinstance(extractor, wanted):
            raise UserError(
                f"{source}: its preprocessor_config.json is of a {extractor.kind}, and a "
                f"{config.model_type} model takes a {wanted.kind}: take the file of its checkpoint"
            )
        if extractor.sampling_rate != SAMPLE_RATE:
            raise UserError(
                f"{source}: its preprocessor_config.json is for {extractor.sampling_rate} Hz, and "
                f"speech is given to models at {SAMPLE_RATE} Hz here: no other rate can be had"
            )

    def fitting_tokenizer(self, source: Path, config: Config) -> CTCTokenizer:
        """Returns the tokenizer; `UserError` where its tokens are not those of the model's head.

        A head may also have the tokens that a tokenizer adds to its vocabulary.
        """
        tokenizer = self.tokenizer
        if tokenizer is None:
            missing = "dict.ltr.txt beside it" if source.is_file() else "vocab.json"
            raise UserError(f"{source}: has no {missing}, so its output cannot become text")
        if not tokenizer.vocab_size <= (config.vocab_size or 0) <= len(tokenizer.tokens):
            raise UserError(
                f"{source}: the vocabulary has {tokenizer.vocab_size} tokens and the model's head "
                f"{config.vocab_size}; take the vocabulary that the checkpoint was trained with"
            )
        if tokenizer.pad_token_id != config.pad_token_id:
            log.warning(
                "%s: the blank is token %d in config.json and %d in the vocabulary, which counts",
                *(source, config.pad_token_id, tokenizer.pad_token_id),
            )
        return tokenizer

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write the files from which `from_pretrained`, here and in transformers, makes this again.

        A `processor_config.json` of an earlier processor is removed, since it would count first.
        """
        self.feature_extractor.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
        (Path(folder) / PROCESSOR_FILE).unlink(missing_ok=True)

    def __call__(
        self,
        speech: np.ndarray | Sequence[Any] | None = None,
        *,
        text: str | Sequence[str] | None = None,
        padding: bool | str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Prepare speech, text, or both.

        Args:
            speech: as for the feature extractor, whose options `options` are.
            text: one transcript, or one an utterance.
            padding: of both; text is padded to the longest, with the blank's id. By default
                neither is, but log-mel features are.

        Returns:
            `input_values` or `input_features` (and `attention_mask`) of speech, `labels` of text:
            int32 `(ids,)` for one transcript, and for several a list of them, or if padded
            `(batch, ids)`.

        Raises:
            UserError: neither is given, or what the feature extractor and the tokenizer raise.
        """
        if speech is None and text is None:
            raise UserError("the processor was given neither speech nor text")
        features: dict[str, Any] = {}
        if speech is not None:
            if padding is not None:
                options["padding"] = padding
            features = self.feature_extractor(speech, **options)
        if text is not None:
            features["labels"] = self._labels(
                text, padded=padding not in (None, False, "do_not_pad")
            )
        return features

    def _labels(self, text: str | Sequence[str], *, padded: bool) -> np.ndarray | list[np.ndarray]:
        tokenizer = self._text_tokenizer()
        if isinstance(text, str):
            return np.array(tokenizer.encode(text), np.int32)
        rows = [np.array(tokenizer.encode(one), np.int32) for one in text]
        if not padded:
            return rows
        labels = np.full(
            (len(rows), max(map(len, rows), default=0)), tokenizer.pad_token_id, np.int32
        )
        for label, row in zip(labels, rows, strict=True):
            label[: len(row)] = row
        return labels

    def decode(self, ids: Any, **options: Any) -> str:
        """The text of one sequence of ids; see `CTCTokenizer.decode`."""
        return self._text_tokenizer().decode(ids, **options)

    def batch_decode(self, sequences: Iterable[Any], **options: Any) -> list[str]:
        """The text of each sequence of ids; see `CTCTokenizer.decode`."""
        return self._text_tokenizer().batch_decode(sequences, **options)

    def _text_tokenizer(self) -> CTCTokenizer:
        if self.tokenizer is None:
            raise UserError(f"this model came without {VOCABULARY_FILE}, so it has no text")
        return self.tokenizer


def _fairseq_tokenizer(
    checkpoint: Path, dictionary: str | PathLike[str] | None, target_lang: str | None
) -> CTCTokenizer | None:
    from wav2vec2_tf.checkpoint.fairseq_dictionary import vocabulary

    file = checkpoint.parent / DICTIONARY_FILE if dictionary is None else Path(dictionary)
    if dictionary is None and not file.exists():
        return None
    return CTCTokenizer(vocabulary(file), target_lang=target_lang)
