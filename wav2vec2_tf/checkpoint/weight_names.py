"""One table between our variables and the tensors of a Hugging Face checkpoint, read both ways."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One kind of variable. `{}` stands for a layer number or a projection's letter."""

    variable: str
    key: str
    permutation: tuple[int, ...] = ()
    """Axes of the checkpoint's tensor in the variable's order; () leaves them as they are."""
    older_key: str = ""
    """Another spelling that published files use."""


DENSE = (1, 0)  # torch (out, in) → (in, out)
CONV = (2, 1, 0)  # torch (out, in, kernel) → (kernel, in, out)
_POSITIONS = "encoder.pos_conv_embed.conv"

WAV2VEC2 = (
    Row("masked_spec_embed", "masked_spec_embed"),
    Row("feature_encoder/conv_layers_{}/kernel", "feature_extractor.conv_layers.{}.conv.weight", CONV),
    Row("feature_encoder/conv_layers_{}/bias", "feature_extractor.conv_layers.{}.conv.bias"),
    Row("feature_encoder/conv_layers_{}/layer_norm/gamma", "feature_extractor.conv_layers.{}.layer_norm.weight"),
    Row("feature_encoder/conv_layers_{}/layer_norm/beta", "feature_extractor.conv_layers.{}.layer_norm.bias"),
    Row("feature_encoder/conv_layers_{}/gamma", "feature_extractor.conv_layers.{}.layer_norm.weight"),
    Row("feature_encoder/conv_layers_{}/beta", "feature_extractor.conv_layers.{}.layer_norm.bias"),
    Row("feature_projection/layer_norm/gamma", "feature_projection.layer_norm.weight"),
    Row("feature_projection/layer_norm/beta", "feature_projection.layer_norm.bias"),
    Row("feature_projection/projection/kernel", "feature_projection.projection.weight", DENSE),
    Row("feature_projection/projection/bias", "feature_projection.projection.bias"),
    Row("encoder/pos_conv_embed/g", f"{_POSITIONS}.parametrizations.weight.original0", CONV, f"{_POSITIONS}.weight_g"),
    Row("encoder/pos_conv_embed/v", f"{_POSITIONS}.parametrizations.weight.original1", CONV, f"{_POSITIONS}.weight_v"),
    Row("encoder/pos_conv_embed/bias", f"{_POSITIONS}.bias"),
    Row("encoder/layer_norm/gamma", "encoder.layer_norm.weight"),
    Row("encoder/layer_norm/beta", "encoder.layer_norm.bias"),
    Row("encoder/layers_{}/attention/{}_proj/kernel", "encoder.layers.{}.attention.{}_proj.weight", DENSE),
    Row("encoder/layers_{}/attention/{}_proj/bias", "encoder.layers.{}.attention.{}_proj.bias"),
    Row("encoder/layers_{}/layer_norm/gamma", "encoder.layers.{}.layer_norm.weight"),
    Row("encoder/layers_{}/layer_norm/beta", "encoder.layers.{}.layer_norm.bias"),
    Row("encoder/layers_{}/feed_forward/{}_dense/kernel", "encoder.layers.{}.feed_forward.{}_dense.weight", DENSE),
    Row("encoder/layers_{}/feed_forward/{}_dense/bias", "encoder.layers.{}.feed_forward.{}_dense.bias"),
    Row("encoder/layers_{}/final_layer_norm/gamma", "encoder.layers.{}.final_layer_norm.weight"),
    Row("encoder/layers_{}/final_layer_norm/beta", "encoder.layers.{}.final_layer_norm.bias"),
)  # fmt: skip

HEADS = (
    Row("lm_head/kernel", "lm_head.weight", DENSE),
    Row("lm_head/bias", "lm_head.bias"),
)

BASE_PREFIX = "wav2vec2."
"""Before every key of the base model in a checkpoint that has a head."""

OTHER_HEADS = ("lm_head.", "quantizer.", "project_q.", "project_hid.")
"""What a checkpoint may hold beyond the model asked for: heads of CTC and of pre-training."""


@dataclass(frozen=True)
class Name:
    """Where one variable lies in a checkpoint."""

    keys: tuple[str, ...]
    """Its spellings, the one we write first."""
    permutation: tuple[int, ...]

    def checkpoint_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(shape[axis] for axis in self._inverse) if self.permutation else shape

    def to_variable(self, tensor: np.ndarray) -> np.ndarray:
        return tensor.transpose(self.permutation) if self.permutation else tensor

    def to_checkpoint(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.transpose(self._inverse) if self.permutation else values)

    @property
    def _inverse(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in np.argsort(self.permutation))


def name_of(variable: str) -> Name:
    """The checkpoint's name for a variable's path below the base model (or for a head's)."""
    for row in (*WAV2VEC2, *HEADS):
        pattern = re.escape(row.variable).replace(r"\{\}", "([a-z0-9]+?)")
        match = re.fullmatch(pattern, variable)
        if match:
            spellings = (row.key, row.older_key) if row.older_key else (row.key,)
            return Name(tuple(key.format(*match.groups()) for key in spellings), row.permutation)
    raise KeyError(f"the weight table has no row for the variable {variable}")
