"""Speech → words: a model, its processor and a decoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.checkpoint.hub import resolve
from wav2vec2_tf.export import runtimes
from wav2vec2_tf.export.saved_model import load_saved_model
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import CTC, head_named
from wav2vec2_tf.models.lengths import bucket
from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS, open_model, read_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.transcript import Decoder, Transcript
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recognizer:
    """Everything between waveforms and words."""

    config: Config
    tokenizer: CTCTokenizer
    do_normalize: bool
    """Whether the model was trained on speech of zero mean and unit variance."""
    logits: Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]
    """(batch, samples) speech, (batch,) lengths or None → (batch, frames, vocab)."""
    fixed_length: int | None = None
    """Samples a SavedModel or file was exported at; None where any length goes."""
    takes_lengths: bool = True
    """False of files by the contract of OpenVINO's model zoo: padding counts as speech."""
    decoder: Decoder | None = None
    """What finds the words, say a beam search; greedy decoding where there is none."""

    @classmethod
    def load(
        cls,
        source: str | PathLike[str],
        *,
        target_lang: str | None = None,
        jit_compile: bool = False,
        **hub: Any,
    ) -> Recognizer:
        """A CTC model of any family.

        Args:
            source: a folder, a SavedModel, a file that `convert litert`, `onnx` or `openvino`
                wrote, a Hugging Face id or a fairseq checkpoint, which has its `dict.ltr.txt`
                beside it.
            target_lang: the language to transcribe, of a model with adapters for many (MMS); a
                SavedModel or file has one already.
            jit_compile: compile with XLA, anew for each shape of input.
            hub: `revision`, `token`, `cache_dir`, `local_files_only`.

        Raises:
            UserError: no such model or language, or it has no vocabulary, or not that of its head.
        """
        path = resolve(source, adapter=target_lang, **hub)
        if runtimes.is_exported(path):
            if jit_compile:
                raise UserError(f"{path}: XLA compiles TensorFlow's models, and this is none")
            return cls._of_file(path)
        call: Callable[..., tf.Tensor]
        if (path / "saved_model.pb").exists():
            facts = path / SAVED_MODEL_FACTS
            config = read_config(facts)
            _require_ctc(path, head_named(config) == CTC)
            processor = Processor.from_pretrained(facts)
            tokenizer = processor.tokenizer_for(path, config)
            call, length = _saved_model(path)
        else:
            config, checkpoint = open_model(path, target_lang=target_lang)
            _require_ctc(path, "lm_head.weight" in checkpoint)
            processor = Processor.from_pretrained(path, target_lang=target_lang)
            processor.check_feature_extractor(path, config)
            tokenizer = processor.tokenizer_for(path, config)
            call, length = _keras_model(path, target_lang), None
        compiled = tf.function(
            call, jit_compile=jit_compile, reduce_retracing=True, autograph=False
        )
        return cls(config, tokenizer, processor.normalizes, compiled, length)

    @classmethod
    def _of_file(cls, path: Path) -> Recognizer:
        """A model in a file that a runtime of its own computes."""
        exported = runtimes.load(path)
        with exported.folder() as facts:
            config = read_config(facts)
            _require_ctc(path, head_named(config) == CTC)
            processor = Processor.from_pretrained(facts)
        processor.check_feature_extractor(path, config)
        tokenizer = processor.tokenizer_for(path, config)

        def call(speech: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
            logits = exported(config, speech.numpy(), None if lengths is None else lengths.numpy())
            return tf.constant(logits)

        form = exported.form
        return cls(config, tokenizer, processor.normalizes, call, form.length, form.takes_lengths)

    def untraced(self) -> Recognizer:
        """The same for one call: to trace a graph takes longer than a graph saves in it."""
        function = getattr(self.logits, "python_function", self.logits)
        return replace(self, logits=function)

    @property
    def minimum_length(self) -> int:
        """Samples of one frame."""
        return self.config.samples_of(1)

    @property
    def characters(self) -> frozenset[str]:
        """What the vocabulary can spell."""
        special = {self.tokenizer.pad_token_id, self.tokenizer.word_delimiter_token_id}
        spelt = (t for i, t in enumerate(self.tokenizer.tokens) if t and i not in special)
        return frozenset("".join(token for token in spelt if not token.startswith("<")))

    @property
    def alphabet(self) -> ctc.Alphabet:
        return ctc.Alphabet.of(self.tokenizer)

    @property
    def seconds_per_frame(self) -> float:
        return self.config.stride / SAMPLE_RATE

    def require_frame(self, samples: int) -> None:
        """Raise `UserError` where so many samples are too few for one frame."""
        if samples < self.minimum_length:
            raise UserError(
                f"{samples} samples are too few: one frame of speech takes "
                f"{self.minimum_length} ({1000 * self.minimum_length / SAMPLE_RATE:.0f} ms)"
            )

    def transcribe(
        self, speech: Sequence[np.ndarray], *, length: int | None = None, masked: bool = True
    ) -> list[Transcript]:
        """Transcribe one batch of 16 kHz mono utterances, each (samples,) float32.

        Each is cut to `length` samples, normalised as its processor says over its own samples, and
        then padded with zeros. `long_form.transcribe` takes recordings of any length.

        Args:
            length: samples to cut and pad to; by default the model's fixed length, or else the
                bucket of the longest utterance.
            masked: give the model the lengths, so that padding has no influence. Without them it
                runs as the published fixed-length models do, and so it does if it takes none.

        Raises:
            UserError: an utterance is shorter than one frame or too long.
        """
        return [self.decode(logits) for logits in self.emit(speech, length=length, masked=masked)]

    def emit(
        self,
        speech: Sequence[np.ndarray],
        *,
        length: int | None = None,
        masked: bool = True,
        normalized: bool = False,
    ) -> list[np.ndarray]:
        """The logits of each utterance's own frames, (frames, vocab) float32.

        Args:
            speech, length, masked: as of `transcribe`.
            normalized: leave the speech as it is; it has been normalised, where it is to be.

        Raises:
            UserError: an utterance is shorter than one frame or too long.
        """
        if not speech:
            return []
        longest = max(map(len, speech))
        if length is None:
            length = self.fixed_length or bucket(longest)
            if longest > length:
                raise UserError(
                    f"{longest} samples, but this model takes {length}: "
                    "cut the recording, or take long_form.transcribe"
                )
        self.require_frame(min(map(len, speech)))
        padded, lengths = batch_of(speech, length, self.do_normalize and not normalized)
        if masked and self.takes_lengths:
            logits = self.logits(tf.constant(padded), tf.constant(lengths)).numpy()
            frames = [self.config.frame_length(int(samples)) for samples in lengths]
        else:
            logits = self.logits(tf.constant(padded), None).numpy()
            frames = [logits.shape[1]] * len(speech)
        return [row[:count] for row, count in zip(logits, frames, strict=True)]

    def decode(self, logits: np.ndarray) -> Transcript:
        """(frames, vocab) logits of one utterance → its words, by the decoder or greedily."""
        if self.decoder is not None:
            return self.decoder(ctc.log_softmax(logits), self.seconds_per_frame)
        return ctc.transcript(ctc.BestPath.of(logits), self.alphabet, self.seconds_per_frame)


def batch_of(
    speech: Sequence[np.ndarray], length: int, do_normalize: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Utterances, each cut to `length`, normalised and padded with zeros, and their lengths."""
    padded = np.zeros((len(speech), length), np.float32)
    lengths = np.minimum([len(utterance) for utterance in speech], length).astype(np.int32)
    for row, utterance, samples in zip(padded, speech, lengths, strict=True):
        cut = utterance[:samples]
        row[:samples] = normalize(cut) if do_normalize else cut
    return padded, lengths


def _require_ctc(source: Path, has_head: bool) -> None:
    if not has_head:
        raise UserError(f"{source}: has no CTC head, so no text can be made of its output")


def _keras_model(path: Path, target_lang: str | None) -> Callable[..., tf.Tensor]:
    from wav2vec2_tf.models.auto import AutoModelForCTC

    return AutoModelForCTC.from_pretrained(path, target_lang=target_lang)


def _saved_model(folder: Path) -> tuple[Callable[..., tf.Tensor], int | None]:
    loaded = load_saved_model(folder)
    speech = loaded.signatures["serving_default"].structured_input_signature[1]["speech"]

    def call(speech: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        return loaded(speech) if lengths is None else loaded({"speech": speech, "lengths": lengths})

    return call, speech.shape[1]
