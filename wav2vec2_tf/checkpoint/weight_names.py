"""The table of variables and tensors of a Hugging Face checkpoint, used in both directions.

Variables are named as transformers names its modules, with `layers_3` for `layers.3`, so a few
rules serve every family; the rows above the rules are for layers that are divided differently here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """A kind of variable. `{}` stands for any part of a path; the first row that matches counts."""

    variable: str
    key: str
    transposed: bool = False
    """Whether PyTorch reverses the axes: (out, in, kernel) for our (kernel, in, out)."""
    older_key: str = ""
    """Another key that published files use."""


_CONV = "feature_extractor.conv_layers.{}"
_POSITIONS = "{}.pos_conv_embed.conv"

TABLE = (
    Row("feature_encoder/conv_layers_{}/layer_norm/gamma", f"{_CONV}.layer_norm.weight"),
    Row("feature_encoder/conv_layers_{}/layer_norm/beta", f"{_CONV}.layer_norm.bias"),
    Row("feature_encoder/conv_layers_{}/gamma", f"{_CONV}.layer_norm.weight"),
    Row("feature_encoder/conv_layers_{}/beta", f"{_CONV}.layer_norm.bias"),
    Row("feature_encoder/conv_layers_{}/kernel", f"{_CONV}.conv.weight", transposed=True),
    Row("feature_encoder/conv_layers_{}/bias", f"{_CONV}.conv.bias"),
    Row("{}/pos_conv_embed/g", f"{_POSITIONS}.parametrizations.weight.original0", True, f"{_POSITIONS}.weight_g"),
    Row("{}/pos_conv_embed/v", f"{_POSITIONS}.parametrizations.weight.original1", True, f"{_POSITIONS}.weight_v"),
    Row("{}/pos_conv_embed/bias", f"{_POSITIONS}.bias"),
    Row("tdnn_{}/kernel", "tdnn.{}.kernel.weight", transposed=True),
    Row("tdnn_{}/bias", "tdnn.{}.kernel.bias"),
    # the rules
    Row("{}/kernel", "{}.weight", transposed=True),
    Row("{}/gamma", "{}.weight"),
    Row("{}/beta", "{}.bias"),
    Row("{}/embeddings", "{}.weight"),
    Row("{}/moving_mean", "{}.running_mean"),
    Row("{}/moving_variance", "{}.running_var"),
    Row("{}", "{}"),
)  # fmt: skip

HEAD_KEYS = (
    *("lm_head", "quantizer", "project_q", "project_hid", "ctc_proj", "speaker_proj"),
    *("label_embeddings_concat", "layer_norm_for_extract", "layer_weights", "projector"),
    *("classifier", "tdnn", "feature_extractor", "objective"),
)
"""The first parts of a head's keys, in a checkpoint whose base model has a prefix."""


@dataclass(frozen=True)
class Name:
    """The place of a variable in a checkpoint."""

    keys: tuple[str, ...]
    """Its possible keys, first the one that is written."""
    transposed: bool

    def checkpoint_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the tensor's shape from the variable's."""
        return shape[::-1] if self.transposed else shape

    def to_variable(self, tensor: np.ndarray) -> np.ndarray:
        """Returns the variable's values from the tensor's."""
        return tensor.transpose() if self.transposed else tensor

    def to_checkpoint(self, values: np.ndarray) -> np.ndarray:
        """Returns the tensor's values from the variable's, contiguous."""
        return np.ascontiguousarray(values.transpose()) if self.transposed else values


def name_of(variable: str) -> Name:
    """Returns the place of a variable, from its path below the base model (or of a head's)."""
    for row in TABLE:
        match = re.fullmatch(re.escape(row.variable).replace(r"\{\}", "(.+?)"), variable)
        if match:
            # `layers_3/attention` is module 3 of the list `layers`
            parts = [
                re.sub(r"(?<=layers)_(\d+)", r".\1", part).replace("/", ".")
                for part in match.groups()
            ]
            spellings = (row.key, row.older_key) if row.older_key else (row.key,)
            return Name(tuple(key.format(*parts) for key in spellings), row.transposed)
    raise AssertionError("the last row matches any variable")
