"""Writes and loads ONNX files (`.onnx`), run by ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2vec2_tf.export import sessions
from wav2vec2_tf.export.contract import NamedArrays
from wav2vec2_tf.export.exported_file import (
    ExportedFile,
    contract_of,
    from_metadata,
    require_runtime,
    to_metadata,
)
from wav2vec2_tf.export.quantization import (
    FEATURE_ENCODER,
    FLOAT16,
    FLOAT32,
    INT8,
    INT8_STATIC,
)
from wav2vec2_tf.export.seal import Seal
from wav2vec2_tf.utils.errors import UserError, first_line

if TYPE_CHECKING:
    from wav2vec2_tf.export.frozen import FrozenGraph

SUFFIX = ".onnx"
SUFFIXES = (SUFFIX,)
WRITTEN_WITH = ("onnx", "tf2onnx", "onnxruntime")
QUANTIZED_WITH: tuple[str, ...] = ()
OPSET = 18
SEAL = Seal(
    b"\x72\x4a\x0a\x06sha256\x12\x40",  # one more entry of ModelProto.metadata_props (field 14)
    b"",
    "from wav2vec2_tf.export import sessions; sessions.onnx(path, 1).try_out()",
)
MATRIX_PRODUCTS = ["MatMul", "Gemm"]
SMALLEST = 1024
"""Elements of the smallest weight that is stored in float16."""


def write(
    frozen: FrozenGraph,
    files: Mapping[str, str],
    path: Path,
    quantize: str = FLOAT32,
    calibration: Iterable[NamedArrays] = (),
) -> None:
    """Writes an ONNX file.

    Args:
        frozen: the model.
        files: text files of the model's folder by name, for the metadata.
        path: the file to write.
        quantize: `float32`; `fp16`, weights only; `int8`, weights of matrix products, and their
            inputs with scales computed at run time; `int8-static`, with scales measured on
            `calibration`.
        calibration: inputs of the file, to measure ranges on.
    """
    import onnx

    model = _converted(frozen)
    if quantize == FLOAT16:
        _store_in_float16(model)
    elif quantize in (INT8, INT8_STATIC):
        model = _quantized(model, quantize, calibration)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, to_metadata(files))
    onnx.save(model, path)
    SEAL.write(path)


def _converted(frozen: FrozenGraph) -> Any:
    """Returns the ONNX model of a frozen graph, in float32."""
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
    """Converts SelectV2; tf2onnx multiplies by the condition, which lets NaN through."""
    node.type = "Where"


def _floor_div(ctx: Any, node: Any, name: str, args: Any) -> None:
    """Converts FloorDiv to (x - x mod y) / y, since ONNX's mod is Python's.

    tf2onnx divides integers towards zero.
    """
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
    """Converts FloorMod; tf2onnx divides towards zero here too."""
    node.type = "Mod"


HANDLERS = {"SelectV2": _select, "FloorDiv": _floor_div, "FloorMod": _floor_mod}
"""Handlers of the operations of TensorFlow that tf2onnx converts to something unequal."""


def _store_in_float16(model: Any) -> None:
    """Stores weights in float16; the runtime casts them to float32 when it loads the file."""
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


def _quantized(model: Any, quantize: str, calibration: Iterable[NamedArrays]) -> Any:
    """Returns the model with its matrix products in int8, outside the feature encoder."""
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
    """Inputs in the form that ONNX Runtime's calibration reads them."""

    def __init__(self, inputs: Iterable[NamedArrays]) -> None:
        self.inputs = iter(inputs)

    def get_next(self) -> NamedArrays | None:
        """Returns the next inputs, None after the last."""
        return next(self.inputs, None)


def load(path: Path, threads: int) -> ExportedFile:
    """Loads a file that `write` wrote; raises `UserError` if it is damaged or from elsewhere."""
    require_runtime(path, "onnxruntime", "ONNX Runtime", "onnx")
    SEAL.check(path)
    try:
        session = sessions.onnx(path, threads)
    except Exception as error:  # its own types derive from Exception alone
        raise UserError(f"{path}: ONNX Runtime does not load it ({first_line(error)})") from None
    files = from_metadata(path, session.metadata)
    return ExportedFile(path, files, contract_of(path, session.shapes), session.compute)
