"""The objective of pre-training: identify the quantized content of masked frames.

wav2vec 2.0 (arXiv:2006.11477), sections 3 and 4.2, as transformers and fairseq compute it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import keras
import ml_dtypes
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.families import Objective, family_of
from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
from wav2vec2_tf.models.lengths import clip_lengths, silence_padding, size, valid
from wav2vec2_tf.models.quantizer import START_TEMPERATURE
from wav2vec2_tf.models.spec_augment import span_mask
from wav2vec2_tf.utils.errors import UserError

MASK_PROBABILITY, MASK_LENGTH, MASK_MINIMUM = 0.65, 10, 2
"""Section 4.2: a span of 10 frames starts at a proportion p = 0.065 of the frames. fairseq masks
at least 2 spans."""
END_TEMPERATURE = 0.5
"""The lowest temperature of the Gumbel softmax, for base models; large ones use 0.1."""
TEMPERATURE_DECAY = 0.999995
SMALLEST_NORM = 1e-8
"""Smaller norms are replaced by it in a cosine, as in `torch.cosine_similarity`."""
PROJECTIONS = 8
LEAST_ROUNDING = 1e-4
"""The allowed difference of two projections of equal vectors, relative to their norm."""
EVALUATION_SEEDS = (1, 2)
"""The seeds for drawing masks and negatives outside training."""


class PreTrainingLosses(NamedTuple):
    """Losses of a batch: float32 scalars, all but the perplexity sums over the masked frames."""

    loss: tf.Tensor
    """Equation 2: contrastive + `diversity_loss_weight` · diversity."""
    contrastive: tf.Tensor
    """Equation 3; see `contrastive_loss`."""
    diversity: tf.Tensor
    """Equation 4; see `diversity_loss`."""
    correct: tf.Tensor
    """Number of frames whose own codebook entry is more likely than every negative."""
    masked: tf.Tensor
    """Number of masked frames."""
    perplexity: tf.Tensor
    """Number of codebook entries in use; see `GumbelVectorQuantizer.call`."""


class PreTrainingObjective:
    """The contrastive loss plus the diversity loss (equation 2).

    In training, masks and negatives are drawn at each call from the base model's seed generator, as
    SpecAugment's are. Otherwise they are the same at every call, and the most likely codebook
    entries are chosen, so that losses of different steps can be compared.

    The diversity is measured over the masked frames of one call: the share of a batch that one
    replica computes, or one of several accumulated batches, as in fairseq and transformers. The
    contrastive loss does not depend on how rows are distributed over calls.

    Args:
        model: the model to train.
        mask_time_prob: as the config's field, whose value is for fine-tuning.
        mask_time_length: as the config's field.
        mask_time_min_masks: as the config's field.
        start_temperature: see `gumbel_temperature`.
        end_temperature: see `gumbel_temperature`.
        temperature_decay: see `gumbel_temperature`.

    Raises:
        UserError: if the model's family has no such objective, its config masks nothing, or an
            argument is out of range.
    """

    def __init__(
        self,
        model: Wav2Vec2ForPreTraining,
        *,
        mask_time_prob: float = MASK_PROBABILITY,
        mask_time_length: int = MASK_LENGTH,
        mask_time_min_masks: int = MASK_MINIMUM,
        start_temperature: float = START_TEMPERATURE,
        end_temperature: float = END_TEMPERATURE,
        temperature_decay: float = TEMPERATURE_DECAY,
    ) -> None:
        config = model.config
        if family_of(config).objective is not Objective.CONTRASTIVE:
            raise UserError(
                f"pre-training needs a family with the contrastive objective of wav2vec 2.0, got "
                f"{config.model_type}"
            )
        if config.add_adapter:
            raise UserError("config: add_adapter must be false for pre-training, got true")
        if not (config.apply_spec_augment and config.has_mask_embedding):
            raise UserError(
                "config: apply_spec_augment must be true and mask_time_prob above 0 for "
                "pre-training, which masks frames"
            )
        if not 0 < mask_time_prob <= 1:
            raise UserError(f"mask_time_prob must be above 0 and at most 1, got {mask_time_prob}")
        if mask_time_length < 1:
            raise UserError(f"mask_time_length must be at least 1, got {mask_time_length}")
        if mask_time_min_masks < 0:
            raise UserError(f"mask_time_min_masks must be 0 or more, got {mask_time_min_masks}")
        if not 0 < end_temperature <= start_temperature:
            raise UserError(
                "end_temperature must be above 0 and at most start_temperature, "
                f"got {end_temperature} and {start_temperature}"
            )
        if not 0 < temperature_decay <= 1:
            raise UserError(
                f"temperature_decay must be above 0 and at most 1, got {temperature_decay}"
            )
        self.model = model
        self.temperature = functools.partial(
            gumbel_temperature,
            start=start_temperature,
            end=end_temperature,
            decay=temperature_decay,
        )
        self.mask_time_prob = mask_time_prob
        self.mask_time_length = mask_time_length
        self.mask_time_min_masks = mask_time_min_masks

    def at_step(self, step: int) -> None:
        """Sets the Gumbel temperature of step `step` (0-based)."""
        self.model.quantizer.temperature.assign(self.temperature(step))

    def sums(
        self, inputs: Mapping[str, tf.Tensor], labels: tf.Tensor | None, training: bool
    ) -> dict[str, tf.Tensor]:
        """Computes the losses of a batch.

        Args:
            inputs: "speech" (batch, samples) and "lengths" (batch,).
            labels: ignored.
            training: draw masks and negatives, and drop out.

        Returns:
            "loss", "contrastive", "diversity", "accuracy" (number of correct frames), "perplexity"
            (times the weight) and "weight" (number of masked frames). The others divided by
            "weight" are means over masked frames. See `PreTrainingLosses`.
        """
        config, speech = self.model.config, inputs["speech"]
        samples = size(speech, 1)
        lengths = clip_lengths(inputs["lengths"], samples)
        generator = self.model.base_model.seed_generator
        mask_seed, negatives_seed = (generator, generator) if training else EVALUATION_SEEDS
        masked = span_mask(
            config.encoder_frames(lengths),
            config.encoder_frames(samples),
            probability=self.mask_time_prob,
            span=self.mask_time_length,
            minimum=self.mask_time_min_masks,
            seed=mask_seed,
        )
        negatives = sample_negatives(masked, config.num_negatives, negatives_seed)
        losses = self.losses(speech, lengths, masked, negatives, training)
        return {
            "loss": losses.loss,
            "contrastive": losses.contrastive,
            "diversity": losses.diversity,
            "accuracy": losses.correct,
            "perplexity": losses.perplexity * losses.masked,
            "weight": losses.masked,
        }

    def losses(
        self,
        speech: tf.Tensor,
        lengths: tf.Tensor | None,
        masked: tf.Tensor,
        negatives: tf.Tensor,
        training: bool,
    ) -> PreTrainingLosses:
        """Computes the losses with given masks and negatives.

        Args:
            speech: (batch, samples); see `Wav2Vec2Model.call`.
            lengths: (batch,); see `Wav2Vec2Model.call`.
            masked: (batch, frames) bool. Padded frames, and the only masked frame of a row, which
                has no negatives, are left unmasked.
            negatives: (batch, frames, negatives) int32; see `sample_negatives`.
            training: as of the model's call.
        """
        config, masked = self.model.config, tf.cast(masked, tf.bool)
        if lengths is not None:
            own = config.encoder_frames(clip_lengths(lengths, size(speech, 1)))
            masked &= valid(own, size(masked, 1))
        masked &= _count(masked)[:, tf.newaxis] > 1
        outputs = self.model(speech, lengths, mask_time_indices=masked, training=training)
        contrastive, correct = contrastive_loss(
            outputs.projected_states,
            outputs.projected_quantized_states,
            masked,
            negatives,
            config.contrastive_logits_temperature,
        )
        weight = tf.reduce_sum(tf.cast(masked, tf.float32))
        entries = config.num_codevector_groups * config.num_codevectors_per_group
        diversity = weight * diversity_loss(outputs.codevector_perplexity, entries)
        loss = contrastive + config.diversity_loss_weight * diversity
        return PreTrainingLosses(
            loss, contrastive, diversity, correct, weight, outputs.codevector_perplexity
        )


def sample_negatives(
    masked: tf.Tensor, count: int, seed: keras.random.SeedGenerator | int
) -> tf.Tensor:
    """Draws the negatives of each masked frame.

    They are drawn uniformly, with replacement, from the other masked frames of the same row
    (section 3.2).

    Args:
        masked: (batch, frames) bool.
        count: number of negatives of a frame.
        seed: of the draw.

    Returns:
        (batch, frames, count) int32, indices of frames; undefined for a frame that is not masked
        or that is the only masked one.
    """
    batch, frames = size(masked, 0), size(masked, 1)
    position = tf.range(frames)
    in_order = tf.sort(tf.where(masked, position, position + frames)) % tf.maximum(frames, 1)
    rank = tf.cumsum(tf.cast(masked, tf.int32), axis=-1) - 1  # among the masked frames
    others = tf.maximum(_count(masked) - 1, 1)[:, tf.newaxis, tf.newaxis]
    draw = keras.random.uniform((batch, frames, count), seed=seed)
    chosen = tf.cast(draw * tf.cast(others, tf.float32), tf.int32)
    chosen = tf.minimum(chosen, others - 1)  # the product may be rounded up
    chosen += tf.cast(chosen >= rank[..., tf.newaxis], tf.int32)  # skips the frame itself
    return tf.gather(in_order, tf.minimum(chosen, tf.maximum(frames - 1, 0)), batch_dims=1)


def contrastive_loss(
    states: tf.Tensor,
    targets: tf.Tensor,
    masked: tf.Tensor,
    negatives: tf.Tensor,
    temperature: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the contrastive loss (equation 3), summed over the masked frames.

    Negatives with the same codebook entry as the frame are ignored. A frame is correct if its own
    entry is more likely than each of the others; with a collapsed codebook, none is.

    Args:
        states: (batch, frames, channels), predictions of the transformer.
        targets: (batch, frames, channels), quantized features.
        masked: (batch, frames) bool.
        negatives: (batch, frames, negatives) int32, frames of the same row.
        temperature: κ, by which the cosines are divided.

    Returns:
        The loss, and the number of correct frames: float32 scalars.
    """
    # cosines of all pairs of frames need less memory than the gathered vectors of the negatives
    similarity = tf.matmul(_unit(states), _unit(targets), transpose_b=True) / temperature
    own = tf.linalg.diag_part(similarity)
    others = tf.gather(similarity, negatives, batch_dims=2)
    others = tf.where(same_entries(targets, negatives), -np.inf, others)
    logits = tf.concat([own[..., tf.newaxis], others], axis=-1)
    loss = silence_padding(tf.reduce_logsumexp(logits, axis=-1) - own, masked)
    best = tf.reduce_max(others, axis=-1)
    correct = masked & (own > best) & (best > -np.inf)
    return tf.reduce_sum(loss), tf.reduce_sum(tf.cast(correct, tf.float32))


