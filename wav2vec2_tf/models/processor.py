"""The processor: speech → the arrays that a model takes, and predicted ids → text.

It is transformers' `Wav2Vec2Processor` or `Wav2Vec2BertProcessor`, as the checkpoint's files say.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.batch_feature import BatchFeature, pad_rows, stack
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.feature_extractor import (
    FeatureExtractor,
    LogMelFeatureExtractor,
    extractor_of,
    feature_extractor,
)
from wav2vec2_tf.models.preprocessor_files import PROCESSOR_FILE
from wav2vec2_tf.text.tokenizer import CharOffset, CTCTokenizer, WordOffset
from wav2vec2_tf.text.tokenizer_files import VOCABULARY_FILE
from wav2vec2_tf.utils.errors import UserError, brief

DICTIONARY_FILE = "dict.ltr.txt"  # fairseq's name
DELIMITER = "|"  # between words, in fairseq's dictionaries of letters

log = logging.getLogger(__name__)


class DecodedText(NamedTuple):
    """Text with the frames of its tokens or words; lists with an entry each for a batch.

    Multiply offsets by `config.stride / 16000` for seconds.
    """

    text: str | list[str]
    char_offsets: list[CharOffset] | list[list[CharOffset]] | None = None
    """The tokens of the text with their frames, if `output_char_offsets` asked for them."""
    word_offsets: list[WordOffset] | list[list[WordOffset]] | None = None
    """The words of the text with their frames, if `output_word_offsets` asked for them."""


@dataclass(frozen=True)
class Processor:
    """A feature extractor and, for a model that predicts text, a tokenizer."""

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
        """Reads the processor of a folder, of a fairseq checkpoint, or of a model on the hub.

        Args:
            source: a folder, a file of weights in it, a Hugging Face id, a fairseq checkpoint, or
                "bundled" for the model that comes with the package.
            target_lang: the language of the vocabulary, where there is one for each (MMS).
            dictionary: the dictionary of a fairseq checkpoint; by default `dict.ltr.txt` beside
                it, if that exists.
            revision: a branch, tag or commit on the hub.
            token: access token of the hub.
            cache_dir: folder for downloads.
            local_files_only: take what is cached and do not connect.

        Returns:
            A processor; its tokenizer is None if there is no `vocab.json` or dictionary.

        Raises:
            UserError: no such source, no feature extractor, or invalid files.
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
            raise UserError(f"{source}: only fairseq checkpoints take a dictionary: leave it out")
        tokenizer = None
        if (folder / VOCABULARY_FILE).exists():
            tokenizer = CTCTokenizer.from_pretrained(folder, target_lang=target_lang)
        return cls(feature_extractor(folder), tokenizer)

    @classmethod
    def of_model(
        cls, model: str | PathLike[str], processor: str | PathLike[str] | None, **options: Any
    ) -> Processor:
        """Reads the processor of a model that may have none of its own.

        Args:
            model: see `from_pretrained`.
            processor: a folder that has the processor, or another model; None for the model's own.
            options: of `from_pretrained`; `revision` is the model's.
        """
        if processor is None:
            return cls.from_pretrained(model, **options)
        return cls.from_pretrained(processor, **{**options, "revision": None})

    @property
    def normalizes(self) -> bool:
        """Whether waveforms are scaled to zero mean and unit variance; not for log-mel models."""
        extractor = self.feature_extractor
        return isinstance(extractor, FeatureExtractor) and extractor.do_normalize

    def check_feature_extractor(self, source: Path, config: Config) -> None:
        """Checks that the feature extractor is one for the model.

        Args:
            source: the checkpoint, for messages.
            config: the model's.

        Raises:
            UserError: the extractor is for another kind of model or another sampling rate.
        """
        extractor = self.feature_extractor
        wanted = LogMelFeatureExtractor if config.log_mel_input else FeatureExtractor
        if not isinstance(extractor, wanted):
            raise UserError(
                f"{source}: {config.model_type} models need a {wanted.kind}, and "
                f"preprocessor_config.json describes a {extractor.kind}: take the file that was "
                "published with the checkpoint"
            )
        if extractor.sampling_rate != SAMPLE_RATE:
            raise UserError(
                f"{source}: sampling_rate in preprocessor_config.json must be {SAMPLE_RATE} Hz, "
                f"got {extractor.sampling_rate}: models for other rates are not supported"
            )

    def tokenizer_for(self, source: Path, config: Config) -> CTCTokenizer:
        """Returns the tokenizer, whose tokens are those of the model's head.

        The head may have the tokens that the tokenizer adds to its vocabulary, or not.

        Args:
            source: the checkpoint, for messages.
            config: the model's.

        Raises:
            UserError: there is no tokenizer, it has another number of tokens than the head, or its
                blank is beyond the head.
        """
        tokenizer = self.tokenizer
        if tokenizer is None:
            missing = "dict.ltr.txt beside it" if source.is_file() else "vocab.json"
            raise UserError(
                f"{source}: has no {missing}, which turns predicted ids into text: add the file "
                "that was published with the checkpoint, or name a folder that has it (--processor)"
            )
        if not tokenizer.vocab_size <= (config.vocab_size or 0) <= len(tokenizer.tokens):
            raise UserError(
                f"{source}: the vocabulary has {tokenizer.vocab_size} tokens and the model's head "
                f"{config.vocab_size}: take the vocabulary that the checkpoint was trained with"
            )
        if tokenizer.pad_token_id >= (config.vocab_size or 0):
            blank = brief(tokenizer.special_tokens["pad_token"])
            raise UserError(
                f"{source}: the vocabulary lacks the blank, {blank}: name the token that is the "
                "blank as pad_token in tokenizer_config.json"
            )
        if tokenizer.pad_token_id != config.pad_token_id:
            log.warning(
                "%s: the blank is token %d in config.json and %d in the vocabulary, which counts",
                *(source, config.pad_token_id, tokenizer.pad_token_id),
            )
        return tokenizer

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes the files that `from_pretrained`, here and in transformers, reads.

        A `processor_config.json` of an earlier processor is removed, since it would count first.
        """
        self.feature_extractor.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
        (Path(folder) / PROCESSOR_FILE).unlink(missing_ok=True)

    def __call__(
        self,
        speech: Any = None,
        *,
        text: str | Sequence[str] | None = None,
        padding: bool | str | None = None,
        return_tensors: str | None = None,
        **options: Any,
    ) -> BatchFeature:
        """Prepares speech, text, or both.

        Args:
            speech: one utterance, `(samples,)` numbers or the path of an audio file; a list of
                them; or an array `(batch, samples)`.
            text: one transcript, or one for each utterance.
            padding: for speech and text; text is padded to the longest, with the blank's id. By
                default neither is padded, but log-mel features are.
            return_tensors: "np" for NumPy arrays, "tf" for tensors, which need rows of one length;
                None for arrays where rows are of one length, and lists elsewhere.
            options: further ones of the feature extractor, such as `sampling_rate`, `max_length`
                and `return_attention_mask`.

        Returns:
            `input_values` or `input_features` (and `attention_mask`) for speech, `labels` for
            text: int32 `(ids,)` for one transcript without `return_tensors`; `(batch, ids)`, or
            without padding a list, for several.

        Raises:
            UserError: neither is given, or as the feature extractor and the tokenizer raise.
        """
        if speech is None and text is None:
            raise UserError("the processor needs speech or text, got neither")
        features = BatchFeature()
        if speech is not None:
            if padding is not None:
                options["padding"] = padding
            features = self.feature_extractor(speech, **options)
        if text is not None:
            tokenizer = self._text_tokenizer()
            texts = [text] if isinstance(text, str) else text
            ids = [np.array(tokenizer.encode(one), np.int32) for one in texts]
            if isinstance(text, str) and return_tensors is None:
                features["labels"] = ids[0]
            elif padding in (None, False, "do_not_pad"):
                features["labels"] = ids if return_tensors is None else stack(ids)
            else:
                padded, _ = pad_rows(ids, padding=True, value=tokenizer.pad_token_id)
                features["labels"] = np.stack(padded) if padded else np.zeros((0, 0), np.int32)
        return features.to_tensors(return_tensors)

    def pad(
        self,
        input_features: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        labels: Sequence[Any] | None = None,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Pads the features or the labels of several utterances, or both, to batches.

        Args:
            input_features: see `FeatureExtractor.pad`.
            labels: for each utterance the ids of its transcript, or a dict with them as
                `input_ids` or `labels`.
            padding: True or "longest", "max_length", False or "do_not_pad"; this and the next two
                are for features and labels alike.
            max_length: the length for `padding="max_length"`.
            pad_to_multiple_of: rounds the padded length up to a multiple of this.
            return_attention_mask: for features; see `FeatureExtractor.pad`.
            return_tensors: "np", "tf" or None; see `BatchFeature.to_tensors`.

        Returns:
            The features with `labels`; or for labels alone `input_ids` and their `attention_mask`,
            as in transformers. Padding of labels has the blank's id, which `CTCLoss` takes for
            padding.

        Raises:
            UserError: neither is given, or options that contradict each other.
        """
        if input_features is None and labels is None:
            raise UserError("pad needs input_features or labels, got neither")
        options: dict[str, Any] = {
            "padding": padding,
            "max_length": max_length,
            "pad_to_multiple_of": pad_to_multiple_of,
        }
        batch = BatchFeature()
        if input_features is not None:
            batch = self.feature_extractor.pad(
                input_features, return_attention_mask=return_attention_mask, **options
            )
        if labels is not None:
            blank = self._text_tokenizer().pad_token_id
            ids = [np.asarray(_label_ids(label), np.int32) for label in labels]
            padded, masks = pad_rows(ids, value=blank, **options)
            if input_features is not None:
                batch["labels"] = stack(padded)
            else:
                batch = BatchFeature(input_ids=stack(padded), attention_mask=stack(masks))
        return batch.to_tensors(return_tensors)

    def decode(
        self,
        ids: Any,
        *,
        output_char_offsets: bool = False,
        output_word_offsets: bool = False,
        **options: Any,
    ) -> Any:
        """Decodes one sequence of ids into text.

        Args:
            ids: `(frames,)` integers, such as the argmax of logits.
            output_char_offsets: also return each token of the text with its frames.
            output_word_offsets: also return each word with its frames.
            options: see `CTCTokenizer.decode`.

        Returns:
            The text, a str; a `DecodedText` where offsets are asked for.

        Raises:
            UserError: see `CTCTokenizer.decode`; offsets with `group_tokens=False`.
        """
        tokenizer = self._text_tokenizer()
        text = tokenizer.decode(ids, **options)
        if not (output_char_offsets or output_word_offsets):
            return text
        if not options.pop("group_tokens", True):
            raise UserError("offsets need group_tokens=True")
        return DecodedText(
            text,
            tokenizer.char_offsets(ids, **options) if output_char_offsets else None,
            tokenizer.word_offsets(ids, **options) if output_word_offsets else None,
        )

    def batch_decode(
        self,
        sequences: Iterable[Any],
        *,
        output_char_offsets: bool = False,
        output_word_offsets: bool = False,
        **options: Any,
    ) -> Any:
        """Decodes each sequence of ids; see `decode`.

        Returns:
            The texts, a list; a `DecodedText` of lists where offsets are asked for.
        """
        if not (output_char_offsets or output_word_offsets):
            return self._text_tokenizer().batch_decode(sequences, **options)
        options |= {
            "output_char_offsets": output_char_offsets,
            "output_word_offsets": output_word_offsets,
        }
        each = [self.decode(ids, **options) for ids in sequences]
        return DecodedText(
            [one.text for one in each],
            [one.char_offsets for one in each] if output_char_offsets else None,
            [one.word_offsets for one in each] if output_word_offsets else None,
        )

    def _text_tokenizer(self) -> CTCTokenizer:
        if self.tokenizer is None:
            raise UserError(
                f"the processor has no tokenizer, which text needs: the model came without "
                f"{VOCABULARY_FILE}"
            )
        return self.tokenizer


def _label_ids(label: Any) -> Any:
    """Returns the ids of a transcript, which a dict holds as `input_ids` or `labels`."""
    if not isinstance(label, Mapping):
        return label
    for name in ("input_ids", "labels"):
        if name in label:
            return label[name]
    raise UserError(f"labels must hold input_ids or labels, got {', '.join(label) or 'nothing'}")


def _fairseq_tokenizer(
    checkpoint: Path, dictionary: str | PathLike[str] | None, target_lang: str | None
) -> CTCTokenizer | None:
    """Returns the tokenizer of a fairseq dictionary; None if none is named and none is there."""
    from wav2vec2_tf.checkpoint.fairseq_dictionary import vocabulary

    file = checkpoint.parent / DICTIONARY_FILE if dictionary is None else Path(dictionary)
    if dictionary is None and not file.exists():
        return None
    ids = vocabulary(file)
    # Nothing is added to a dictionary: its symbols are those of the head, or it is another model's.
    delimiter = DELIMITER if DELIMITER in ids else None
    return CTCTokenizer(ids, target_lang=target_lang, word_delimiter_token=delimiter)
