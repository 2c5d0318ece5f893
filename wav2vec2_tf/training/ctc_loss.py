"""The loss of connectionist temporal classification, and its gradient (Graves et al. 2006).

The alignment of a transcript to frames passes through states: a blank, the first label, a blank,
the second label, …, a blank. `forward` variables sum over the ways to reach a state (equation 6),
`backward` ones over the ways to go on from it (equation 10); normalised together they are the
posterior of each state at each frame, of which the gradient is made (equation 16).

Both run in logarithms, their largest taken out at every frame: a sum of a thousand of them would
leave float32 four digits, and probabilities themselves would vanish. One pass over the frames does
both, in time and memory proportional to frames · labels; `tf.nn.ctc_loss` with dense labels takes
labels squared.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.models.lengths import silence_padding, size, valid
from wav2vec2_tf.utils.errors import UserError

PADDING = -100
"""What stands in labels beyond a row's own, as in transformers; any negative number does."""
IMPOSSIBLE = -1e30  # a logarithm: finite, so that no difference of two is NaN


def count_labels(labels: tf.Tensor) -> tf.Tensor:
    """(batch, labels) padded with negative numbers → (batch,) how many are a row's own, int32"""
    return tf.reduce_sum(tf.cast(labels >= 0, tf.int32), axis=1)


def ctc_loss(
    labels: tf.Tensor,
    logits: tf.Tensor,
    label_lengths: tf.Tensor,
    frame_lengths: tf.Tensor,
    blank: int = 0,
    zero_infinity: bool = False,
) -> tf.Tensor:
    """(batch,) float32: minus the logarithm of the probability of each row's labels.

    Equal to PyTorch's `ctc_loss(reduction="none")`, the gradient included; without labels it is
    that of blanks alone.

    Args:
        labels: (batch, labels) whole numbers, of which each row's first `label_lengths` count.
        logits: (batch, frames, vocab), not normalised, of which the first `frame_lengths` count;
            the rest has no influence.
        zero_infinity: of labels that do not fit into the frames give 0, and no gradient, instead
            of infinity.
    """
    if not isinstance(size(logits, 1), int) or logits.shape[1] == 0:
        logits = tf.pad(logits, [[0, 0], [0, 1], [0, 0]])  # the loop needs a frame
    batch, frames = size(logits, 0), size(logits, 1)
    width = size(labels, 1)
    own_label = valid(label_lengths, width)
    labels = tf.where(own_label, tf.cast(labels, tf.int32), blank)
    # A repeated label needs a blank between, so one more frame.
    repeated = own_label[:, 1:] & (labels[:, 1:] == labels[:, :-1])
    needed = label_lengths + tf.reduce_sum(tf.cast(repeated, tf.int32), axis=1)
    fits = needed <= frame_lengths
    spelt = tf.where(fits, label_lengths, 0)
    states = 2 * spelt + 1
    between = tf.fill([batch, width, 1], blank)
    spelling = tf.reshape(tf.concat([between, labels[..., tf.newaxis]], axis=2), [batch, 2 * width])
    spelling = tf.pad(spelling, [[0, 0], [0, 1]], constant_values=blank)  # (batch, states)

    @tf.custom_gradient
    def loss_of(logits: tf.Tensor) -> tuple[tf.Tensor, Any]:
        own_frame = valid(frame_lengths, frames)
        wide = silence_padding(tf.cast(logits, tf.float32), own_frame)
        log_probabilities = tf.maximum(tf.nn.log_softmax(wide), IMPOSSIBLE)
        emitted = tf.gather(log_probabilities, spelling, axis=2, batch_dims=1)
        emitted = tf.where(valid(states, 2 * width + 1)[:, tf.newaxis], emitted, IMPOSSIBLE)
        # The backward variables are the forward ones of both sequences read from their ends.
        both, taken_out = _forward(
            tf.concat([emitted, _reversed(emitted, frame_lengths, states)], axis=0),
            tf.concat([spelling, tf.reverse_sequence(spelling, states, seq_axis=1)], axis=0),
            blank,
        )
        forward, backward = tf.split(both, 2)
        backward = _reversed(backward, frame_lengths, states)
        posterior = tf.nn.softmax(forward + backward - emitted)  # (batch, frames, states)
        posterior = tf.matmul(posterior, tf.one_hot(spelling, logits.shape[2]))

        last = tf.maximum(frame_lengths - 1, 0)
        ends = valid(states, 2 * width + 1) & ~valid(states - 2, 2 * width + 1)
        at_end = tf.gather(forward, last, axis=1, batch_dims=1)
        end = tf.reduce_logsumexp(tf.where(ends, at_end, IMPOSSIBLE), axis=1)
        logarithm = end + tf.reduce_sum(silence_padding(taken_out[:batch], own_frame), axis=1)
        logarithm = tf.where(frame_lengths > 0, logarithm, 0.0)
        loss = tf.where(fits, -logarithm, 0.0 if zero_infinity else float("inf"))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            change = tf.nn.softmax(wide) - posterior
            change = silence_padding(change, own_frame & fits[:, tf.newaxis])
            return tf.cast(upstream[:, tf.newaxis, tf.newaxis] * change, logits.dtype)

        return loss, gradient

    return loss_of(logits)