def diversity_loss(perplexity: tf.Tensor, entries: int) -> tf.Tensor:
    """Returns the diversity loss: 0 if all codebook entries are used equally, near 1 if few are.

    The published models use this form of equation 4, with the exponential of the entropy.

    Args:
        perplexity: number of entries in use, a scalar.
        entries: number of entries of all codebooks.
    """
    return (entries - perplexity) / entries


def gumbel_temperature(
    step: int,
    *,
    start: float = START_TEMPERATURE,
    end: float = END_TEMPERATURE,
    decay: float = TEMPERATURE_DECAY,
) -> float:
    """Returns τ of equation 1 after `step` steps (section 4.2)."""
    return max(start * decay**step, end)


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    """Scales vectors to norm 1, in float32."""
    return tf.nn.l2_normalize(tf.cast(vectors, tf.float32), axis=-1, epsilon=SMALLEST_NORM**2)


def _count(masked: tf.Tensor) -> tf.Tensor:
    """Counts the masked frames of each row, (batch,) int32."""
    return tf.reduce_sum(tf.cast(masked, tf.int32), axis=-1)


def same_entries(vectors: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
    """Returns whether each negative has the same codebook entry as its frame.

    Compares random projections of the vectors, up to the rounding of their type: a matrix product
    may round equal rows differently, and does so on processors without AVX-512. Different entries
    agree in all projections with a probability below 10^-10.

    Args:
        vectors: (batch, frames, channels), the codebook entries of the frames.
        negatives: (batch, frames, negatives) int32, frames of the same row.

    Returns:
        (batch, frames, negatives) bool.
    """
    rounding = max(
        LEAST_ROUNDING, 8 * float(ml_dtypes.finfo(tf.as_dtype(vectors.dtype).as_numpy_dtype).eps)
    )
    weights = np.random.default_rng(0).normal(size=(vectors.shape[-1], PROJECTIONS))
    values = tf.stop_gradient(tf.cast(vectors, tf.float32))
    projections = tf.matmul(values, weights.astype(np.float32))
    allowed = rounding * tf.norm(values, axis=-1)[..., tf.newaxis, tf.newaxis]
    chosen = tf.gather(projections, negatives, batch_dims=1)  # (batch, frames, negatives, 8)
    return tf.reduce_all(tf.abs(chosen - projections[:, :, tf.newaxis]) <= allowed, axis=-1)
