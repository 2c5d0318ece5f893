"""Reads the settings in fairseq's checkpoints: `args`, a Namespace, or `cfg`, of omegaconf.

References: fairseq's `dataclass/utils.py` and `models/wav2vec/wav2vec2.py`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wav2vec2_tf.checkpoint.lazy_tensor import quoted
from wav2vec2_tf.checkpoint.torch_pickle import Record

FIELD_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("conv_bias", "layer_norm_first", "apply_mask", "normalize"), bool),
    **dict.fromkeys(("quantize_input", "conv_pos_batch_norm"), bool),
    **dict.fromkeys(("activation_fn", "extractor_mode", "conv_feature_layers"), str),
    **dict.fromkeys(("layer_type", "arch", "_name"), str),
    **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), float),
    **dict.fromkeys(("dropout_input", "dropout_features", "final_dropout"), float),
    **dict.fromkeys(("encoder_layerdrop", "layerdrop", "logit_temp"), float),
    **dict.fromkeys(("mask_prob", "mask_channel_prob"), float),
}  # int, if not here

MAX_LAYERS_TEXT = 1000
MAX_CONVOLUTIONS = 64


class Fault(Exception):
    """A fault of a checkpoint: what is wrong and what to do, without the file's name."""


@dataclass(frozen=True)
class SettingsGroup:
    """The settings of one model, from `args`, where all are side by side, or from `cfg`.

    Attributes:
        model: the settings of the model.
        task: those of the task, such as the sampling rate.
        criterion: those of the loss.
        within: the setting that holds the group, for errors; empty for the outermost.
    """

    model: Mapping[str, object]
    task: Mapping[str, object]
    criterion: Mapping[str, object]
    within: str = ""

    @classmethod
    def of(cls, value: object, within: str = "") -> SettingsGroup:
        """Returns the group in an unpickled value: a Namespace, an omegaconf node, or a dict."""
        whole = _mapping(value)
        if isinstance(whole.get("model"), dict):
            model, task, criterion = (
                _mapping(whole.get(n)) for n in ("model", "task", "criterion")
            )
            return cls(model, task, criterion, within)
        return cls(whole, whole, whole, within)

    def optional(self, field: str, *, in_task: bool = False) -> Any:
        """Returns a setting, None where it is missing or None; `Fault` if it has a wrong type."""
        value = self.task.get(field) if in_task else None
        if value is None:
            value = self.model.get(field)
        expected = FIELD_TYPES.get(field, int)
        number = _finite(value)
        if expected is float and number is not None:
            return number
        if value is not None and (type(value) is not expected or expected is float):
            raise Fault(
                f"has the setting {field} = {shown(value)}, "
                f"which is not of the type {expected.__name__}"
            )
        return value

    def required(self, field: str) -> Any:
        """Returns a setting; `Fault` where it is missing or None."""
        value = self.optional(field)
        if value is None:
            where = f" in {self.within}" if self.within else ""
            raise Fault(
                f"lacks the setting {quoted(field)}{where}; save it with its complete args or cfg"
            )
        return value

    def chosen(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Returns the settings that are present, by the names of config.json's fields."""
        values = {name: self.optional(field) for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def diversity_weight(self) -> float | None:
        """The first of the loss weights; the second weighs the size of the features."""
        weights = _value(self.criterion.get("loss_weights"))
        return _finite(_value(weights[0])) if isinstance(weights, list) and weights else None


def _finite(value: object) -> float | None:
    """Returns a finite number as a float; None for anything else."""
    if type(value) is int:
        value = max(-(2**53), min(value, 2**53)) * 1.0
    return value if isinstance(value, float) and math.isfinite(value) else None


def shown(value: object) -> str:
    """Returns a setting's value for an error: short, and in quotes if it is not a number."""
    return repr(value)[:100] if isinstance(value, int | float) else quoted(value)


def _mapping(value: object) -> dict[str, object]:
    """Returns the entries of a group of settings in any container; {} for other values."""
    group = _value(value)
    if not isinstance(group, dict):
        return {}
    return {key: _value(item) for key, item in group.items() if type(key) is str}


def _value(value: object) -> object:
    """Returns the content of a Namespace, or of omegaconf's container or node: one level of it."""
    for _ in range(4):  # a node may hold a Namespace; a hostile one may hold itself
        if not isinstance(value, Record):
            break
        attributes = value.state if isinstance(value.state, dict) else {}
        if value.class_name == "argparse.Namespace":
            value = attributes
        elif value.class_name.startswith("omegaconf."):
            value = attributes.get("_content", attributes.get("_val"))
    return value


def convolutions(text: str) -> list[tuple[int, int, int]]:
    """Returns (channels, kernel, stride) of each layer, from fairseq's Python expression.

    The expression is parsed and not run: lists of triples of numbers, joined by `+` and repeated by
    `*`, are understood, and anything else is a `Fault`.
    """

    def evaluated(node: ast.expr) -> list[tuple[int, int, int]]:
        match node:
            case ast.List(elts=items):
                layers = [triple(item) for item in items]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                layers = evaluated(left) + evaluated(right)
            case (
                ast.BinOp(left=repeated, op=ast.Mult(), right=ast.Constant(value=int(times)))
                | ast.BinOp(left=ast.Constant(value=int(times)), op=ast.Mult(), right=repeated)
            ):
                layers = evaluated(repeated) * min(times, MAX_CONVOLUTIONS + 1)
            case _:
                raise ValueError
        if len(layers) > MAX_CONVOLUTIONS:
            raise ValueError
        return layers

    def triple(node: ast.expr) -> tuple[int, int, int]:
        match node:
            case ast.Tuple(
                elts=[
                    ast.Constant(value=int(channels)),
                    ast.Constant(value=int(kernel)),
                    ast.Constant(value=int(stride)),
                ]
            ) if min(channels, kernel, stride) > 0:
                return channels, kernel, stride
        raise ValueError

    try:
        if not re.fullmatch(r"[0-9()\[\]+*, ]+", text) or len(text) > MAX_LAYERS_TEXT:
            raise ValueError
        layers = evaluated(ast.parse(text.strip(), mode="eval").body)
        if not layers:
            raise ValueError
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise Fault(f"has the setting conv_feature_layers = {quoted(text)}, not read") from error
    return layers
