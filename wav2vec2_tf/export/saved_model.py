"""Writes SavedModels: for `hub.KerasLayer`, Keras 3, TensorFlow Serving and plain TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import VARIANCE_EPSILON
from wav2vec2_tf.export.contract import FEATURES, LENGTHS, SPEECH
from wav2vec2_tf.models import families
from wav2vec2_tf.models import lengths as padding
from wav2vec2_tf.models.config import PUBLISHED_LENGTH, Config
from wav2vec2_tf.models.pretrained import write_config
from wav2vec2_tf.models.processor import Processor
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS
from wav2vec2_tf.models.shared_trace import shared_traces
from wav2vec2_tf.text import ctc
from wav2vec2_tf.utils.errors import UserError

ONLY_OUTPUT = {
    families.BASE: "hidden_states",
    families.CTC: "logits",
    families.SEQUENCE: "logits",
    families.FRAME: "logits",
}
"""The name of the output of each head that has one; other heads name their outputs themselves."""
OF_UTTERANCES = (families.SEQUENCE, families.X_VECTOR)
"""Heads with one output for each utterance; the other heads have one for each frame."""

MASK = "attention_mask"

Outputs = dict[str, tf.Tensor]
Run = Callable[[tf.Tensor, tf.Tensor | None, bool], Outputs]


class Structure(NamedTuple):
    """A structure of the inputs that `__call__` of a SavedModel accepts."""

    container: type | None = None
    """`tuple`, `list` or `dict`; None for the tensor of speech (or features) alone."""
    second: str | None = None
    """The input after speech: `lengths` or `attention_mask`; None where all samples are valid.
    It needs a container."""
    dtype: tf.DType = tf.int32
    """Type of the second input."""

    def specs(self, first: tf.TensorSpec) -> Any:
        """Returns the specs of the inputs, given that of speech (or features)."""
        if self.container is None and self.second is not None:
            raise ValueError(
                f"container must be tuple, list or dict in a structure with {self.second}, got None"
            )
        specs = [first]
        if self.second == LENGTHS:
            specs.append(lengths_spec(self.dtype))
        elif self.second == MASK:
            specs.append(tf.TensorSpec(first.shape[:2], self.dtype, MASK))
        if self.container is None:
            return first
        return (
            {spec.name: spec for spec in specs} if self.container is dict else self.container(specs)
        )


MASK_TYPES = (tf.int32, tf.int64, tf.bool, tf.float32, tf.float64, tf.float16, tf.bfloat16)
"""Types of a mask. `tf.keras.Input(shape)` is float32, on the published pages for masks too."""
STRUCTURES = (
    Structure(),
    Structure(dict),
    *(
        Structure(container, second, dtype)
        for second, dtypes in (
            (LENGTHS, (tf.int32, tf.int64)),
            (MASK, MASK_TYPES),
        )
        for dtype in dtypes
        for container in (tuple, list, dict)
    ),
)
"""The structures that are documented. All of them call the same traces of the model."""


def export(
    model: keras.Model,
    processor: Processor | None,
    folder: Path,
    *,
    length: int | None = PUBLISHED_LENGTH,
    log_softmax: bool = False,
    structures: Sequence[Structure] = STRUCTURES,
    trainable: bool = True,
) -> None:
    """Writes a SavedModel, whose trainable variables are the model's weights, each stored once.

    `__call__(inputs, training=False)` takes `speech`, `(speech, attention_mask)`,
    `(speech, lengths)` and dicts of these names; speech is (batch, length) float32, normalized as
    the checkpoint's processor does it, and a mask is 1 for speech and then 0 for padding, of one
    of `MASK_TYPES`. Wav2Vec2-BERT also takes `input_features` in place of speech,
    (batch, frames, 160) float32, with a mask or lengths in frames. The result is a tensor, or a
    dict where the head has several outputs.

    The signatures are `serving_default`, `with_lengths`, `from_features` of Wav2Vec2-BERT and, for
    a CTC head with a tokenizer, `transcribe`.

    Args:
        model: a model of any family, with any head.
        processor: normalizes speech and decodes tokens in the signature `transcribe`, which is
            left out if it has no tokenizer.
        folder: the folder to write.
        length: samples of each row; None for any.
        log_softmax: whether the outputs are log-probabilities in place of logits.
        structures: the structures of inputs that `__call__` accepts. Each is a function in the
            file: fewer of them are faster to write and to load. `SavedModelLayer` needs
            `Structure(dict)` and `Structure(dict, "lengths")`.
        trainable: whether `__call__` accepts `training=True`. Without it the file holds half of
            the functions, and the same variables.

    Raises:
        UserError: `log_softmax` is set for a model without a CTC head.
    """
    check_log_softmax(log_softmax, model.head)
    root = tf.train.Checkpoint()
    # Keras's layers stay out of the object graph: with them, every weight is written twice.
    root.variables = [variable.value for variable in model.variables]
    root.trainable_variables = [variable.value for variable in model.trainable_variables]
    root.regularization_losses = []
    if model.head == families.PRE_TRAINING:
        root.temperature = model.quantizer.temperature  # not a weight, but training lowers it
    kinds = [speech_spec(length)]
    if model.config.log_mel_input:
        kinds.append(features_spec(model.config, length))
    modes = (False, True) if trainable else (False,)
    run = traced(model, kinds, log_softmax, modes)
    root.__call__ = callable_with(structures, run, kinds, ONLY_OUTPUT.get(model.head), modes)

    signatures = {"serving_default": _serving_default(run, length)}
    for name, kind in zip(("with_lengths", "from_features"), kinds, strict=False):
        signatures[name] = _with_lengths(run, kind, model)
    if model.head == families.CTC and processor is not None and processor.tokenizer is not None:
        signatures["transcribe"] = _transcribe(run, model.config, processor, length)
    tf.saved_model.save(root, folder, signatures=signatures)
    facts = folder / SAVED_MODEL_FACTS
    facts.mkdir()
    write_config(facts, model.config, model.head)
    if processor is not None:
        processor.save_pretrained(facts)


def check_log_softmax(log_softmax: bool, head: str) -> None:
    """Raises `UserError` if log-probabilities are asked for of a model without a CTC head."""
    if log_softmax and head != families.CTC:
        raise UserError(f"log_softmax needs a CTC head, and the model is {head}: leave it out")


def outputs(
    model: keras.Model,
    inputs: tf.Tensor,
    lengths: tf.Tensor | None,
    *,
    training: bool = False,
    log_softmax: bool = False,
) -> Outputs:
    """Runs a model and returns its outputs by name; see `export`."""
    output = model(inputs, lengths, training=training)
    if model.head in ONLY_OUTPUT:
        return {ONLY_OUTPUT[model.head]: tf.nn.log_softmax(output) if log_softmax else output}
    return {name: value for name, value in output._asdict().items() if not isinstance(value, tuple)}


def speech_spec(length: int | None) -> tf.TensorSpec:
    """Returns the spec of speech, (batch, length)."""
    return tf.TensorSpec([None, length], tf.float32, name=SPEECH)


def features_spec(config: Config, length: int | None) -> tf.TensorSpec:
    """Returns the spec of the log-mel features of `length` samples, (batch, frames, channels)."""
    frames = None if length is None else config.encoder_frames(length)
    shape = [None, frames, config.feature_channels]
    return tf.TensorSpec(shape, tf.float32, name=FEATURES)


def lengths_spec(dtype: tf.DType = tf.int32) -> tf.TensorSpec:
    """Returns the spec of lengths, (batch,)."""
    return tf.TensorSpec([None], dtype, name=LENGTHS)


def traced(
    model: keras.Model, kinds: Sequence[tf.TensorSpec], log_softmax: bool, modes: Sequence[bool]
) -> Run:
    """Traces `outputs` with and without lengths, for each kind of input and mode.

    All functions of the SavedModel share these traces. `tf.saved_model.save` would trace a
    `tf.function` in their place again for each of them.
    """

    def trace(kind: tf.TensorSpec, masked: bool, training: bool) -> Any:
        @tf.function(input_signature=[kind, lengths_spec()][: 1 + masked], autograph=False)
        def core(inputs: tf.Tensor, lengths: tf.Tensor | None = None) -> Outputs:
            return outputs(model, inputs, lengths, training=training, log_softmax=log_softmax)

        return core.get_concrete_function()

    with shared_traces():
        traces = {
            (kind.shape.rank, masked, training): trace(kind, masked, training)
            for kind in kinds
            for masked in (False, True)
            for training in modes
        }

    def run(inputs: tf.Tensor, lengths: tf.Tensor | None, training: bool) -> Outputs:
        core = traces[inputs.shape.rank, lengths is not None, training]
        return core(inputs) if lengths is None else core(inputs, lengths)

    return run


def callable_with(
    structures: Sequence[Structure],
    run: Run,
    kinds: Sequence[tf.TensorSpec],
    only_output: str | None,
    modes: Sequence[bool],
) -> Any:
    """Returns a function traced for each structure of each kind of input, in each mode.

    A loaded SavedModel finds a function by the exact structure and types it was traced with.
    """
    lengths_of = tf.function(padding.lengths_of, autograph=False)  # once for each type of mask

    def call(inputs: Any, training: bool = False) -> Outputs | tf.Tensor:
        first, lengths = padding.unpack(inputs, of_mask=lambda mask, _: lengths_of(mask))
        if lengths is not None:
            lengths = tf.cast(lengths, tf.int32)
        results = run(first, lengths, training)
        return results if only_output is None else results[only_output]

    function = tf.function(call, autograph=False)
    for training in modes:
        for kind in kinds:
            for structure in structures:
                function.get_concrete_function(structure.specs(kind), training=training)
    return function


def _serving_default(run: Run, length: int | None) -> Any:
    @tf.function(input_signature=[speech_spec(length)], autograph=False)
    def serving_default(speech: tf.Tensor) -> Outputs:
        return run(speech, None, False)

    return serving_default


def _with_lengths(run: Run, kind: tf.TensorSpec, model: keras.Model) -> Any:
    @tf.function(input_signature=[kind, lengths_spec()], autograph=False)
    def with_lengths(inputs: tf.Tensor, lengths: tf.Tensor) -> Outputs:
        results = dict(run(inputs, lengths, False))
        if model.head not in OF_UTTERANCES:
            clipped = padding.clip_lengths(lengths, padding.size(inputs, 1))
            of_speech = kind.name == SPEECH
            frames_of = model.config.frame_length if of_speech else model.config.adapted_frames
            results["frame_lengths"] = frames_of(clipped)
        return results

    return with_lengths


def _transcribe(run: Run, config: Config, processor: Processor, length: int | None) -> Any:
    assert processor.tokenizer is not None
    alphabet = ctc.Alphabet.of(processor.tokenizer)
    longest = length or padding.BUCKETS[-1]

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.float32, SPEECH), lengths_spec()],
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
        if processor.normalizes:
            speech = normalize_padded(speech, lengths, mask)
        frames = config.frame_length(lengths)
        logits = run(speech, lengths, False)[
            "logits"
        ]  # without XLA, which TensorFlow Serving lacks
        decoded = ctc.greedy(logits, frames, alphabet, config.stride / SAMPLE_RATE)
        return decoded._asdict()

    return transcribe


def normalize_padded(speech: tf.Tensor, lengths: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Normalizes each row to zero mean and unit variance, as `audio.normalize` does in NumPy.

    Args:
        speech: (batch, samples), zero in the padding.
        lengths: (batch,) samples of each row that are not padding.
        mask: (batch, samples), True where a sample is not padding.

    Returns:
        (batch, samples), zero in the padding; summed in float64.
    """
    wide = tf.cast(speech, tf.float64)
    count = tf.cast(tf.maximum(lengths, 1), tf.float64)[:, tf.newaxis]
    mean = tf.reduce_sum(wide, axis=1, keepdims=True) / count
    centred = padding.silence_padding(wide - mean, mask)
    variance = tf.reduce_sum(tf.square(centred), axis=1, keepdims=True) / count
    return tf.cast(centred * tf.math.rsqrt(variance + VARIANCE_EPSILON), speech.dtype)
