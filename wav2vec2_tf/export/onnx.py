"""ONNX (`.onnx`), run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wav2vec2_tf.export.form import (
    FEATURE_ENCODER,
    FLOAT16,
    FLOAT32,
    INT8,
    INT8_STATIC,
    LENGTHS,
    Exported,
    Form,
    Sample,
    entries,
    facts_in,
    missing,
)
from wav2vec2_tf.utils.errors import UserError, first_line

SUFFIX = ".onnx"
SUFFIXES = (SUFFIX,)
WRITTEN_WITH = ("onnx", "tf2onnx", "onnxruntime")
QUANTIZED_WITH: tuple[str, ...] = ()
OPSET = 18
MATRIX_PRODUCTS = ["MatMul", "Gemm"]
SMALLEST = 1024  # numbers in a weight that is worth storing in fewer bits


def write(
    frozen: Any,
    facts: Mapping[str, str],
    path: Path,
    quantize: str = FLOAT32,
    calibration: Iterable[Sample] = (),
) -> None:
    """Write a `frozen.Frozen` graph.

    Args:
        quantize: float32; fp16, weights alone; int8, matrix products, one side as it comes;
            int8-static, both sides by ranges seen on `calibration`.
    """
    import onnx

    model = _converted(frozen)
    if quantize == FLOAT16:
        _store_in_float16(model)
    elif quantize in (INT8, INT8_STATIC):
        model = _quantized(model, quantize, calibration)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries(facts))
    onnx.save(model, path)


def _converted(frozen: Any) -> Any:
    import tf2onnx.convert

    output, tensor = frozen.output
    model, _ = tf2onnx.convert._convert_common(
        frozen.graph,
        input_names=list(frozen.inputs.values()),
        output_names=[tensor],
        tensors_to_rename={tensor: output, **{t: n for n, t in frozen.inputs.items()}},
        custom_op_handlers={name: (handler, []) for name, handler in HANDLERS.items()},
        opset=OPSET,
    )
    axes = {"batch": 0, "samples" if "speech" in frozen.inputs else "frames": 1}
    for name, axis in axes.items():
        dimension = model.graph.input[0].type.tensor_type.shape.dim[axis]
        if dimension.dim_param:
            dimension.dim_param = name
    return model


def _select(ctx: Any, node: Any, name: str, args: Any) -> None:
    """tf2onnx multiplies by the condition, which lets NaN through."""
    node.type = "Where"


def _floor_div(ctx: Any, node: Any, name: str, args: Any) -> None:
    """tf2onnx divides integers towards zero: (x - x mod y) / y, for ONNX's mod is Python's."""
    x, y = node.input
    shapes, dtypes = node.output_shapes, node.output_dtypes
    remainder = ctx.make_node("Mod", [x, y], dtypes=dtypes, shapes=shapes)
    multiple = ctx.make_node("Sub", [x, remainder.output[0]], dtypes=dtypes, shapes=shapes)
    outputs = node.output
    ctx.remove_node(node.name)
    ctx.make_node(
        "Div", [multiple.output[0], y], name=name, outputs=outputs, dtypes=dtypes, shapes=shapes
    )


def _floor_mod(ctx: Any, node: Any, name: str, args: Any) -> None:
    """tf2onnx divides towards zero here too."""
    node.type = "Mod"


HANDLERS = {"SelectV2": _select, "FloorDiv": _floor_div, "FloorMod": _floor_mod}
"""Of TensorFlow's operations that tf2onnx converts otherwise than they compute."""


def _store_in_float16(model: Any) -> None:
    """Keep weights in half the bytes; the runtime makes float32 of them when it loads the file."""
    import onnx

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}/float16"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantized(model: Any, quantize: str, calibration: Iterable[Sample]) -> Any:
    import onnx
    from onnxruntime import quantization

    weights = {tensor.name for tensor in model.graph.initializer}
    excluded = [
        node.name
        for node in model.graph.node
        if FEATURE_ENCODER in node.name or not weights & set(node.input)
    ]
    shared: dict[str, Any] = {
        "op_types_to_quantize": MATRIX_PRODUCTS,
        "per_channel": True,
        "weight_type": quantization.QuantType.QInt8,
        "nodes_to_exclude": excluded,
    }
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "quantized.onnx"
        if quantize == INT8:
            quantization.quantize_dynamic(model, out, **shared)
        else:
            quantization.quantize_static(model, out, _Reader(calibration), **shared)
        return onnx.load(out)


class _Reader:
    """Samples, as ONNX Runtime's calibration asks for them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = iter(samples)

    def get_next(self) -> Sample | None:
        return next(self.samples, None)


def load(path: Path, threads: int) -> Exported:
    """A file that `write` wrote. Raises `UserError` for any other or a damaged one."""
    try:
        import onnxruntime
    except ImportError:
        raise missing(path, "ONNX Runtime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its own kinds derive from Exception alone
        raise UserError(f"{path}: ONNX Runtime does not load it ({first_line(error)})") from None
    facts = facts_in(path, session.get_modelmeta().custom_metadata_map)
    shapes = {
        each.name: [size if isinstance(size, int) else None for size in each.shape]
        for each in session.get_inputs()
    }
    (first,) = (name for name in shapes if name != LENGTHS)
    rows, length = shapes[first][:2]

    def call(sample: Sample) -> np.ndarray:
        result: np.ndarray = session.run(None, sample)[0]
        return result

    return Exported(path, facts, Form(length, rows, takes_lengths=LENGTHS in shapes), call)
