"""Batches of features: the dict that processors return, and how rows are padded to one length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wav2vec2_tf.utils.errors import UserError, did_you_mean

STRATEGIES = {True: "longest", False: "do_not_pad"}


class BatchFeature(dict[str, Any]):
    """A dict whose values are attributes too, as transformers' class of this name.

    `features.input_values` is `features["input_values"]`. `model(**features)` calls a model in the
    way of transformers, `model(features)` in that of Keras.
    Keras' `fit` and `predict` take plain dicts only: `model.predict(dict(features))`.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the features have no {name}, only {', '.join(self) or 'nothing'}"
                + did_you_mean(name, self)
            ) from None

    def to_tensors(self, return_tensors: str | None) -> BatchFeature:
        """Returns the features with every value as one array or tensor.

        Args:
            return_tensors: "np" for NumPy arrays, "tf" for TensorFlow tensors; None leaves rows of
                different lengths in lists.

        Raises:
            UserError: another type, or rows of different lengths.
        """
        if return_tensors is None:
            return self
        convert: Callable[[np.ndarray], Any] = np.asarray
        if return_tensors == "tf":
            import tensorflow as tf

            convert = tf.convert_to_tensor
        elif return_tensors != "np":
            raise UserError(
                f"return_tensors must be 'np', 'tf' or None, got {return_tensors!r}: for another "
                "framework take 'np' and convert the arrays"
            )
        for name, value in self.items():
            if isinstance(value, list):
                raise UserError(
                    f"return_tensors needs rows of one length, got {name} of lengths "
                    f"{', '.join(str(len(row)) for row in value)}: add padding=True"
                )
        return BatchFeature({name: convert(value) for name, value in self.items()})


def pad_rows(
    rows: Sequence[np.ndarray],
    *,
    padding: bool | str,
    max_length: int | None = None,
    truncation: bool = False,
    pad_to_multiple_of: int | None = None,
    value: float = 0.0,
    side: str = "right",
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cuts and pads rows along their first axis.

    Args:
        rows: arrays of shape `(length, …)`.
        padding: True or "longest", "max_length", False or "do_not_pad".
        max_length: the length for `padding="max_length"` and for `truncation`.
        truncation: cut rows that are longer than `max_length`.
        pad_to_multiple_of: rounds the padded length (and the cut) up to a multiple of this.
        value: what padding is filled with.
        side: "right" or "left", where padding goes.

    Returns:
        The rows, and for each an int32 mask of its length: 1 where the row was, 0 on padding.

    Raises:
        UserError: options that are unknown or contradict each other.
    """
    strategy = STRATEGIES.get(padding, padding) if isinstance(padding, bool) else padding
    if strategy not in ("longest", "max_length", "do_not_pad"):
        raise UserError(
            f"padding must be True, False, 'longest', 'max_length' or 'do_not_pad', got {padding!r}"
        )
    if max_length is None and (truncation or strategy == "max_length"):
        raise UserError("truncation=True and padding='max_length' need max_length")
    if max_length is not None and max_length < 1:
        raise UserError(f"max_length must be at least 1, got {max_length}")
    limit = None if max_length is None else _round_up(max_length, pad_to_multiple_of)
    if truncation:
        rows = [row[:limit] for row in rows]
    target = 0
    if strategy == "longest":
        target = _round_up(max(map(len, rows), default=0), pad_to_multiple_of)
    elif limit is not None and strategy == "max_length":
        target = limit

    padded, masks = [], []
    for row in rows:
        missing = max(0, target - len(row))
        around = (0, missing) if side == "right" else (missing, 0)
        others = [(0, 0)] * (row.ndim - 1)
        padded.append(np.pad(row, [around, *others], constant_values=value))
        masks.append(np.pad(np.ones(len(row), np.int32), around))
    return padded, masks


def stack(rows: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """Returns rows of one length as one array, other rows as they are."""
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else rows


def _round_up(length: int, multiple: int | None) -> int:
    return length if multiple is None else -(-length // multiple) * multiple
