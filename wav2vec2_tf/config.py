"""The sizes and switches of a model, as a checkpoint's `config.json` gives them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wav2vec2_tf.errors import UserError

SAMPLE_RATE = 16_000  # Hz, of every model
PUBLISHED_LENGTH = 246_000  # samples (15.4 s) that the published SavedModels are fixed to
MODEL_TYPES = ("wav2vec2",)
ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "swish")
UNSUPPORTED = {"add_adapter": False, "adapter_attn_dim": None}
"""Fields that change the computation in ways not implemented, and the one value that does not."""


@dataclass(frozen=True)
class Wav2Vec2Config:
    """Fields and defaults are those of transformers' `Wav2Vec2Config`.

    What the file holds beyond them is kept in `extra` and written back unchanged.
    """

    vocab_size: int = 32
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02

    feat_extract_norm: str = (
        "group"  # "group": the first convolution alone, over time; "layer": all
    )
    feat_extract_activation: str = "gelu"
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128  # kernel of the positional convolution
    num_conv_pos_embedding_groups: int = 16
    do_stable_layer_norm: bool = False  # layer norm before attention and feed-forward, not after

    hidden_dropout: float = 0.1
    activation_dropout: float = 0.1
    attention_dropout: float = 0.1
    feat_proj_dropout: float = 0.0
    final_dropout: float = 0.1
    layerdrop: float = 0.1
    apply_spec_augment: bool = True
    mask_time_prob: float = 0.05
    mask_time_length: int = 10
    mask_time_min_masks: int = 2
    mask_feature_prob: float = 0.0
    mask_feature_length: int = 10
    mask_feature_min_masks: int = 0

    pad_token_id: int = 0  # the blank of CTC
    model_type: str = "wav2vec2"
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, expected in _FIELD_TYPES.items():
            value = getattr(self, name)
            if expected is float and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, name, float(value))
            elif expected is tuple:
                if not isinstance(value, list | tuple) or not all(type(v) is int for v in value):
                    raise UserError(
                        f"config: {name} must be a list of whole numbers, got {value!r}"
                    )
                object.__setattr__(self, name, tuple(value))
            elif type(value) is not expected:
                raise UserError(f"config: {name} must be {expected.__name__}, got {value!r}")
        self._check()

    def _check(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise UserError(f"config: {name} must be at least 1, got {getattr(self, name)}")
        if self.num_hidden_layers < 0:
            raise UserError(f"config: num_hidden_layers is negative: {self.num_hidden_layers}")
        if not len(self.conv_dim) == len(self.conv_stride) == len(self.conv_kernel) > 0:
            raise UserError("config: conv_dim, conv_stride and conv_kernel must be of one length")
        if min(*self.conv_dim, *self.conv_stride, *self.conv_kernel) < 1:
            raise UserError("config: conv_dim, conv_stride and conv_kernel must be positive")
        if self.hidden_size % self.num_attention_heads:
            raise UserError("config: num_attention_heads does not divide hidden_size")
        if self.hidden_size % self.num_conv_pos_embedding_groups:
            raise UserError("config: num_conv_pos_embedding_groups does not divide hidden_size")
        if self.feat_extract_norm not in ("group", "layer"):
            raise UserError(
                f"config: feat_extract_norm is 'group' or 'layer', got {self.feat_extract_norm!r}"
            )
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"config: {name} must be from 0 to 1: {getattr(self, name)}")
        for name in ("hidden_act", "feat_extract_activation"):
            if getattr(self, name) not in ACTIVATIONS:
                raise UserError(
                    f"config: {name} {getattr(self, name)!r} is unknown; known: "
                    + ", ".join(ACTIVATIONS)
                )
        for name, neutral in UNSUPPORTED.items():
            if self.extra.get(name, neutral) != neutral:
                raise UserError(f"config: {name}={self.extra[name]!r} is not supported yet")

    @property
    def has_mask_embedding(self) -> bool:
        """Whether the model owns the vector that SpecAugment puts in place of masked frames."""
        return self.mask_time_prob > 0 or self.mask_feature_prob > 0

    def frame_length(self, samples: int) -> int:
        """Frames that `samples` samples give; 0 where they are too few for one."""
        return max(0, self.layer_lengths(samples)[-1])

    def layer_lengths(self, length: Any) -> list[Any]:
        """Steps out of each convolution for `length` samples, a number or integer tensor.

        Too few samples for one step give 0 or less.
        """
        lengths = []
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            length = convolved_length(length, kernel, stride)
            lengths.append(length)
        return lengths

    def samples_of(self, frames: int) -> int:
        """The fewest samples that give `frames` frames, 1 or more; 400 for one, as published."""
        for kernel, stride in zip(
            reversed(self.conv_kernel), reversed(self.conv_stride), strict=True
        ):
            frames = (frames - 1) * stride + kernel
        return frames

    @property
    def stride(self) -> int:
        """Samples from one frame to the next; 320 (20 ms) for the published models."""
        return self.samples_of(2) - self.samples_of(1)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Wav2Vec2Config:
        """Of a `config.json`; null means the default, and what is not known is kept in `extra`."""
        model_type = values.get("model_type")
        if model_type not in MODEL_TYPES:
            near = difflib.get_close_matches(str(model_type), MODEL_TYPES, 1)
            raise UserError(
                f"config: model_type {model_type!r} is unknown; known: {', '.join(MODEL_TYPES)}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        known = {name: values[name] for name in _FIELD_TYPES if values.get(name) is not None}
        extra = {name: value for name, value in values.items() if name not in _FIELD_TYPES}
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in _FIELD_TYPES}
        return {
            **self.extra,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
        }


_COUNTS = (
    *("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"),
    *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups"),
    *("mask_time_length", "mask_feature_length"),
)
_PROBABILITIES = (
    *("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"),
    *("final_dropout", "layerdrop", "mask_time_prob", "mask_feature_prob"),
)
_FIELD_TYPES: dict[str, type] = {
    f.name: tuple if isinstance(f.default, tuple) else type(f.default)
    for f in dataclasses.fields(Wav2Vec2Config)
    if f.name != "extra"
}


def convolved_length(length: Any, kernel: int, stride: int) -> Any:
    """The frame-length formula: steps of an unpadded convolution over `length` steps."""
    return (length - kernel) // stride + 1
