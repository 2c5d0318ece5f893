"""Checks of the values of a config's fields."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.utils.errors import UserError, brief, did_you_mean

if TYPE_CHECKING:
    from wav2vec2_tf.models.config import Config, ConformerConfig, WaveformConfig

ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "swish")
# Limits that keep a hostile config.json from allocating memory before its weights are compared.
MAX_LAYERS = 200  # of one kind
MAX_SIZE = 2**18
MAX_ROTARY_BASE = 2**53
MAX_EXTRA = 2000  # fields; transformers' own writes under 100
MAX_DEPTH = 32
LONGEST_NAME = 100  # characters of a field's name that are compared
NEAR_MISS = 0.9  # similarity from which an unknown field counts as misspelled

COUNTS = frozenset(
    (
        *("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"),
        *("mask_time_length", "mask_feature_length"),
        *("adapter_kernel_size", "adapter_stride", "output_hidden_size"),
        *("num_labels", "classifier_proj_size", "xvector_output_dim"),
        *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "conv_pos_kernel_size"),
        *("adapter_attn_dim", "num_codevectors_per_group", "num_codevector_groups"),
        *("codevector_dim", "proj_codevector_dim", "num_negatives"),
        *("num_buckets", "max_bucket_distance", "num_ctc_classes", "num_clusters"),
        *("max_source_positions", "conv_depthwise_kernel_size", "feature_projection_input_dim"),
    )
)
LAYERS = frozenset(
    ("num_hidden_layers", "num_adapter_layers", "num_conv_pos_embeddings", "conv_dim", "tdnn_dim")
)
NOT_NEGATIVE = frozenset(
    (
        *("num_hidden_layers", "num_adapter_layers"),
        *("layer_norm_eps", "initializer_range", "pad_token_id"),
        *("mask_time_min_masks", "mask_feature_min_masks", "diversity_loss_weight"),
        *("left_max_position_embeddings", "right_max_position_embeddings"),
    )
)
PROBABILITIES = frozenset(
    (
        *("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"),
        *("final_dropout", "layerdrop", "mask_time_prob", "mask_feature_prob"),
        *("feat_quantizer_dropout", "conformer_conv_dropout", "replace_prob"),
    )
)
CHOICES: dict[str, tuple[str, ...]] = {
    "feat_extract_norm": ("group", "layer"),
    "hidden_act": ACTIVATIONS,
    "feat_extract_activation": ACTIVATIONS,
    "adapter_act": ACTIVATIONS,
}


def types_of(hint: Any) -> tuple[type, ...]:
    """Returns the types that a hint allows: `int | None` → (int, NoneType)."""
    if isinstance(hint, types.UnionType):
        return typing.get_args(hint)
    return (typing.get_origin(hint) or hint,)


def checked_value(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """Returns the value of a field: an int becomes a float and a list a tuple where one is due.

    Args:
        name: the field, for the error.
        value: what `config.json` or the caller gave.
        kinds: the types that the field may have; see `types_of`.

    Raises:
        UserError: the value is of another type.
    """
    if float in kinds and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise UserError(f"config: {name} is too large for a float64") from None
    if type(value) is float and not math.isfinite(value):
        raise UserError(f"config: {name} must be finite, got {value}")
    if tuple in kinds:
        if not isinstance(value, list | tuple) or not all(type(v) is int for v in value):
            raise UserError(f"config: {name} must be a list of integers, got {brief(value)}")
        return tuple(value)
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise UserError(f"config: {name} must be {wanted}, got {brief(value)}")
    return value


def check_values(config: Config) -> None:
    """Raises `UserError` where the value of a single field is out of its range."""
    for name in config.field_kinds():
        value = getattr(config, name)
        if name in COUNTS and value is not None and value < 1:
            raise UserError(f"config: {name} must be at least 1, got {brief(value)}")
        if name in COUNTS and value is not None and value > MAX_SIZE:
            raise UserError(f"config: {name} must be at most {MAX_SIZE}, got {brief(value)}")
        layers = len(value) if isinstance(value, tuple) else value
        if name in LAYERS and layers > MAX_LAYERS:
            raise UserError(f"config: {name} must be at most {MAX_LAYERS} layers, got {layers}")
        if name in NOT_NEGATIVE and not value >= 0:
            raise UserError(f"config: {name} must not be negative, got {brief(value)}")
        if name in PROBABILITIES and not 0 <= value <= 1:
            raise UserError(f"config: {name} must be from 0 to 1, got {brief(value)}")
        if name in CHOICES and value not in CHOICES[name]:
            choices = ", ".join(CHOICES[name])
            raise UserError(f"config: {name} {brief(value)} is unknown; known: {choices}")


def check_lists(config: Config, *names: str) -> None:
    """Raises `UserError` unless the lists have one length and positive entries within limits."""
    lists = [getattr(config, name) for name in names]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if len({len(values) for values in lists}) != 1 or not lists[0]:
        raise UserError(f"config: {listed} must have the same length")
    if max(max(values) for values in lists) > MAX_SIZE:
        raise UserError(f"config: {listed} must be at most {MAX_SIZE}")
    if min(min(values) for values in lists) < 1:
        raise UserError(f"config: {listed} must be positive")


def check_extra(extra: Mapping[str, Any]) -> None:
    """Raises `UserError` where fields of `config.json` beyond the family's own are malformed."""
    if len(extra) > MAX_EXTRA:
        raise UserError(f"config: must have at most {MAX_EXTRA} other fields, got {len(extra)}")
    if _is_deeper(extra, MAX_DEPTH):
        raise UserError(f"config: objects and lists must nest at most {MAX_DEPTH} deep")
    labels = extra.get("id2label")
    if labels is not None and not isinstance(labels, dict):
        raise UserError(f"config: id2label must be an object, got {brief(labels)}")
    names = extra.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"config: architectures must be a list of names, got {brief(names)}")


