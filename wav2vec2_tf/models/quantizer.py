"""Features → entries of learned codebooks: the targets of pre-training."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.config import UniSpeechSatConfig, Wav2Vec2Config
from wav2vec2_tf.models.lengths import silence_padding, size

START_TEMPERATURE = 2.0  # from which pre-training anneals, paper section 4.2


class GumbelVectorQuantizer(keras.layers.Layer):
    """One entry of each codebook for each frame (arXiv:2006.11477, section 2, equation 1).

    In training the entry is drawn: a hard Gumbel softmax, whose gradient is that of the soft one
    (straight-through). Else it is the likeliest.

    `temperature` is a variable that training lowers with `temperature.assign(...)`, compiled
    functions included; it is no weight, and no checkpoint holds it.
    """

    def __init__(self, config: Wav2Vec2Config, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.codebooks = config.num_codevector_groups
        self.entries = config.num_codevectors_per_group
        self.entry_size = config.codevector_dim // self.codebooks
        # UniSpeech-SAT holds one as wide as its hidden states, and does not call it.
        of_states = isinstance(config, UniSpeechSatConfig)
        self.channels = config.hidden_size if of_states else config.conv_dim[-1]
        self.weight_proj = keras.layers.Dense(
            self.codebooks * self.entries,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="weight_proj",
        )
        self.temperature = tf.Variable(START_TEMPERATURE, trainable=False, name="temperature")
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: object = None) -> None:
        self.weight_proj.build((None, None, self.channels))
        self.codevectors = self.add_weight(
            name="codevectors",
            shape=(1, self.codebooks * self.entries, self.entry_size),
            initializer=keras.initializers.RandomUniform(0.0, 1.0),
        )

    def call(
        self, features: tf.Tensor, chosen: tf.Tensor | None = None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(batch, frames, channels) features → (batch, frames, codevector_dim), and perplexity.

        Args:
            chosen: (batch, frames) bool, the frames that perplexity is taken over; None is all.

        Returns:
            The entries, those of the codebooks side by side; and how many entries are in use: the
            exponential of the entropy of the mean choice (training: of the mean softmax, without
            Gumbel noise), summed over the codebooks, a float32 scalar. Over no frames it is the
            number of codebooks, that of a single choice.
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
        """Draws float32 samples of the standard Gumbel distribution, new ones at each call."""
        smallest = float(np.finfo(np.float32).tiny)
        draw = keras.random.uniform(
            shape, minval=smallest, maxval=1.0, dtype="float32", seed=self.seed_generator
        )
        return -tf.math.log(-tf.math.log(draw))


def _perplexity(probabilities: tf.Tensor, chosen: tf.Tensor | None) -> tf.Tensor:
    """Of (batch, frames, codebooks, entries); see `GumbelVectorQuantizer.call`."""
    if chosen is None:
        chosen = tf.ones(tf.shape(probabilities)[:2], tf.bool)
    total = tf.reduce_sum(silence_padding(probabilities, chosen), axis=(0, 1))
    mean = tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(chosen, tf.float32)))
    entropy = -tf.reduce_sum(tf.math.xlogy(mean, mean), axis=-1)
    return tf.reduce_sum(tf.exp(entropy))
