"""The base model, speech → hidden states, and the CTC model, speech → logits.

Each serves every family: the config says which.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from wav2vec2_tf.models import families
from wav2vec2_tf.models import lengths as padding
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.models.layers import PACKAGE, dense
from wav2vec2_tf.models.log_mel import log_mel_graph
from wav2vec2_tf.models.pretrained import Pretrained
from wav2vec2_tf.models.shared_trace import call_layer
from wav2vec2_tf.models.spec_augment import span_mask
from wav2vec2_tf.models.transformer import EncoderOutput, FeatureProjection, FeedForward
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import replacing_layer

if keras.backend.backend() != "tensorflow":
    raise UserError(
        f"Keras' backend must be tensorflow, got {keras.backend.backend()}: "
        "set KERAS_BACKEND=tensorflow before Python starts"
    )


class Encoded(NamedTuple):
    """Outputs of the base model for heads. Padded frames are zero."""

    last_hidden_state: tf.Tensor
    """(batch, frames, hidden), after the adapter where there is one."""
    hidden_states: tuple[tf.Tensor, ...]
    attentions: tuple[tf.Tensor, ...]
    extract_features: tf.Tensor
    """(batch, frames, channels): the normalized features, before their projection."""
    frame_mask: tf.Tensor | None
    """(batch, frames) valid frames of the last hidden state; None where all are."""
    encoder_mask: tf.Tensor | None
    """The same for the other outputs, which no adapter has shortened."""


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2Model(Pretrained):
    """The model without a head (arXiv:2006.11477; transformers' `Wav2Vec2Model`, `HubertModel`, …).

    Args:
        config: sizes and switches, which also say of which family the model is.
        kwargs: `name`, `dtype` and `trainable`, as every Keras layer takes them.
    """

    base_name = ""
    head = families.BASE
    output_type = EncoderOutput

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        with self.layers_of_same_dtype():
            self._make_layers(config)

    def _make_layers(self, config: Config) -> None:
        family = families.family_of(config)
        self.feature_encoder = None
        if family.feature_encoder is not None:
            self.feature_encoder = family.feature_encoder(config, name="feature_encoder")
        self.channels = config.feature_channels
        self.feature_projection = FeatureProjection(config, name="feature_projection")
        self.encoder = family.encoder(config, name="encoder")
        self.intermediate_ffn = (
            FeedForward(config, hidden_act="relu", name="intermediate_ffn")
            if config.use_intermediate_ffn_before_adapter
            else None
        )
        self.adapter = None
        if config.add_adapter:
            assert family.adapter is not None  # family_of checks it
            self.adapter = family.adapter(config, name="adapter")
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        for part in (
            *(self.feature_encoder, self.feature_projection, self.encoder),
            *(self.intermediate_ffn, self.adapter),
        ):
            if part is not None:
                part.build()
        if self.config.has_mask_embedding:
            self.masked_spec_embed = self.add_weight(
                name="masked_spec_embed",
                shape=(self.config.hidden_size,),
                initializer=keras.initializers.RandomUniform(0.0, 1.0),
            )

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> tf.Tensor | EncoderOutput:
        """Computes hidden states of 16 kHz speech, one frame every 20 ms.

        Args:
            speech: (batch, samples) float, normalized as the checkpoint's processor does it.
                Wav2Vec2-BERT also takes log-mel features, (batch, frames, 160).
            lengths: (batch,) samples (or frames) of speech in each row; the rest has no influence,
                and its frames are zero. Without lengths every sample counts, as in the published
                models. `fit` and `predict` pass both in one structure: see `lengths.unpack`.
            training: whether to apply dropout, SpecAugment and LayerDrop, as the config says.
            output_hidden_states: whether to return the states before and after every layer too.
            output_attentions: whether to return every layer's attention weights too.

        Returns:
            (batch, frames, hidden), frames = `config.frame_length(samples)`; an `EncoderOutput`
            where more is asked for, here or in transformers' way: see `__call__`.

        Raises:
            UserError: speech or lengths of another rank or type.
        """
        encoded = self.encode(
            speech,
            lengths,
            training=training,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        padding.with_mask(encoded.last_hidden_state, encoded.frame_mask)
        if output_hidden_states or output_attentions:
            return EncoderOutput(*encoded[:3])
        return encoded.last_hidden_state

    def encode(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        *,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        mask_time_indices: tf.Tensor | None = None,
    ) -> Encoded:
        """Computes all outputs that heads use; see `call` for the other arguments.

        Args:
            speech: see `call`.
            lengths: see `call`.
            training: see `call`.
            output_hidden_states: see `call`.
            output_attentions: see `call`.
            mask_time_indices: (batch, frames) bool, the frames that the mask embedding replaces,
                in training or not, instead of those that SpecAugment would draw.
        """
        speech, lengths = self._checked(*padding.unpack(speech, lengths))
        batch, steps = padding.size(speech, 0), padding.size(speech, 1)
        waveform = speech.shape.rank == 2
        frames = self.config.encoder_frames(steps) if waveform else steps
        # The convolutions need one row, and input for one frame: what is added is cut off below.
        speech, lengths = self._at_least_one(speech, lengths)
        mask = None
        if lengths is not None:
            frame_lengths = self.config.encoder_frames(lengths) if waveform else lengths
            width = padding.size(speech, 1)
            mask = padding.valid(
                frame_lengths, self.config.encoder_frames(width) if waveform else width
            )
        if not waveform:
            features = padding.silence_padding(speech, mask)
        elif self.feature_encoder is not None:
            samples = padding.whole_lengths(speech) if lengths is None else lengths
            features = call_layer(self.feature_encoder, speech, samples)
        else:
            features, _ = log_mel_graph(speech, lengths)
            features = tf.cast(features, self.compute_dtype)
        hidden_states, features = self.feature_projection(features, training=training)
        if self.config.apply_spec_augment:
            if mask_time_indices is not None:
                rows, width = padding.size(features, 0), padding.size(features, 1)
                masked = tf.pad(mask_time_indices, [[0, rows - batch], [0, width - frames]])
                hidden_states = self._masked(hidden_states, masked)
            elif training:
                hidden_states = self._masked_in_time(hidden_states, mask)
            if training:
                hidden_states = self._masked_in_features(hidden_states)
        last, states, attentions = self.encoder(
            hidden_states,
            mask,
            training=training,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        if self.intermediate_ffn is not None:
            last += 0.5 * self.intermediate_ffn(last, training=training)
            last = padding.silence_padding(last, mask)
        adapted_mask, adapted = mask, self.config.adapted_frames(frames)
        if self.adapter is not None:
            last, adapted_mask = self.adapter(last, mask, training=training)
        # Two steps for each cut: in one, the graph would lose the static sizes.
        return Encoded(
            last[:batch][:, :adapted],
            tuple(state[:batch][:, :frames] for state in states),
            tuple(weights[:batch][:, :, :frames, :frames] for weights in attentions),
            padding.silence_padding(features, mask)[:batch][:, :frames],
            None if adapted_mask is None else adapted_mask[:batch][:, :adapted],
            None if mask is None else mask[:batch][:, :frames],
        )

    def _checked(
        self, speech: tf.Tensor, lengths: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the inputs as tensors, after checking them, with zeros for padding."""
        speech = tf.convert_to_tensor(speech)
        takes = "(batch, samples)"
        is_features = self.feature_encoder is None and speech.shape.rank == 3
        if self.feature_encoder is None:
            takes += f" or (batch, frames, {self.channels})"
        fits = speech.shape.rank == 2 or (is_features and speech.shape[2] == self.channels)
        if not fits or not speech.dtype.is_floating:
            raise UserError(
                f"speech must be {takes} of floating-point numbers, got {speech.dtype.name} of "
                f"shape {speech.shape}: prepare it with the processor, return_tensors='np'"
            )
        if lengths is None:
            return speech, None
        lengths = tf.convert_to_tensor(lengths)
        if not lengths.dtype.is_integer or not lengths.shape.is_compatible_with(speech.shape[:1]):
            raise UserError(
                f"lengths must be integers of shape {speech.shape[:1]}, one for each row of "
                f"speech, got {lengths.dtype.name} of shape {lengths.shape}"
            )
        steps = padding.size(speech, 1)
        lengths = padding.clip_lengths(lengths, steps)
        return padding.silence_padding(speech, padding.valid(lengths, steps)), lengths

    def _at_least_one(
        self, speech: tf.Tensor, lengths: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns the inputs with at least one row, and samples for at least one frame."""
        batch, steps = padding.size(speech, 0), padding.size(speech, 1)
        channels = [[0, 0]] * (speech.shape.rank - 2)
        shortest = self.config.fewest_frames
        if speech.shape.rank == 2:
            shortest = self.config.samples_of(shortest)
        if not isinstance(steps, int) or steps < shortest:
            missing = tf.maximum(shortest - steps, 0)
            speech = tf.pad(speech, [[0, 0], [0, missing], *channels])
        if not isinstance(batch, int) or batch == 0:
            rows, shape = tf.maximum(1 - batch, 0), speech.shape[1:]
            speech = tf.pad(speech, [[0, rows], [0, 0], *channels])
            speech.set_shape([None, *shape])
            lengths = None if lengths is None else tf.pad(lengths, [[0, rows]])
        return speech, lengths

    def _masked(self, hidden_states: tf.Tensor, masked: tf.Tensor) -> tf.Tensor:
        """Returns the states with the mask embedding in the (batch, frames) masked frames."""
        if not self.config.has_mask_embedding:
            raise UserError(
                "masked frames need a mask embedding, which models with mask_time_prob 0 lack: "
                "load the model with mask_time_prob above 0"
            )
        embedding = tf.cast(self.masked_spec_embed, hidden_states.dtype)
        return tf.where(tf.cast(masked, tf.bool)[..., tf.newaxis], embedding, hidden_states)

    def _masked_in_time(self, hidden_states: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Masks random spans of each row's frames: SpecAugment (arXiv:1904.08779)."""
        config = self.config
        if config.mask_time_prob == 0:
            return hidden_states
        lengths = (
            padding.whole_lengths(hidden_states)
            if mask is None
            else tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)
        )
        masked = span_mask(
            lengths,
            padding.size(hidden_states, 1),
            probability=config.mask_time_prob,
            span=config.mask_time_length,
            minimum=config.mask_time_min_masks,
            seed=self.seed_generator,
        )
        return self._masked(hidden_states, masked)

    def _masked_in_features(self, hidden_states: tf.Tensor) -> tf.Tensor:
        """Sets random spans of each row's channels to zero: SpecAugment."""
        config = self.config
        if config.mask_feature_prob == 0:
            return hidden_states
        masked = span_mask(
            tf.fill([padding.size(hidden_states, 0)], config.hidden_size),
            config.hidden_size,
            probability=config.mask_feature_prob,
            span=config.mask_feature_length,
            minimum=config.mask_feature_min_masks,
            seed=self.seed_generator,
        )
        return tf.where(masked[:, tf.newaxis], tf.zeros((), hidden_states.dtype), hidden_states)


class LogitsOutput(NamedTuple):
    """The output of heads with logits."""

    logits: tf.Tensor
    hidden_states: tuple[tf.Tensor, ...] = ()
    attentions: tuple[tf.Tensor, ...] = ()


@keras.saving.register_keras_serializable(PACKAGE)
class Wav2Vec2ForCTC(Pretrained):
    """The model with a linear head over characters (transformers' `Wav2Vec2ForCTC`, …).

    Args:
        config: see `Wav2Vec2Model`; `vocab_size` is the size of the head.
        kwargs: see `Wav2Vec2Model`.
    """

    base_name = "base_model"
    head = families.CTC
    output_type = LogitsOutput

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        if config.vocab_size is None:
            raise UserError("config: a CTC head needs vocab_size, got null")
        with self.layers_of_same_dtype():
            self.base_model = Wav2Vec2Model(config, name="base_model")
            self.dropout = keras.layers.Dropout(config.final_dropout)
            self.lm_head = dense(config, config.vocab_size, "lm_head")

    def build(self, input_shape: object = None) -> None:
        """Creates the variables; their shapes do not depend on the input's."""
        self.base_model.build()
        self.lm_head.build((None, None, self.config.last_hidden_size))

    def set_head(self, vocab_size: int) -> None:
        """Replaces the head by a new one of another size.

        The former head's weights become NaN, so that functions that were traced with it return NaN
        instead of logits of the former vocabulary.
        """
        before = self.lm_head
        for variable in before.weights:
            variable.assign(tf.fill(variable.shape, tf.constant(float("nan"), variable.dtype)))
        with replacing_layer(self, before):
            self.lm_head = dense(self.config, vocab_size, "lm_head", dtype=before.dtype_policy)
        with keras.name_scope(self.name, caller=self):
            self.lm_head.build((None, None, self.config.last_hidden_size))
        self.config = dataclasses.replace(self.config, vocab_size=vocab_size)

    def call(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None = None,
        training: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> tf.Tensor | LogitsOutput:
        """Computes (batch, frames, vocab) logits of 16 kHz speech; see `Wav2Vec2Model.call`.

        Padded frames hold the head's bias.
        """
        outputs = self.base_model.encode(
            speech,
            lengths,
            training=training,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        logits = self.lm_head(self.dropout(outputs.last_hidden_state, training=training))
        return with_states(padding.with_mask(logits, outputs.frame_mask), outputs)


def with_states(logits: tf.Tensor, outputs: Encoded) -> tf.Tensor | LogitsOutput:
    """Returns the logits alone, or with the states and attentions that were asked for."""
    if outputs.hidden_states or outputs.attentions:
        return LogitsOutput(logits, outputs.hidden_states, outputs.attentions)
    return logits
