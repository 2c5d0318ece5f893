"""Models with other heads than CTC: pre-training, classifiers of utterances and frames, x-vectors.

Each serves every family that has the head in transformers; the config says which.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from wav2vec2_tf.models import families
from wav2vec2_tf.models.base import Encoded, LogitsOutput, Wav2Vec2Model, with_states
from wav2vec2_tf.models.config import Config, Wav2Vec2Config
from wav2vec2_tf.models.families import Objective
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer, dense, layer_norm
from wav2vec2_tf.models.lengths import silence_padding, size, valid, whole_lengths, with_mask
from wav2vec2_tf.models.pretrained import Pretrained
from wav2vec2_tf.models.quantizer import GumbelVectorQuantizer
from wav2vec2_tf.utils.errors import UserError


class PreTrainingOutput(NamedTuple):
    """Predictions and targets of pre-training."""

    projected_states: tf.Tensor
    """(batch, frames, proj_codevector_dim); UniSpeech has hidden_size channels."""
    projected_quantized_states: tf.Tensor
    """The targets, of the same shape."""
    codevector_perplexity: tf.Tensor
    """Scalar; see `GumbelVectorQuantizer.call`."""
    hidden_states: tuple[tf.Tensor, ...] = ()
    attentions: tuple[tf.Tensor, ...] = ()


class UniSpeechSatPreTrainingOutput(NamedTuple):
    """Outputs of pre-training of UniSpeech-SAT, as transformers returns them."""

    projected_states: tf.Tensor
    """(batch, frames, hidden)"""
    logits: tf.Tensor
    """(batch, frames, conv channels): the normalized features."""
    hidden_states: tuple[tf.Tensor, ...] = ()
    attentions: tuple[tf.Tensor, ...] = ()


class XVectorOutput(NamedTuple):
    """The speaker vector of each utterance."""

    logits: tf.Tensor
    """(batch, xvector_output_dim): the input of the model's `objective`."""
    embeddings: tf.Tensor
    """(batch, xvector_output_dim): the x-vectors."""
    hidden_states: tuple[tf.Tensor, ...] = ()
    attentions: tuple[tf.Tensor, ...] = ()


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2ForPreTraining(Pretrained):
    """The base model and the quantizer whose codevectors it learns to predict (arXiv:2006.11477).

    The outputs are those of transformers' class of the family. UniSpeech (arXiv:2101.07597) and
    UniSpeech-SAT (arXiv:2110.05752) hold weights of their losses, which the outputs do not need.
    """

    base_name = "base_model"
    head = families.PRE_TRAINING
    output_type = PreTrainingOutput
    config: Wav2Vec2Config

    def __init__(self, config: Wav2Vec2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        _refuse_wider_adapter(config, "pre-training")
        objective = self.objective = families.family_of(config).objective
        # Of UniSpeech-SAT's quantizer, as wide as its states, checkpoints hold only the weights.
        channels = config.hidden_size if objective is Objective.SPEAKER_AWARE else None
        with self.layers_of_same_dtype():
            self.base_model = Wav2Vec2Model(config, name="base_model")
            self.dropout_features = keras.layers.Dropout(config.feat_quantizer_dropout)
            self.quantizer = GumbelVectorQuantizer(config, channels, name="quantizer")
            self.project_q = dense(config, config.proj_codevector_dim, "project_q")
            if objective is Objective.PHONETIC:
                self.project_hid = dense(config, config.hidden_size, "project_hid")
                self.ctc_proj = dense(config, config.num_ctc_classes, "ctc_proj")  # type: ignore[attr-defined]
            else:
                self.project_hid = dense(config, config.proj_codevector_dim, "project_hid")
            if objective is Objective.SPEAKER_AWARE:
                self.speaker_proj = dense(config, config.codevector_dim, "speaker_proj")
                self.layer_norm_for_extract = layer_norm(config, "layer_norm_for_extract")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        config = self.config
        self.base_model.build()
        self.quantizer.build()
        self.project_q.build((None, None, config.codevector_dim))
        if self.objective is Objective.PHONETIC:
            self.project_hid.build((None, None, config.proj_codevector_dim))
            self.ctc_proj.build((None, None, config.hidden_size))
        else:
            self.project_hid.build((None, None, config.hidden_size))
        if self.objective is Objective.SPEAKER_AWARE:
            self.speaker_proj.build((None, None, config.hidden_size))
            self.layer_norm_for_extract.build((None, None, config.hidden_size))
            self.label_embeddings_concat = self.add_weight(
                name="label_embeddings_concat",
                shape=(config.num_clusters, config.codevector_dim),  # type: ignore[attr-defined]
                initializer="zeros",
            )

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        mask_time_indices: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> PreTrainingOutput | UniSpeechSatPreTrainingOutput:
        """Computes predictions and their targets.

        Args:
            speech: see `Wav2Vec2Model.call`.
            lengths: see `Wav2Vec2Model.call`.
            mask_time_indices: (batch, frames) true for the frames that are masked in the base
                model. Perplexity is over them; in UniSpeech it is over all valid frames.
            training: see `Wav2Vec2Model.call`.
            output_hidden_states: see `Wav2Vec2Model.call`.
            output_attentions: see `Wav2Vec2Model.call`.
        """
        outputs = self.base_model.encode(
            speech,
            lengths,
            training=training,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            mask_time_indices=mask_time_indices,
        )
        mask = outputs.encoder_mask
        features = self.dropout_features(outputs.extract_features, training=training)
        states, inner = outputs.last_hidden_state, (outputs.hidden_states, outputs.attentions)
        if self.objective is Objective.SPEAKER_AWARE:
            return UniSpeechSatPreTrainingOutput(states, features, *inner)
        chosen = mask
        if mask_time_indices is not None and self.objective is not Objective.PHONETIC:
            masked = tf.cast(mask_time_indices, tf.bool)
            chosen = masked if mask is None else masked & mask
        quantized, perplexity = self.quantizer(features, chosen=chosen, training=training)
        quantized = self.project_q(silence_padding(quantized, mask))
        if self.objective is Objective.PHONETIC:
            return PreTrainingOutput(states, self.project_hid(quantized), perplexity, *inner)
        return PreTrainingOutput(self.project_hid(states), quantized, perplexity, *inner)


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2ForSequenceClassification(Pretrained):
    """Classifies utterances, by the mean of their frames (SUPERB, arXiv:2105.01051)."""

    base_name = "base_model"
    head = families.SEQUENCE
    output_type = LogitsOutput

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        _refuse_adapter(config, "sequence classification")
        with self.layers_of_same_dtype():
            self.base_model = Wav2Vec2Model(config, name="base_model")
            self.projector = dense(config, config.classifier_proj_size, "projector")
            self.classifier = dense(config, config.num_labels, "classifier")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.base_model.build()
        self.layer_weights = _layer_weights(self)
        self.projector.build((None, None, self.config.hidden_size))
        self.classifier.build((None, self.config.classifier_proj_size))

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> tf.Tensor | LogitsOutput:
        """Computes (batch, num_labels) logits of speech; see `Wav2Vec2Model.call`.

        Those of a row without frames are the classifier's bias.
        """
        states, frame_mask, outputs = _encode(
            self, speech, lengths, training, output_hidden_states, output_attentions
        )
        projected = silence_padding(self.projector(states), frame_mask)
        count = tf.cast(_frame_count(projected, frame_mask), tf.float32)[:, tf.newaxis]
        total = tf.reduce_sum(tf.cast(projected, tf.float32), axis=1)
        return with_states(self.classifier(tf.math.divide_no_nan(total, count)), outputs)


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2ForAudioFrameClassification(Pretrained):
    """Classifies frames, such as by who speaks in them."""

    base_name = "base_model"
    head = families.FRAME
    output_type = LogitsOutput

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        _refuse_adapter(config, "frame classification")
        with self.layers_of_same_dtype():
            self.base_model = Wav2Vec2Model(config, name="base_model")
            self.classifier = dense(config, config.num_labels, "classifier")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.base_model.build()
        self.layer_weights = _layer_weights(self)
        self.classifier.build((None, None, self.config.hidden_size))

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> tf.Tensor | LogitsOutput:
        """Computes (batch, frames, num_labels) logits of speech; see `Wav2Vec2Model.call`.

        Padded frames hold the classifier's bias.
        """
        states, frame_mask, outputs = _encode(
            self, speech, lengths, training, output_hidden_states, output_attentions
        )
        return with_states(with_mask(self.classifier(states), frame_mask), outputs)


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2ForXVector(Pretrained):
    """Computes speaker vectors of utterances (x-vectors, Snyder et al. 2018, section 2.1)."""

    base_name = "base_model"
    head = families.X_VECTOR
    output_type = XVectorOutput

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        if not config.use_weighted_layer_sum:
            _refuse_wider_adapter(config, "an x-vector")
        with self.layers_of_same_dtype():
            self.base_model = Wav2Vec2Model(config, name="base_model")
            self.projector = dense(config, config.tdnn_dim[0], "projector")
            self.tdnn = [
                TDNNLayer(config, index, name=f"tdnn_{index}")
                for index in range(len(config.tdnn_dim))
            ]
            self.feature_extractor = dense(config, config.xvector_output_dim, "feature_extractor")
            self.classifier = dense(config, config.xvector_output_dim, "classifier")
            self.objective = AMSoftmaxLoss(config, name="objective")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.base_model.build()
        self.layer_weights = _layer_weights(self)
        self.projector.build((None, None, self.config.hidden_size))
        for layer in self.tdnn:
            layer.build()
        self.feature_extractor.build((None, 2 * self.config.tdnn_dim[-1]))
        self.classifier.build((None, self.config.xvector_output_dim))
        self.objective.build()

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> XVectorOutput:
        """Computes the x-vectors of speech; see `Wav2Vec2Model.call`.

        The standard deviation over less than two frames is 0, and so is the mean over none.
        (In PyTorch the former is NaN for one frame and an error for none.)
        """
        states, frame_mask, outputs = _encode(
            self, speech, lengths, training, output_hidden_states, output_attentions
        )
        count = _frame_count(states, frame_mask)
        states = self.projector(states)
        for layer in self.tdnn:
            states = layer(states)
            count = tf.maximum(count - layer.span, 0)
        embeddings = self.feature_extractor(statistics_pooling(states, count))
        logits = self.classifier(embeddings)
        return XVectorOutput(logits, embeddings, outputs.hidden_states, outputs.attentions)


@keras.saving.register_keras_serializable(PACKAGE)
class TDNNLayer(ConfigLayer):
    """A dilated convolution and ReLU: (batch, frames, channels) → (batch, frames - span, channels).

    The kernel has the checkpoint's layout, transposed: (kernel size · channels in, channels out).
    It is multiplied with concatenated frames: TensorFlow has no gradient for dilated convolutions
    on the CPU.
    """

    def __init__(self, config: Config, index: int, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.index = index
        self.inputs = config.tdnn_dim[max(index - 1, 0)]
        self.outputs = config.tdnn_dim[index]
        self.kernel_size, self.dilation = config.tdnn_kernel[index], config.tdnn_dilation[index]
        self.span = (self.kernel_size - 1) * self.dilation
        """Frames by which the output is shorter."""
        self.initializer = keras.initializers.RandomNormal(stddev=config.initializer_range)

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size * self.inputs, self.outputs),
            initializer=self.initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.outputs,), initializer="zeros")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the layer, with the model's config as a dict."""
        return {**super().get_config(), "index": self.index}

    def call(self, states: tf.Tensor) -> tf.Tensor:
        """Computes the layer; see the class for shapes."""
        frames = size(states, 1) - self.span
        frames = max(frames, 0) if isinstance(frames, int) else tf.maximum(frames, 0)
        starts = range(0, self.span + 1, self.dilation)
        seen = tf.concat([states[:, start : start + frames] for start in starts], axis=-1)
        return tf.nn.relu(tf.matmul(seen, self.kernel) + self.bias)