def check_spelling(extra: Iterable[str], known: Iterable[str]) -> None:
    """Raises `UserError` where a field of `config.json` is nearly, but not quite, a known one."""
    for name in extra:
        if near := did_you_mean(name[:LONGEST_NAME], known, NEAR_MISS):
            raise UserError(f"config: {brief(name)} is not a field{near}")


def _is_deeper(value: Any, depth: int) -> bool:
    """Returns whether objects and lists nest deeper than `depth`."""
    level = [value]
    for _ in range(depth):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not level:
            return False
    return True


def check_convolutions(config: WaveformConfig) -> None:
    """Raises `UserError` where a field of the convolutions contradicts another."""
    check_lists(config, "conv_dim", "conv_stride", "conv_kernel")
    layers = config.extra.get("num_feat_extract_layers", len(config.conv_dim))
    if layers != len(config.conv_dim):
        raise UserError(
            f"config: num_feat_extract_layers must be the {len(config.conv_dim)} layers of "
            f"conv_dim, got {brief(layers)}"
        )
    if config.hidden_size % config.num_conv_pos_embedding_groups:
        raise UserError(
            "config: num_conv_pos_embedding_groups must divide hidden_size, got "
            f"{config.num_conv_pos_embedding_groups} and {config.hidden_size}"
        )


def check_conformer(config: ConformerConfig) -> None:
    """Raises `UserError` where a field of the Conformer blocks contradicts another."""
    schemes = config.position_schemes
    scheme = config.position_embeddings_type
    if scheme not in schemes:
        known = ", ".join(map(str, schemes))
        raise UserError(
            f"config: position_embeddings_type {brief(scheme)} is unknown; known: {known}"
        )
    if config.conv_depthwise_kernel_size % 2 == 0:
        raise UserError(
            "config: conv_depthwise_kernel_size must be odd, "
            f"got {config.conv_depthwise_kernel_size}"
        )
    if not 1 <= config.rotary_embedding_base <= MAX_ROTARY_BASE:
        raise UserError(
            f"config: rotary_embedding_base must be from 1 to {MAX_ROTARY_BASE}, "
            f"got {config.rotary_embedding_base}"
        )
    if scheme == "rotary" and config.hidden_size // config.num_attention_heads % 2:
        raise UserError("config: rotary positions need an even number of channels in a head")
    if scheme == "relative" and config.hidden_size % 2:
        raise UserError("config: relative positions need an even hidden_size")
