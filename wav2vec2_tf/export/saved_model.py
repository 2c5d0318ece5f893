"""Keras model → SavedModel: for `hub.KerasLayer`, Keras 3, TensorFlow Serving, plain TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf import ctc
from wav2vec2_tf import lengths as padding
from wav2vec2_tf.config import PUBLISHED_LENGTH, SAMPLE_RATE
from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
from wav2vec2_tf.pretrained import CONFIG_FILE, SAVED_MODEL_FACTS
from wav2vec2_tf.processor import Processor

NORMALISER_EPSILON = 1e-7  # transformers' Wav2Vec2FeatureExtractor


def export(
    model: Wav2Vec2Model | Wav2Vec2ForCTC,
    processor: Processor | None,
    folder: Path,
    *,
    length: int | None = PUBLISHED_LENGTH,
    log_softmax: bool = False,
) -> None:
    """Write a SavedModel with the model's weights, once, as trainable variables.

    `__call__(inputs, training=False)` takes `speech`, `(speech, attention_mask)`,
    `(speech, lengths)` and dicts of these names; speech is normalised, (batch, length) float32.
    Signatures: `serving_default`, `with_lengths` and, for CTC with a tokenizer, `transcribe`.

    Args:
        processor: what `transcribe` normalises and spells by; without its tokenizer there is no
            such signature.
        length: samples of each row; None for any.
        log_softmax: give log-probabilities in place of logits.
    """
    head = isinstance(model, Wav2Vec2ForCTC)

    def run(speech: tf.Tensor, lengths: tf.Tensor | None, training: bool) -> tf.Tensor:
        output = model(speech, lengths, training=training)
        return tf.nn.log_softmax(output) if log_softmax and head else output

    root = tf.train.Checkpoint()
    # Keras's own layers stay out of the object graph: with them, every weight is written twice.
    root.variables = [variable.value for variable in model.variables]
    root.trainable_variables = [variable.value for variable in model.trainable_variables]
    root.regularization_losses = []
    core = tf.function(run, autograph=False)
    root.__call__ = callable_with_every_input(core, length)

    name = "logits" if head else "hidden_states"
    signatures = {
        "serving_default": _serving_default(root.__call__, length, name),
        "with_lengths": _with_lengths(root.__call__, model, length, name),
    }
    if head and processor is not None and processor.tokenizer is not None:
        alphabet = ctc.Alphabet.of(processor.tokenizer)
        do_normalize = processor.feature_extractor.do_normalize
        signatures["transcribe"] = _transcribe(core, model, alphabet, do_normalize, length)
    tf.saved_model.save(root, folder, signatures=signatures)
    facts = folder / SAVED_MODEL_FACTS
    facts.mkdir()
    (facts / CONFIG_FILE).write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")
    if processor is not None:
        processor.save_pretrained(facts)


def speech_spec(length: int | None) -> tf.TensorSpec:
    return tf.TensorSpec([None, length], tf.float32, name="speech")


def lengths_spec(dtype: tf.DType = tf.int32) -> tf.TensorSpec:
    return tf.TensorSpec([None], dtype, name="lengths")


def callable_with_every_input(
    run: Callable[[tf.Tensor, tf.Tensor | None, bool], tf.Tensor], length: int | None
) -> Any:
    """A function traced for each structure of input, for training and not.

    A loaded SavedModel finds a function by the exact structure and types it was traced with. The
    model itself is traced four times in all: the structures share those traces.
    """

    def call(inputs: Any, training: bool = False) -> tf.Tensor:
        if not isinstance(inputs, dict):
            speech, *rest = inputs if isinstance(inputs, list | tuple) else [inputs]
            inputs = {"speech": speech}
            if rest:
                inputs["attention_mask" if rest[0].shape.rank == 2 else "lengths"] = rest[0]
        lengths = inputs.get("lengths")
        if "attention_mask" in inputs:
            lengths = padding.lengths_of(inputs["attention_mask"])
        if lengths is not None:
            lengths = tf.cast(lengths, tf.int32)
        return run(inputs["speech"], lengths, training)

    function = tf.function(call, autograph=False)
    speech = speech_spec(length)
    seconds = [lengths_spec(dtype) for dtype in (tf.int32, tf.int64)]
    seconds += [
        tf.TensorSpec([None, length], dtype, name="attention_mask")
        for dtype in (tf.int32, tf.int64, tf.bool)
    ]
    for training in (False, True):
        function.get_concrete_function(speech, training=training)
        function.get_concrete_function({"speech": speech}, training=training)
        for second in seconds:
            for inputs in (
                (speech, second),
                [speech, second],
                {"speech": speech, second.name: second},
            ):
                function.get_concrete_function(inputs, training=training)
    return function


def _serving_default(call: Any, length: int | None, name: str) -> Any:
    @tf.function(input_signature=[speech_spec(length)], autograph=False)
    def serving_default(speech: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: call(speech)}

    return serving_default


def _with_lengths(call: Any, model: keras.Model, length: int | None, name: str) -> Any:
    @tf.function(input_signature=[speech_spec(length), lengths_spec()], autograph=False)
    def with_lengths(speech: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        clipped = padding.clip_lengths(lengths, padding.size(speech, 1))
        frames = padding.frame_lengths(model.config, clipped)
        return {name: call((speech, lengths)), "frame_lengths": frames}

    return with_lengths


def _transcribe(
    run: Callable[..., tf.Tensor],
    model: Wav2Vec2ForCTC,
    alphabet: ctc.Alphabet,
    do_normalize: bool,
    length: int | None,
) -> Any:
    compiled = tf.function(lambda speech, lengths: run(speech, lengths, False), jit_compile=True)
    longest = length or padding.BUCKETS[-1]

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.float32, "speech"), lengths_spec()],
        autograph=False,
    )
    def transcribe(speech: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        lengths = padding.clip_lengths(lengths, tf.shape(speech)[1])
        most = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        fits = tf.debugging.assert_less_equal(
            most, longest, f"speech is longer than the {longest} samples this model takes"
        )
        with tf.control_dependencies([fits] if fits is not None else []):
            width = length or tf.gather(
                padding.BUCKETS, tf.searchsorted(padding.BUCKETS, [tf.minimum(most, longest)])[0]
            )
        speech = tf.pad(
            speech[:, :width], [[0, 0], [0, tf.maximum(width - tf.shape(speech)[1], 0)]]
        )
        speech = tf.ensure_shape(speech, [None, length])
        mask = padding.valid(lengths, width)
        speech = padding.silence_padding(speech, mask)
        if do_normalize:
            speech = normalise(speech, lengths, mask)
        frames = padding.frame_lengths(model.config, lengths)
        decoded = ctc.greedy(
            compiled(speech, lengths), frames, alphabet, model.config.stride / SAMPLE_RATE
        )
        return decoded._asdict()

    return transcribe


def normalise(speech: tf.Tensor, lengths: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Zero mean and unit variance over each row's own samples; summed in float64."""
    wide = tf.cast(speech, tf.float64)
    count = tf.cast(tf.maximum(lengths, 1), tf.float64)[:, tf.newaxis]
    mean = tf.reduce_sum(wide, axis=1, keepdims=True) / count
    centred = padding.silence_padding(wide - mean, mask)
    variance = tf.reduce_sum(tf.square(centred), axis=1, keepdims=True) / count
    return tf.cast(centred * tf.math.rsqrt(variance + NORMALISER_EPSILON), speech.dtype)