def _forward(emitted: tf.Tensor, spelling: tf.Tensor, blank: int) -> tuple[tf.Tensor, tf.Tensor]:
    """(batch, frames, states) log probabilities → those of reaching each state, and (batch, frames)
    what was taken out of them at each frame, to add up."""
    # From a label one may go to the next without the blank between, unless it is the same one.
    before = tf.pad(spelling, [[0, 0], [2, 0]], constant_values=blank)[:, :-2]
    skips = (spelling != blank) & (spelling != before)
    first = tf.where(tf.range(size(spelling, 1)) < 2, 0.0, IMPOSSIBLE)

    def step(
        state: tuple[tf.Tensor, tf.Tensor, tf.Tensor], emission: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        reached, _, begun = state
        one = tf.pad(reached, [[0, 0], [1, 0]], constant_values=IMPOSSIBLE)[:, :-1]
        two = tf.pad(reached, [[0, 0], [2, 0]], constant_values=IMPOSSIBLE)[:, :-2]
        two = tf.where(skips, two, IMPOSSIBLE)
        most = tf.maximum(tf.maximum(reached, one), two)
        summed = most + tf.math.log(
            tf.exp(reached - most) + tf.exp(one - most) + tf.exp(two - most)
        )
        after = tf.maximum(tf.where(begun, summed, first) + emission, IMPOSSIBLE)
        largest = tf.reduce_max(after, axis=1, keepdims=True)
        return tf.maximum(after - largest, IMPOSSIBLE), largest[:, 0], tf.ones_like(begun)

    nothing = tf.zeros_like(emitted[:, 0])
    reached, taken_out, _ = tf.scan(
        step,
        tf.transpose(emitted, [1, 0, 2]),
        (nothing, nothing[:, 0], tf.zeros((), tf.bool)),
        parallel_iterations=1,
    )
    return tf.transpose(reached, [1, 0, 2]), tf.transpose(taken_out)


def _reversed(values: tf.Tensor, frame_lengths: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
    """(batch, frames, states) with each row's own frames and own states in reverse."""
    values = tf.reverse_sequence(values, frame_lengths, seq_axis=1)
    return tf.reverse_sequence(values, states, seq_axis=2)


@keras.saving.register_keras_serializable("wav2vec2_tf")
class CTCLoss(keras.losses.Loss):
    """`ctc_loss` for `model.compile(loss=CTCLoss())`.

    Called with (batch, labels) labels, padded with negative numbers, and (batch, frames, vocab)
    logits. The frames that count are those of the logits' Keras mask, which this library's models
    set where they are given lengths, and layers such as `Dense` pass on; without a mask all do.

    Args:
        blank: the tokenizer's `pad_token_id`.
        zero_infinity: as for `ctc_loss`.
        reduction: of the rows' losses: "sum_over_batch_size", "sum" or None.
    """

    def __init__(
        self,
        blank: int = 0,
        zero_infinity: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "ctc_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.blank, self.zero_infinity = blank, zero_infinity

    def __call__(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The loss reduced; see the class."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
        if y_true.shape.rank != 2 or y_pred.shape.rank != 3:
            raise UserError(
                "CTCLoss takes (batch, labels) labels and (batch, frames, vocab) logits, "
                f"got {y_true.shape} and {y_pred.shape}"
            )
        frame_lengths = (
            tf.fill([size(y_pred, 0)], size(y_pred, 1))
            if mask is None
            else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        )
        # Keras would weigh the losses of rows by a mask of frames, which a tuple does not have.
        return super().__call__(y_true, (y_pred, frame_lengths), sample_weight)

    def call(self, y_true: tf.Tensor, y_pred: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """(batch,) losses of labels, given logits and frame lengths."""
        logits, frame_lengths = y_pred
        labels = tf.cast(y_true, tf.int32)
        return ctc_loss(
            labels,
            logits,
            count_labels(labels),
            tf.cast(frame_lengths, tf.int32),
            self.blank,
            self.zero_infinity,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "blank": self.blank,
            "zero_infinity": self.zero_infinity,
        }
