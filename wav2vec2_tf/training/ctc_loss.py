"""The loss of connectionist temporal classification, and its gradient (Graves et al. 2006).

The alignment of a transcript to frames passes through states: a blank, the first label, a blank,
the second label, …, a blank. Forward variables sum over the paths that reach a state (equation 6),
backward variables over the paths that leave it (equation 10); their normalized product is the
posterior of each state at each frame, which gives the gradient (equation 16).

Both are computed as logarithms from which the largest is subtracted at every frame: the sum of a
thousand of them would leave float32 four digits, and probabilities themselves would underflow. One
pass over the frames computes both, in time and memory proportional to frames · labels;
`tf.nn.ctc_loss` with dense labels needs labels squared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from wav2vec2_tf.models.layers import PACKAGE
from wav2vec2_tf.models.lengths import silence_padding, size, valid
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import keras_mask

if TYPE_CHECKING:
    from wav2vec2_tf.models.base import Wav2Vec2ForCTC

PADDING = -100
"""Padding of labels, as in transformers; the blank and any negative number have the same effect."""
IMPOSSIBLE = -1e30
"""Logarithm of a probability of zero: finite, so that no difference of two is NaN."""


def count_labels(labels: tf.Tensor, blank: int) -> tf.Tensor:
    """Returns the number of labels of each row, (batch,) int32.

    Args:
        labels: (batch, labels), padded at the end of a row with the blank, which is never a label,
            or with negative numbers.
        blank: index of the blank.
    """
    places = tf.range(1, size(labels, 1) + 1)
    last = tf.where((labels >= 0) & (labels != blank), places, 0)
    return tf.maximum(tf.reduce_max(last, axis=1), 0)  # the maximum of no places is negative


def ctc_loss(
    labels: tf.Tensor,
    logits: tf.Tensor,
    label_lengths: tf.Tensor,
    frame_lengths: tf.Tensor,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tf.Tensor:
    """Returns the negative log-likelihood of each row's labels, (batch,) float32.

    Equal to PyTorch's `ctc_loss(reduction="none")`, the gradient included. Without labels it is the
    negative log-likelihood of blanks at every frame.

    Args:
        labels: (batch, labels) integers, of which the first `label_lengths` of a row are used.
        logits: (batch, frames, vocab), not normalized, of which the first `frame_lengths` of a row
            are used; the rest has no influence, NaN included.
        label_lengths: (batch,) integers.
        frame_lengths: (batch,) integers.
        blank: index of the blank.
        zero_infinity: for labels that need more frames than a row has, return 0 with a gradient of
            zero instead of infinity.

    Raises:
        UserError: if one of the labels is the blank, negative or beyond the vocabulary. In a graph
            this is an `InvalidArgumentError`; under XLA, which has no errors, the row's loss is
            NaN.
    """
    if not isinstance(size(logits, 1), int) or logits.shape[1] == 0:
        logits = tf.pad(logits, [[0, 0], [0, 1], [0, 0]])  # the loop needs a frame
    label_lengths, frame_lengths = (
        tf.cast(lengths, tf.int32) for lengths in (label_lengths, frame_lengths)
    )
    batch, frames = size(logits, 0), size(logits, 1)
    width = size(labels, 1)
    valid_label = valid(label_lengths, width)
    labels = tf.where(valid_label, tf.cast(labels, tf.int32), blank)
    wrong = valid_label & ((labels == blank) | (labels < 0) | (labels >= size(logits, 2)))
    _refuse(wrong, labels, blank)
    invalid = tf.reduce_any(wrong, axis=1)
    labels = tf.where(wrong, blank, labels)  # in a graph, a gather may run before the assertion
    # equal labels in a row need a blank between them, and so one more frame
    repeated = valid_label[:, 1:] & (labels[:, 1:] == labels[:, :-1])
    needed = label_lengths + tf.reduce_sum(tf.cast(repeated, tf.int32), axis=1)
    feasible = needed <= frame_lengths
    used = tf.where(feasible, label_lengths, 0)
    states = 2 * used + 1
    blanks = tf.fill([batch, width, 1], blank)
    symbols = tf.reshape(tf.concat([blanks, labels[..., tf.newaxis]], axis=2), [batch, 2 * width])
    symbols = tf.pad(symbols, [[0, 0], [0, 1]], constant_values=blank)  # (batch, states)

    @tf.custom_gradient
    def loss_of(logits: tf.Tensor) -> tuple[tf.Tensor, Any]:
        valid_frame = valid(frame_lengths, frames)
        wide = silence_padding(tf.cast(logits, tf.float32), valid_frame)
        log_probabilities = tf.maximum(tf.nn.log_softmax(wide), IMPOSSIBLE)
        emitted = tf.gather(log_probabilities, symbols, axis=2, batch_dims=1)
        emitted = tf.where(valid(states, 2 * width + 1)[:, tf.newaxis], emitted, IMPOSSIBLE)
        # backward variables are the forward variables of both sequences reversed
        both, subtracted = _forward(
            tf.concat([emitted, _reversed(emitted, frame_lengths, states)], axis=0),
            tf.concat([symbols, tf.reverse_sequence(symbols, states, seq_axis=1)], axis=0),
            blank,
        )
        forward, backward = tf.split(both, 2)
        backward = _reversed(backward, frame_lengths, states)
        posterior = tf.nn.softmax(forward + backward - emitted)  # (batch, frames, states)
        posterior = tf.matmul(posterior, tf.one_hot(symbols, logits.shape[2]))

        last = tf.maximum(frame_lengths - 1, 0)
        ends = valid(states, 2 * width + 1) & ~valid(states - 2, 2 * width + 1)
        at_end = tf.gather(forward, last, axis=1, batch_dims=1)
        end = tf.reduce_logsumexp(tf.where(ends, at_end, IMPOSSIBLE), axis=1)
        log_likelihood = end + tf.reduce_sum(
            silence_padding(subtracted[:batch], valid_frame), axis=1
        )
        log_likelihood = tf.where(frame_lengths > 0, log_likelihood, 0.0)
        loss = tf.where(feasible, -log_likelihood, 0.0 if zero_infinity else float("inf"))
        loss = tf.where(invalid, float("nan"), loss)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            change = tf.nn.softmax(wide) - posterior
            change = silence_padding(change, valid_frame & feasible[:, tf.newaxis])
            return tf.cast(upstream[:, tf.newaxis, tf.newaxis] * change, logits.dtype)

        return loss, gradient

    return loss_of(logits)


def _refuse(wrong: tf.Tensor, labels: tf.Tensor, blank: int) -> None:
    """Raises an error if any of the (batch, labels) labels is wrong; under XLA it cannot."""
    message = (
        f"labels must be tokens of the logits other than the blank, {blank}, and padding must be "
        "behind the last one of its row: pad with the blank or with negative numbers; got"
    )
    if tf.executing_eagerly():
        if row := tf.where(tf.reduce_any(wrong, axis=1))[:1].numpy().tolist():
            raise UserError(f"{message} {labels[row[0][0]].numpy().tolist()}")
    else:
        tf.debugging.Assert(~tf.reduce_any(wrong), [message, labels])


def _forward(emitted: tf.Tensor, symbols: tf.Tensor, blank: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the forward variables (equation 6).

    Args:
        emitted: (batch, frames, states) log probability of each state's symbol at each frame.
        symbols: (batch, states) labels and the blanks between them.
        blank: index of the blank.

    Returns:
        (batch, frames, states) log probabilities of reaching each state, less a value for each
        frame; and these values (batch, frames), whose sum up to a frame restores them.
    """
    # a label may follow another without the blank between them, unless both are the same
    before = tf.pad(symbols, [[0, 0], [2, 0]], constant_values=blank)[:, :-2]
    skips = (symbols != blank) & (symbols != before)
    first = tf.where(tf.range(size(symbols, 1)) < 2, 0.0, IMPOSSIBLE)

    def step(
        state: tuple[tf.Tensor, tf.Tensor, tf.Tensor], emission: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        reached, _, started = state
        one = tf.pad(reached, [[0, 0], [1, 0]], constant_values=IMPOSSIBLE)[:, :-1]
        two = tf.pad(reached, [[0, 0], [2, 0]], constant_values=IMPOSSIBLE)[:, :-2]
        two = tf.where(skips, two, IMPOSSIBLE)
        most = tf.maximum(tf.maximum(reached, one), two)
        summed = most + tf.math.log(
            tf.exp(reached - most) + tf.exp(one - most) + tf.exp(two - most)
        )
        after = tf.maximum(tf.where(started, summed, first) + emission, IMPOSSIBLE)
        largest = tf.reduce_max(after, axis=1, keepdims=True)
        return tf.maximum(after - largest, IMPOSSIBLE), largest[:, 0], tf.ones_like(started)

    nothing = tf.zeros_like(emitted[:, 0])
    reached, subtracted, _ = tf.scan(
        step,
        tf.transpose(emitted, [1, 0, 2]),
        (nothing, nothing[:, 0], tf.zeros((), tf.bool)),
        parallel_iterations=1,
    )
    return tf.transpose(reached, [1, 0, 2]), tf.transpose(subtracted)


def _reversed(values: tf.Tensor, frame_lengths: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
    """Reverses the valid frames and states of each row of (batch, frames, states) values."""
    values = tf.reverse_sequence(values, frame_lengths, seq_axis=1)
    return tf.reverse_sequence(values, states, seq_axis=2)


@keras.saving.register_keras_serializable(PACKAGE)
class CTCLoss(keras.losses.Loss):
    """The CTC loss for `model.compile(loss=CTCLoss())`; see `ctc_loss`.

    Called with (batch, labels) labels and (batch, frames, vocab) logits. Labels are padded at the
    ends of rows with the blank, as the processor pads them, or with negative numbers, such as -100;
    or they are a `tf.RaggedTensor`, or a `tf.SparseTensor` as `tf.nn.ctc_loss` takes it, without
    padding, which XLA cannot compile. Valid frames are those of the logits' Keras mask, which this
    library's models set if they are given lengths, and which layers such as `Dense` pass on;
    without a mask all are valid.

    Args:
        blank: the tokenizer's `pad_token_id`.
        zero_infinity: as for `ctc_loss`.
        reduction: of the rows' losses: "sum_over_batch_size", "sum" or None.
        name: of the loss.
        **kwargs: passed to `keras.losses.Loss`.

    Raises:
        UserError: if `blank` is not an integer; when called with labels or logits of another rank,
            with logits that have no token `blank`, or with labels that are not tokens, see
            `ctc_loss`.
    """

    def __init__(
        self,
        blank: int = 0,
        zero_infinity: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "ctc_loss",
        **kwargs: Any,
    ) -> None:
        if isinstance(blank, bool) or not isinstance(blank, int | np.integer):
            raise UserError(
                f"blank must be the index of a token, got {type(blank).__name__}: give the "
                "tokenizer's or the config's pad_token_id"
            )
        # Keras casts labels and lengths too, and half precision has no 257
        super().__init__(name=name, reduction=reduction, **{**kwargs, "dtype": "float32"})
        self.blank, self.zero_infinity = int(blank), zero_infinity

    def __call__(
        self,
        y_true: tf.Tensor | tf.RaggedTensor | tf.SparseTensor,
        y_pred: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the reduced loss."""
        mask = keras_mask(y_pred)
        y_true, y_pred = _padded(y_true), tf.convert_to_tensor(y_pred)
        if y_true.shape.rank != 2 or y_pred.shape.rank != 3:
            raise UserError(
                "CTCLoss takes (batch, labels) labels and (batch, frames, vocab) logits, "
                f"got shapes {y_true.shape} and {y_pred.shape}"
            )
        if y_pred.shape[2] is not None and not 0 <= self.blank < y_pred.shape[2]:
            raise UserError(
                f"blank must be a token of the logits, 0 to {y_pred.shape[2] - 1}, got "
                f"{self.blank}: give the tokenizer's pad_token_id"
            )
        frame_lengths = (
            tf.fill([size(y_pred, 0)], size(y_pred, 1))
            if mask is None
            else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        )
        # as a tuple, which has no mask: Keras would weight the losses of rows by a mask of frames
        return super().__call__(y_true, (y_pred, frame_lengths), sample_weight)

    def call(self, y_true: tf.Tensor, y_pred: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Returns the loss of each row, (batch,), given labels and (logits, frame lengths)."""
        logits, frame_lengths = y_pred
        # Keras makes floats of labels: one that is not an integer is not a token
        is_integer = y_true == tf.round(y_true)
        labels = tf.where(is_integer, tf.cast(y_true, tf.int32), tf.int32.max)
        return ctc_loss(
            labels,
            logits,
            count_labels(labels, self.blank),
            frame_lengths,
            self.blank,
            self.zero_infinity,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "blank": self.blank,
            "zero_infinity": self.zero_infinity,
        }


def _padded(labels: tf.Tensor | tf.RaggedTensor | tf.SparseTensor) -> tf.Tensor:
    """Returns labels as a tensor, padded where they are ragged or sparse."""
    if not isinstance(labels, tf.RaggedTensor | tf.SparseTensor):
        try:
            return tf.convert_to_tensor(labels)
        except (TypeError, ValueError):
            raise UserError(
                "labels must be a tensor, got rows of several lengths or no numbers: pad them, or "
                "give tf.ragged.constant(labels)"
            ) from None
    labels = tf.cast(labels, tf.float32)  # no unsigned type has the padding
    if isinstance(labels, tf.SparseTensor):
        return tf.sparse.to_dense(labels, float(PADDING))
    return labels.to_tensor(float(PADDING))


class CTCObjective:
    """The objective of fine-tuning: the CTC loss of all utterances, divided by their labels.

    Args:
        model: the model to train.
        blank: the tokenizer's `pad_token_id`.
    """

    def __init__(self, model: Wav2Vec2ForCTC, blank: int) -> None:
        self.model, self.blank = model, blank

    def at_step(self, step: int) -> None:
        """Does nothing: the loss is the same at each step."""

    def sums(
        self, inputs: Mapping[str, tf.Tensor], labels: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Returns the sum of the losses of a batch, "loss", and its number of labels, "weight"."""
        logits = self.model(dict(inputs), training=training)
        counts = count_labels(labels, self.blank)
        losses = ctc_loss(
            labels,
            logits,
            counts,
            self.model.config.frame_length(inputs["lengths"]),
            self.blank,
            zero_infinity=True,
        )
        return {
            "loss": tf.reduce_sum(losses),
            "weight": tf.reduce_sum(tf.cast(counts, tf.float32)),
        }
