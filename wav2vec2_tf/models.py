"""The models: waveform → hidden states, waveform → logits."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from wav2vec2_tf import lengths as padding
from wav2vec2_tf.config import Wav2Vec2Config
from wav2vec2_tf.encoder import Encoder, FeatureProjection, dense
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.feature_encoder import FeatureEncoder
from wav2vec2_tf.pretrained import Pretrained
from wav2vec2_tf.spec_augment import span_mask

if keras.backend.backend() != "tensorflow":
    raise UserError(
        f"Keras runs on {keras.backend.backend()} here, and wav2vec2_tf needs TensorFlow: "
        "set KERAS_BACKEND=tensorflow before Python starts"
    )


class HiddenStates(NamedTuple):
    last_hidden_state: tf.Tensor
    """(batch, frames, hidden)"""
    hidden_states: tuple[tf.Tensor, ...]
    """The embedding and each layer's output, each (batch, frames, hidden)."""


class Wav2Vec2Model(Pretrained, keras.Model):
    """wav2vec 2.0 without a head (arXiv:2006.11477; transformers' `Wav2Vec2Model`)."""

    base_name = ""

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.feature_encoder = FeatureEncoder(config, name="feature_encoder")
        self.feature_projection = FeatureProjection(config, name="feature_projection")
        self.encoder = Encoder(config, name="encoder")
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: object = None) -> None:
        self.feature_encoder.build()
        self.feature_projection.build()
        self.encoder.build()
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
    ) -> tf.Tensor | HiddenStates:
        """Normalised 16 kHz speech → hidden states, a frame in 20 ms.

        Args:
            speech: (batch, samples) float.
            lengths: (batch,) samples of each row that are speech; the rest has no influence, and
                its frames come out zero. Without it every sample counts, as in the published
                models.
            training: draw dropout, SpecAugment and LayerDrop, as the config says.
            output_hidden_states: return `HiddenStates` rather than the last layer's alone.

        Returns:
            (batch, frames, hidden), frames = `config.frame_length(samples)`.

        Raises:
            UserError: speech or lengths of another rank or type.
        """
        if speech.shape.rank != 2 or not speech.dtype.is_floating:
            raise UserError(
                "speech must be (batch, samples) of floating-point numbers, "
                f"got {speech.dtype.name} of shape {speech.shape}"
            )
        batch, samples = padding.size(speech, 0), padding.size(speech, 1)
        if lengths is not None:
            lengths = tf.convert_to_tensor(lengths)
            if not lengths.dtype.is_integer or not lengths.shape.is_compatible_with(
                speech.shape[:1]
            ):
                raise UserError(
                    "lengths must be (batch,) whole numbers, "
                    f"got {lengths.dtype.name} of shape {lengths.shape}"
                )
            lengths = padding.clip_lengths(lengths, samples)
            speech = padding.silence_padding(speech, padding.valid(lengths, samples))
        # The convolutions need a row, and samples for one frame: what is too many is cut off below.
        shortest = self.config.samples_of(1)
        if not isinstance(samples, int) or samples < shortest:
            speech = tf.pad(speech, [[0, 0], [0, tf.maximum(shortest - samples, 0)]])
        if not isinstance(batch, int) or batch == 0:
            rows, width = tf.maximum(1 - batch, 0), speech.shape[1]
            speech = tf.pad(speech, [[0, rows], [0, 0]])
            speech.set_shape([None, width])
            lengths = None if lengths is None else tf.pad(lengths, [[0, rows]])
        features = self.feature_encoder(speech, lengths)
        mask = None
        if lengths is not None:
            frame_lengths = padding.frame_lengths(self.config, lengths)
            mask = padding.valid(frame_lengths, padding.size(features, 1))
        hidden_states = self.feature_projection(features, training=training)
        if training and self.config.apply_spec_augment:
            hidden_states = self._spec_augment(hidden_states, mask)
        last, states = self.encoder(hidden_states, mask, training=training)
        frames = padding.frame_lengths(self.config, samples)
        if not output_hidden_states:
            return last[:batch][:, :frames]  # in two steps, or the graph forgets what is static
        states = [state[:batch][:, :frames] for state in states]
        return HiddenStates(last[:batch][:, :frames], tuple(states))

    def _spec_augment(self, hidden_states: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        config = self.config
        batch, frames = padding.size(hidden_states, 0), padding.size(hidden_states, 1)
        if config.mask_time_prob > 0:
            lengths = (
                tf.fill([batch], frames)
                if mask is None
                else tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)
            )
            masked = span_mask(
                lengths,
                frames,
                probability=config.mask_time_prob,
                span=config.mask_time_length,
                minimum=config.mask_time_min_masks,
                seed=self.seed_generator,
            )
            embedding = tf.cast(self.masked_spec_embed, hidden_states.dtype)
            hidden_states = tf.where(masked[..., tf.newaxis], embedding, hidden_states)
        if config.mask_feature_prob > 0:
            masked = span_mask(
                tf.fill([batch], config.hidden_size),
                config.hidden_size,
                probability=config.mask_feature_prob,
                span=config.mask_feature_length,
                minimum=config.mask_feature_min_masks,
                seed=self.seed_generator,
            )
            hidden_states = tf.where(masked[:, tf.newaxis], 0.0, hidden_states)
        return hidden_states


class Wav2Vec2ForCTC(Pretrained, keras.Model):
    """wav2vec 2.0 with a linear head over characters (transformers' `Wav2Vec2ForCTC`)."""

    base_name = "wav2vec2"

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.wav2vec2 = Wav2Vec2Model(config, name="wav2vec2")
        self.dropout = keras.layers.Dropout(config.final_dropout)
        self.lm_head = dense(config, config.vocab_size, "lm_head")

    def build(self, input_shape: object = None) -> None:
        self.wav2vec2.build()
        self.lm_head.build((None, None, self.config.hidden_size))

    def call(
        self, speech: tf.Tensor, lengths: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Normalised 16 kHz speech → (batch, frames, vocab) logits; see `Wav2Vec2Model.call`.

        Frames beyond a row's own hold the head's bias.
        """
        hidden_states = self.wav2vec2(speech, lengths=lengths, training=training)
        return self.lm_head(self.dropout(hidden_states, training=training))
