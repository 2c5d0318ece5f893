"""A batch of utterances → logits → transcripts: a model, its processor and a decoder.

Here, and nowhere else, utterances are normalized, padded and converted to tensors, and logits
become words. `long_form` cuts longer recordings into utterances, `transcriber` takes many of any
length.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.checkpoint.hub import BUNDLED, local_path, resolve
from wav2vec2_tf.export.loading import LoadedExport, is_export, load_export
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.families import CTC
from wav2vec2_tf.models.lengths import bucket
from wav2vec2_tf.models.pretrained import open_model
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.decoding import language_model_in
from wav2vec2_tf.text.tokenizer import CTCTokenizer
from wav2vec2_tf.text.transcript import Decoder, Transcript
from wav2vec2_tf.transcription.recording import Audio, as_waveform, is_recording
from wav2vec2_tf.utils.errors import UserError

log = logging.getLogger(__name__)

Logits = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
"""Computes (batch, frames, vocab) float32 logits from (batch, samples) float32 speech and (batch,)
int32 lengths in samples; without lengths, padding counts as speech."""


@dataclass(frozen=True)
class TensorFlowLogits:
    """A function of tensors as `Logits`: the only place where arrays become tensors and back."""

    function: Callable[..., tf.Tensor]

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """Computes logits as described at `Logits`."""
        counts = None if lengths is None else tf.constant(lengths)
        logits: np.ndarray = self.function(tf.constant(speech), counts).numpy()
        return logits


@dataclass(frozen=True)
class Recognizer:
    """A CTC model with its preprocessing and decoding: from waveforms to words.

        recognizer = Recognizer.load("facebook/wav2vec2-base-960h")
        (transcript,) = recognizer.transcribe(["talk.wav"])
        print(transcript.text)

    One call computes one batch of utterances. `Transcriber` takes recordings of any length.
    """

    config: Config
    tokenizer: CTCTokenizer
    do_normalize: bool
    """Whether the model was trained on speech of zero mean and unit variance."""
    logits: Logits
    """Computes a batch of logits: NumPy in, NumPy out."""
    fixed_length: int | None = None
    """Samples that a SavedModel or file was exported for; None if it takes any length."""
    takes_lengths: bool = True
    """False for files by the contract of OpenVINO's model zoo, which treat padding as speech."""
    decoder: Decoder | None = None
    """Finds the words, for example a `BeamSearch`; decoding is greedy if it is None."""
    keep_special_tokens: bool = False
    """Whether `<s>`, `</s>`, `<unk>` and other special tokens stay in the text."""

    @classmethod
    def load(
        cls,
        source: str | PathLike[str] = BUNDLED,
        *,
        target_lang: str | None = None,
        processor: str | PathLike[str] | None = None,
        jit_compile: bool = False,
        **hub: Any,
    ) -> Recognizer:
        """Loads a CTC model of any family.

        Args:
            source: a folder; a SavedModel; a file that `convert litert`, `onnx` or `openvino`
                wrote; a Hugging Face id; a fairseq checkpoint with its `dict.ltr.txt` beside it; or
                "bundled", the small model that comes with the package. A folder with weights is
                read as a checkpoint; its `saved_model.pb` names a SavedModel beside them.
            target_lang: the language to transcribe, for models with an adapter for each language
                (MMS). A SavedModel or an exported file has one language already.
            processor: a folder with the vocabulary and the preprocessor's config, for a checkpoint
                without them, as a training run saves it; by default those of the model.
            jit_compile: compile with XLA, once for each shape of input.
            hub: `revision`, `token`, `cache_dir` and `local_files_only`, see `HubOptions`.

        Raises:
            UserError: there is no such model or language, the model has no CTC head, or its
                vocabulary is missing or does not fit the head.
        """
        path = resolve(source, adapter=target_lang, **hub)
        if local_path(source) is not None and is_export(path):  # the hub names checkpoints only
            if processor is not None:
                raise UserError(f"{path}: an exported model has a processor: leave processor out")
            return cls._of_export(load_export(path, head=CTC, jit_compile=jit_compile))
        config, checkpoint = open_model(path, target_lang=target_lang)
        _require_ctc(path, "lm_head.weight" in checkpoint)
        described = Processor.of_model(path, processor, target_lang=target_lang, **hub)
        described.check_feature_extractor(path, config)
        tokenizer = described.tokenizer_for(path, config)
        if note := language_model_in(path):
            log.warning("%s: %s", path, note)
        compiled = tf.function(
            _keras_model(path, target_lang),
            jit_compile=jit_compile,
            reduce_retracing=True,
            autograph=False,
        )
        return cls(config, tokenizer, described.normalizes, TensorFlowLogits(compiled))

    @classmethod
    def _of_export(cls, exported: LoadedExport) -> Recognizer:
        config, processor = exported.config, exported.processor
        processor.check_feature_extractor(exported.path, config)
        tokenizer = processor.tokenizer_for(exported.path, config)

        def call(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
            return exported(speech, lengths)["logits"]

        length, takes_lengths = exported.fixed_length, exported.takes_lengths
        return cls(config, tokenizer, processor.normalizes, call, length, takes_lengths)

    def untraced(self) -> Recognizer:
        """Returns a recognizer that runs eagerly: for one call, that is faster than tracing."""
        if not isinstance(self.logits, TensorFlowLogits):
            return self
        function = getattr(self.logits.function, "python_function", self.logits.function)
        return replace(self, logits=TensorFlowLogits(function))

    @property
    def minimum_length(self) -> int:
        """Samples that one frame takes; fewer cannot be computed."""
        return self.config.samples_of(1)

    @property
    def characters(self) -> frozenset[str]:
        """Characters that the vocabulary can spell."""
        return self.tokenizer.speller.characters

    @property
    def alphabet(self) -> ctc.Alphabet:
        """The tokens as decoders take them."""
        return ctc.Alphabet.of(self.tokenizer, keep_special_tokens=self.keep_special_tokens)

    @property
    def seconds_per_frame(self) -> float:
        """Seconds from the start of one frame to the start of the next."""
        return self.config.stride / SAMPLE_RATE

    def require_frame(self, samples: int) -> None:
        """Raises `UserError` if `samples` are too few for one frame."""
        if samples < self.minimum_length:
            raise UserError(
                f"{samples} samples are too few: one frame takes {self.minimum_length} "
                f"({1000 * self.minimum_length / SAMPLE_RATE:.0f} ms); give a longer recording"
            )

    def transcribe(
        self, speech: Sequence[Audio], *, length: int | None = None, masked: bool = True
    ) -> list[Transcript]:
        """Transcribes one batch of utterances.

        Each is cut to `length` samples, normalized over its own samples if the processor says so,
        and then padded with zeros. `Transcriber` takes recordings of any length.

        Args:
            speech: an array of shape (samples,), 16 kHz mono floating point, for each utterance; or
                a path, the contents of a file or a binary file object.
            length: samples to cut and pad to; by default the model's fixed length, or else the
                bucket of the longest utterance.
            masked: give the model the lengths, so that padding has no influence. Without them it
                runs as the published fixed-length models do; so does a model that takes no lengths.

        Raises:
            UserError: an utterance cannot be read, is shorter than one frame or is too long; or an
                array is not mono, not floating point or not finite.
        """
        return [self.decode(logits) for logits in self.emit(speech, length=length, masked=masked)]

    def emit(
        self,
        speech: Sequence[Audio],
        *,
        length: int | None = None,
        masked: bool = True,
        normalized: bool = False,
    ) -> list[np.ndarray]:
        """Computes the logits of one batch of utterances.

        Args:
            speech: utterances, see `transcribe`.
            length: samples to cut and pad to, see `transcribe`.
            masked: whether the model gets the lengths, see `transcribe`.
            normalized: whether the speech is already normalized, where the model needs that.

        Returns:
            (frames, vocab) float32 for each utterance. With lengths, the frames are the utterance's
            own; without, they are those of the padded batch.

        Raises:
            UserError: see `transcribe`.
        """
        if is_recording(speech):
            raise UserError("speech must be a list of recordings, got one recording: give [speech]")
        if not speech:
            return []
        waveforms = [as_waveform(utterance) for utterance in speech]
        longest = max(map(len, waveforms))
        if length is None:
            length = self.fixed_length or bucket(longest)
            if longest > length:
                raise UserError(
                    f"one utterance has at most {length} samples for this model, got {longest}: "
                    "transcribe it with Transcriber, which cuts long recordings"
                )
        self.require_frame(min(map(len, waveforms)))
        padded, lengths = batch_of(waveforms, length, self.do_normalize and not normalized)
        if masked and self.takes_lengths:
            logits = self.logits(padded, lengths)
            frames = [self.config.frame_length(int(samples)) for samples in lengths]
        else:
            logits = self.logits(padded, None)
            frames = [logits.shape[1]] * len(waveforms)
        return [row[:count] for row, count in zip(logits, frames, strict=True)]

    def decode(self, logits: np.ndarray | Iterable[np.ndarray]) -> Transcript:
        """Finds the words of one recording, by `decoder` or greedily.

        Args:
            logits: (frames, vocab), whole or in consecutive blocks. Greedy decoding keeps 8 bytes a
                frame of each block; a decoder is given all frames at once.
        """
        blocks = [logits] if isinstance(logits, np.ndarray) else logits
        if self.decoder is not None:
            whole = np.concatenate(list(blocks))
            return self.decoder(ctc.log_softmax(whole), self.seconds_per_frame)
        paths = [ctc.BestPath.of(block) for block in blocks]
        path = ctc.BestPath(*map(np.concatenate, zip(*paths, strict=True)))
        return ctc.transcript(path, self.alphabet, self.seconds_per_frame)


def batch_of(
    speech: Sequence[np.ndarray], length: int, do_normalize: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts utterances to `length`, normalizes them and pads them with zeros.

    Args:
        speech: (samples,) float32 for each utterance.
        length: samples of each row.
        do_normalize: whether to normalize each utterance over its own samples.

    Returns:
        (batch, length) float32 and the (batch,) int32 lengths.
    """
    padded = np.zeros((len(speech), length), np.float32)
    lengths = np.minimum([len(utterance) for utterance in speech], length).astype(np.int32)
    for row, utterance, samples in zip(padded, speech, lengths, strict=True):
        cut = utterance[:samples]
        row[:samples] = normalize(cut) if do_normalize else cut
    return padded, lengths


def _require_ctc(source: Path, has_head: bool) -> None:
    if not has_head:
        raise UserError(
            f"{source}: has no CTC head, which transcribing needs: give a model fine-tuned with CTC"
        )


def _keras_model(path: Path, target_lang: str | None) -> Callable[..., tf.Tensor]:
    from wav2vec2_tf.models.auto import AutoModelForCTC

    return AutoModelForCTC.from_pretrained(path, target_lang=target_lang)
