"""Freezes a Keras model: one graph whose weights are constants, as converters read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.export.contract import LENGTHS, Contract
from wav2vec2_tf.export.saved_model import (
    ONLY_OUTPUT,
    check_log_softmax,
    features_spec,
    outputs,
    speech_spec,
)
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import with_constants

LARGEST = 2**31 - 1
"""Most bytes that protocol buffers (ONNX, and the graphs that converters read) and FlatBuffers
hold."""


@dataclass(frozen=True)
class FrozenGraph:
    """A graph without variables and functions, and the names of its inputs and its output."""

    graph: Any
    """A `GraphDef`."""
    inputs: dict[str, str]
    """Name of each input → tensor of the graph."""
    output: tuple[str, str]
    """Name of the output, and tensor of the graph."""


def check_exportable(config: Config, head: str, parameters: int, contract: Contract) -> None:
    """Checks, before weights are read, that a file can hold a model.

    Args:
        config: the model's config.
        head: the suffix of transformers' class, such as "ForCTC".
        parameters: how many numbers the model's weights are.
        contract: the tensors that the file is to take and give.

    Raises:
        UserError: no format for other runtimes can hold the model.
    """
    if head not in ONLY_OUTPUT:
        raise UserError(
            f"the model must have one output, and {head} has several: export it with "
            "`convert saved-model`, or with another --head"
        )
    check_log_softmax(contract.log_softmax, head)
    if 4 * parameters > LARGEST:
        raise UserError(
            f"weights must be less than 2 GiB, got {4 * parameters / 2**30:.1f} GiB: converters "
            "read no larger graph; export the model with `convert saved-model`"
        )
    check_length(contract.length, config.samples_of(config.fewest_frames))


def check_length(length: int | None, shortest: int) -> None:
    """Raises `UserError` if rows of `length` samples do not hold the shortest input."""
    if length is not None and length < shortest:
        raise UserError(f"length must be at least {shortest} samples (one frame), got {length}")


def freeze(model: keras.Model, contract: Contract) -> FrozenGraph:
    """Traces a model for inference, with the inputs of a contract, and freezes its weights."""
    log_mel = model.config.log_mel_input
    length, rows = contract.length, contract.rows
    kind = features_spec(model.config, length) if log_mel else speech_spec(length)
    name = kind.name if log_mel else contract.speech
    specs = [tf.TensorSpec([rows, *kind.shape[1:]], kind.dtype, name)]
    if contract.takes_lengths:
        specs.append(tf.TensorSpec([rows], tf.int32, LENGTHS))

    @tf.function(input_signature=specs, autograph=False)
    def infer(first: tf.Tensor, lengths: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        return outputs(model, first, lengths, log_softmax=contract.log_softmax)

    function = with_constants(infer.get_concrete_function())
    return FrozenGraph(
        function.graph.as_graph_def(),
        {spec.name: tensor.name for spec, tensor in zip(specs, function.inputs, strict=True)},
        (ONLY_OUTPUT[model.head], function.outputs[0].name),
    )


def with_plain_slices(graph: Any) -> Any:
    """Returns a copy of a `GraphDef` in which ExpandDims inserts new axes in place of slices.

    LiteRT has no slice that inserts axes, and its converter replaces it only where shapes are
    static.
    """
    constants = {node.name: node for node in graph.node if node.op == "Const"}
    result = type(graph)()
    result.versions.CopyFrom(graph.versions)
    for node in graph.node:
        axes = _new_axes(node, constants)
        source = node.input[0] if axes else ""
        for place, axis in enumerate(axes):
            last = place == len(axes) - 1
            number = result.node.add(name=f"{node.name}/axis_{place}", op="Const")
            number.attr["dtype"].type = tf.int32.as_datatype_enum
            number.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(axis, tf.int32))
            name = node.name if last else f"{node.name}/expand_{place}"
            expand = result.node.add(name=name, op="ExpandDims", input=[source, number.name])
            expand.attr["T"].CopyFrom(node.attr["T"])
            expand.attr["Tdim"].type = tf.int32.as_datatype_enum
            source = name
        if not axes:
            result.node.add().CopyFrom(node)
    return result


def _new_axes(node: Any, constants: dict[str, Any]) -> list[int]:
    """Returns the axes that a slice inserts, in that order; none if it also cuts."""
    if node.op != "StridedSlice" or not node.attr["new_axis_mask"].i:
        return []
    new, ellipsis = node.attr["new_axis_mask"].i, node.attr["ellipsis_mask"].i
    whole = node.attr["begin_mask"].i & node.attr["end_mask"].i
    count = tf.make_ndarray(constants[node.input[1]].attr["value"].tensor).size
    if (new | ellipsis | whole) != (1 << count) - 1:
        return []
    middle = ellipsis.bit_length() - 1 if ellipsis else count
    places = [place for place in range(count) if new >> place & 1]
    before = [place for place in places if place < middle]
    # Counted from the end, so that axes inserted later do not move those inserted before.
    after = [place - count for place in places if place > middle]
    return [*before, *_from_the_end(after)]


def _from_the_end(axes: list[int]) -> Iterator[int]:
    """Yields, front first, each negative axis as it counts in the shape it is inserted into.

    Args:
        axes: negative axes of the finished shape.
    """
    for place, axis in enumerate(axes):
        yield axis + len(axes) - 1 - place


def with_plain_gelu(graph: Any) -> Any:
    """Returns a copy of a `GraphDef` with GELU written as (½ · x) · (1 + erf(√½ · x)).

    LiteRT has erf only within its GELU, which its converter recognizes by this order of factors.
    """
    result = type(graph)()
    result.CopyFrom(graph)
    by_name = {node.name: node for node in result.node}
    users: dict[str, list[Any]] = {}
    for node in result.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for erf in [node for node in result.node if node.op == "Erf"]:
        scaled = by_name[erf.input[0]]
        (increased,) = users[erf.name]
        constants_first = sorted(scaled.input, key=lambda name: by_name[name].op != "Const")
        scaled.input[:] = constants_first
        values = constants_first[1]
        (product,) = users[increased.name]
        other = next(name for name in product.input if name != increased.name)
        if by_name[other].op == "Const":  # ½ · (1 + erf), multiplied by x next
            (last,) = users[product.name]
            half = result.node.add(name=f"{last.name}/half", op="Mul", input=[other, values])
            half.attr["T"].CopyFrom(last.attr["T"])
            last.input[:] = [half.name, increased.name]
    return result
