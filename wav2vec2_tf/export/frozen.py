"""Keras model → one graph of constants, which the converters to other formats read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from wav2vec2_tf.export.form import LARGEST, LENGTHS, Form
from wav2vec2_tf.export.saved_model import ONLY_OUTPUT, features_spec, outputs, speech_spec
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.keras_internals import with_constants


@dataclass(frozen=True)
class Frozen:
    graph: Any
    """A `GraphDef`, without variables and functions."""
    inputs: dict[str, str]
    """Name → tensor of the graph."""
    output: tuple[str, str]
    """The same of what comes out."""


def check(config: Config, head: str, parameters: int, form: Form) -> None:
    """Raise `UserError` where no file can hold the model; before its weights are read."""
    if head not in ONLY_OUTPUT:
        raise UserError(
            f"a model {head.removeprefix('For')} gives several tensors, and these formats are "
            "written with one: take `convert saved-model`, or another --head"
        )
    if form.log_softmax and head != families.CTC:
        raise UserError("log_softmax is for models with a CTC head: leave it out")
    if 4 * parameters > LARGEST:
        raise UserError(
            f"{4 * parameters / 2**30:.1f} GiB of weights: converters read graphs of at most "
            "2 GiB; take `convert saved-model`"
        )
    shortest = config.samples_of(config.fewest_frames)
    if form.length is not None and form.length < shortest:
        raise UserError(f"--length {form.length}: one frame of speech takes {shortest} samples")


def freeze(model: keras.Model, form: Form) -> Frozen:
    """The model's graph for inference, traced with `form`'s inputs."""
    log_mel = model.config.log_mel_input
    kind = features_spec(model.config, form.length) if log_mel else speech_spec(form.length)
    name = kind.name if log_mel else form.speech
    specs = [tf.TensorSpec([form.rows, *kind.shape[1:]], kind.dtype, name)]
    if form.takes_lengths:
        specs.append(tf.TensorSpec([form.rows], tf.int32, LENGTHS))

    @tf.function(input_signature=specs, autograph=False)
    def infer(first: tf.Tensor, lengths: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        return outputs(model, first, lengths, log_softmax=form.log_softmax)

    function = with_constants(infer.get_concrete_function())
    return Frozen(
        function.graph.as_graph_def(),
        {spec.name: tensor.name for spec, tensor in zip(specs, function.inputs, strict=True)},
        (ONLY_OUTPUT[model.head], function.outputs[0].name),
    )


def with_plain_slices(graph: Any) -> Any:
    """A copy of a `GraphDef` in which new axes come from ExpandDims, not from slices.

    LiteRT has no slice that makes axes, and its converter does without only if shapes are static.
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
    """The axes that a slice makes, in the order to make them; none where it cuts as well."""
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
    # Counted from the end, the last first: each is where it will be when those after it are there.
    after = [place - count for place in places if place > middle]
    return [*before, *_from_the_end(after)]


def _from_the_end(axes: list[int]) -> Iterator[int]:
    """Negative axes of the finished shape → of the shape when each is inserted, front first."""
    for place, axis in enumerate(axes):
        yield axis + len(axes) - 1 - place


def with_plain_gelu(graph: Any) -> Any:
    """A copy of a `GraphDef` whose exact GELU is (½ · x) · (1 + erf(√½ · x)), to the letter.

    LiteRT has no erf but within its GELU, which its converter knows by this order of factors.
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
        if by_name[other].op == "Const":  # ½ · (1 + erf), which x is multiplied with
            (last,) = users[product.name]
            half = result.node.add(name=f"{last.name}/half", op="Mul", input=[other, values])
            half.attr["T"].CopyFrom(last.attr["T"])
            last.input[:] = [half.name, increased.name]
    return result
