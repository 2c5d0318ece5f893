"""Product quantization of features: the targets of pre-training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.layers import PACKAGE, ConfigLayer
from wav2vec2_tf.models.lengths import silence_padding, size

START_TEMPERATURE = 2.0  # before annealing, arXiv:2006.11477, section 4.2


@keras.saving.register_keras_serializable(PACKAGE)
class GumbelVectorQuantizer(ConfigLayer):
    """Chooses an entry of each codebook for each frame (arXiv:2006.11477, section 2, equation 1).

    In training the entry is drawn by a hard Gumbel softmax, with the gradient of the soft one
    (straight-through); otherwise it is the likeliest. transformers'
    `Wav2Vec2GumbelVectorQuantizer`.

    Args:
        config: the model's config.
        channels: channels of the features; `config.feature_channels` by default.
        **kwargs: as in `keras.layers.Layer`.

    Attributes:
        temperature: a variable that training lowers with `temperature.assign(...)`, also in
            compiled functions. It is not a weight, and checkpoints do not hold it.
    """

    def __init__(self, config: Wav2Vec2Config, channels: int | None = None, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.codebooks = config.num_codevector_groups
        self.entries = config.num_codevectors_per_group
        self.entry_size = config.codevector_dim // self.codebooks
        self.channels = channels or config.feature_channels
        self.weight_proj = keras.layers.Dense(
            self.codebooks * self.entries,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="weight_proj",
        )
        self.temperature = tf.Variable(START_TEMPERATURE, trainable=False, name="temperature")
        self.seed_generator = keras.random.SeedGenerator()

    def get_config(self) -> dict[str, Any]:
        """Returns the layer's arguments."""
        return {**super().get_config(), "channels": self.channels}

    def build(self, input_shape: object = None) -> None:
        """Creates the projection and the codebooks."""
        self.weight_proj.build((None, None, self.channels))
        self.codevectors = self.add_weight(
            name="codevectors",
            shape=(1, self.codebooks * self.entries, self.entry_size),
            initializer=keras.initializers.RandomUniform(0.0, 1.0),
        )

    def call(
        self, features: tf.Tensor, chosen: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Quantizes features.

        Args:
            features: (batch, frames, channels).
            chosen: (batch, frames) bool, the frames that perplexity is computed over; None for all.
            training: whether entries are drawn.

        Returns:
            The entries, (batch, frames, codevector_dim), those of the codebooks side by side; and
            the perplexity, a float32 scalar that says how many entries are in use: the exponential
            of the entropy of the mean choice (in training of the mean softmax, without Gumbel
            noise), summed over the codebooks. Over no frames it is the number of codebooks.
        """
        batch, frames = size(features, 0), size(features, 1)
        shape = [batch, frames, self.codebooks, self.entries]
        logits = tf.cast(tf.reshape(self.weight_proj(features), shape), tf.float32)
        if training:
            noisy = (logits + self.gumbel_noise(shape)) / self.temperature
            soft, hard = tf.nn.softmax(noisy), self._one_hot(noisy)
            choice = hard + (soft - tf.stop_gradient(soft))
            perplexity = _perplexity(tf.nn.softmax(logits), chosen)
        else:
            choice = self._one_hot(logits)
            perplexity = _perplexity(choice, chosen)
        codevectors = tf.cast(self.codevectors, self.compute_dtype)
        codevectors = tf.reshape(codevectors, [self.codebooks, self.entries, self.entry_size])
        quantized = tf.einsum("bfce,ces->bfcs", tf.cast(choice, codevectors.dtype), codevectors)
        return tf.reshape(quantized, [batch, frames, self.codebooks * self.entry_size]), perplexity

    def _one_hot(self, scores: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(tf.argmax(scores, axis=-1), self.entries)

    def gumbel_noise(self, shape: list[tf.Tensor | int]) -> tf.Tensor:
        """Draws float32 samples of the standard Gumbel distribution."""
        smallest = float(np.finfo(np.float32).tiny)
        draw = keras.random.uniform(
            shape, minval=smallest, maxval=1.0, dtype="float32", seed=self.seed_generator
        )
        return -tf.math.log(-tf.math.log(draw))


def _perplexity(probabilities: tf.Tensor, chosen: tf.Tensor | None) -> tf.Tensor:
    """Returns the perplexity of (batch, frames, codebooks, entries); see the quantizer's `call`."""
    if chosen is None:
        chosen = tf.ones(tf.shape(probabilities)[:2], tf.bool)
    total = tf.reduce_sum(silence_padding(probabilities, chosen), axis=(0, 1))
    mean = tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(chosen, tf.float32)))
    entropy = -tf.reduce_sum(tf.math.xlogy(mean, mean), axis=-1)
    return tf.reduce_sum(tf.exp(entropy))