@keras.saving.register_keras_serializable(PACKAGE)
class AMSoftmaxLoss(ConfigLayer):
    """The softmax loss over cosines, with a margin for the true speaker (arXiv:1801.05599)."""

    SCALE, MARGIN = 30.0, 0.4

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.channels, self.labels = config.xvector_output_dim, config.num_labels

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.weight = self.add_weight(
            name="weight",
            shape=(self.channels, self.labels),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )

    def call(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Computes the mean loss of (batch, xvector_output_dim) logits and (batch,) speakers."""
        logits, weight = tf.cast(logits, tf.float32), tf.cast(self.weight, tf.float32)
        cosines = tf.matmul(tf.nn.l2_normalize(logits, axis=1), tf.nn.l2_normalize(weight, axis=0))
        margins = self.MARGIN * tf.one_hot(labels, self.labels)
        scores = self.SCALE * (cosines - margins)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
        return tf.reduce_mean(loss)


def statistics_pooling(states: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Computes the mean and the standard deviation over frames.

    Args:
        states: (batch, frames, channels).
        count: (batch,) valid frames, the first of each row.

    Returns:
        (batch, 2 · channels) float32. The deviation is the unbiased one, and 0 for one frame; where
        it is 0, its gradient is 0 too.
    """
    mask = valid(count, size(states, 1))
    states = silence_padding(tf.cast(states, tf.float32), mask)
    count = tf.cast(count, tf.float32)[:, tf.newaxis]
    mean = tf.reduce_sum(states, axis=1) / tf.maximum(count, 1.0)
    centred = silence_padding(states - mean[:, tf.newaxis], mask)
    variance = tf.reduce_sum(tf.square(centred), axis=1) / tf.maximum(count - 1.0, 1.0)
    spread = variance > 0
    deviation = tf.where(spread, tf.sqrt(tf.where(spread, variance, 1.0)), 0.0)
    return tf.concat([mean, deviation], axis=-1)


def _refuse_adapter(config: Config, head: str) -> None:
    if config.add_adapter:
        raise UserError(f"config: add_adapter must be false for {head}, got true")


def _refuse_wider_adapter(config: Config, head: str) -> None:
    if config.last_hidden_size != config.hidden_size:
        raise UserError(
            f"config: output_hidden_size must equal hidden_size {config.hidden_size} for {head}, "
            f"got {config.last_hidden_size}"
        )


def _layer_weights(model: keras.Model) -> keras.Variable | None:
    """Creates the weights of each layer's states in the head's input, before the softmax."""
    if not model.config.use_weighted_layer_sum:
        return None
    states = model.config.num_hidden_layers + 1  # and those before the first layer
    initializer = keras.initializers.Constant(1 / states)
    return model.add_weight(name="layer_weights", shape=(states,), initializer=initializer)


def _encode(
    model: keras.Model,
    speech: tf.Tensor,
    lengths: tf.Tensor | None,
    training: bool,
    output_hidden_states: bool,
    output_attentions: bool,
) -> tuple[tf.Tensor, tf.Tensor | None, Encoded]:
    """Returns the head's input states, the mask of their frames, and the base model's outputs.

    The states are the last ones, after the adapter; or with `use_weighted_layer_sum` a weighted sum
    of the encoder's, before it.
    """
    weighted = model.layer_weights is not None
    outputs = model.base_model.encode(
        speech,
        lengths,
        training=training,
        output_hidden_states=output_hidden_states or weighted,
        output_attentions=output_attentions,
    )
    if not weighted:
        return outputs.last_hidden_state, outputs.frame_mask, outputs
    shares = tf.nn.softmax(tf.cast(model.layer_weights, tf.float32))
    shares = tf.unstack(tf.cast(shares, outputs.last_hidden_state.dtype))
    states = tf.add_n(
        [state * share for state, share in zip(outputs.hidden_states, shares, strict=True)]
    )
    if not output_hidden_states:
        outputs = outputs._replace(hidden_states=())
    return states, outputs.encoder_mask, outputs


def _frame_count(states: tf.Tensor, frame_mask: tf.Tensor | None) -> tf.Tensor:
    """Returns the number of valid frames of each row, (batch,) int32."""
    if frame_mask is None:
        return whole_lengths(states)
    return tf.reduce_sum(tf.cast(frame_mask, tf.int32), axis=-1)
