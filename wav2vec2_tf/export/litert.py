"""Writes and loads LiteRT files (`.tflite`), for phones and edge devices."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
    STATISTICS,
)
from wav2vec2_tf.export.seal import Seal
from wav2vec2_tf.export.sessions import SIGNATURE
from wav2vec2_tf.utils.errors import UserError, first_line
from wav2vec2_tf.utils.files import MAX_JSON_BYTES

if TYPE_CHECKING:
    from wav2vec2_tf.export.frozen import FrozenGraph

SUFFIX = ".tflite"
SUFFIXES = (SUFFIX,)
WRITTEN_WITH = ("ai_edge_litert",)
QUANTIZED_WITH = ("ai_edge_quantizer",)
IDENTIFIER = b"TFL3"  # bytes 4 to 8
SEAL = Seal(
    b"wav2vec2_tf sha256 ",  # tables refer to one another: what follows them is not read
    b"\n",
    "from wav2vec2_tf.export import sessions; sessions.litert(path, 1).try_out()",
)
MAX_METADATA, MAX_METADATA_BYTES = 100, MAX_JSON_BYTES
"""Entries that are read, and bytes of ours: tables may refer to the same bytes again and again."""


def write(
    frozen: FrozenGraph,
    files: Mapping[str, str],
    path: Path,
    quantize: str = FLOAT32,
    calibration: Iterable[NamedArrays] = (),
) -> None:
    """Writes a LiteRT file.

    Args:
        frozen: the model.
        files: text files of the model's folder by name, for the metadata.
        path: the file to write.
        quantize: `float32`; `fp16`, weights only; `int8`, weights, and inputs of dense layers with
            a scale for each frame; `int8-static`, these with scales measured on `calibration`.
        calibration: inputs of the file, to measure ranges on.
    """
    content = _converted(frozen, in_float16=quantize == FLOAT16)
    if quantize in (INT8, INT8_STATIC):
        content = _quantized(content, quantize, calibration)
    path.write_bytes(_with_metadata(content, to_metadata(files)))
    SEAL.write(path)


def _converted(frozen: FrozenGraph, in_float16: bool) -> bytes:
    """Returns the content of a LiteRT file without metadata."""
    import tensorflow as tf

    from wav2vec2_tf.export.frozen import with_plain_gelu, with_plain_slices

    graph = with_plain_gelu(with_plain_slices(frozen.graph))
    name, tensor = frozen.output
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    function = wrapped.prune(list(frozen.inputs.values()), {name: tensor})
    with tempfile.TemporaryDirectory() as scratch:
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(tf.Module(), scratch, {SIGNATURE: function}, options)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=[SIGNATURE])
        if in_float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content: bytes = converter.convert()
    return content


def _quantized(content: bytes, quantize: str, calibration: Iterable[NamedArrays]) -> bytes:
    """Returns the content of a LiteRT file in int8.

    TensorFlow's converter is not used: it gives a convolution's input one scale for all frames,
    which costs 10 points of WER, and quantizes the statistics of group norm.
    """
    from ai_edge_quantizer import qtyping, quantizer, recipe_manager

    operations, everything = qtyping.TFLOperationName, ".*"
    recipe = recipe_manager.RecipeManager()
    if quantize == INT8_STATIC:
        recipe.add_static_config(everything, operations.FULLY_CONNECTED, 8, 8)
    scope = f".*{FEATURE_ENCODER}.*" if quantize == INT8_STATIC else everything
    recipe.add_dynamic_config(scope, operations.FULLY_CONNECTED, 8)
    recipe.add_weight_only_config(everything, operations.CONV_2D, 8)
    recipe.add_quantization_config(
        f".*{STATISTICS}.*",
        operations.ALL_SUPPORTED,
        algorithm_key=recipe_manager.AlgorithmName.NO_QUANTIZE,
    )
    work = quantizer.Quantizer(content, recipe.get_quantization_recipe())
    with warnings.catch_warnings():  # about the memory that calibration takes
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors", UserWarning)
        ranges = work.calibrate({SIGNATURE: calibration}) if quantize == INT8_STATIC else None
        result = work.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Returns the content of a LiteRT file with text added as named buffers."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset > 1:  # quantized weights lie behind the tables
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    model.metadata = list(model.metadata or [])
    for name, text in metadata.items():
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(text.encode(), np.uint8)
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def load(path: Path, threads: int) -> ExportedFile:
    """Loads a file that `write` wrote; raises `UserError` if it is damaged or from elsewhere."""
    require_runtime(path, "ai_edge_litert", "LiteRT", "litert")
    files = from_metadata(path, _metadata(path))
    SEAL.check(path)
    try:
        session = sessions.litert(path, threads)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: LiteRT does not load it ({first_line(error)})") from None
    return ExportedFile(path, files, contract_of(path, session.shapes), session.compute)


def _metadata(path: Path) -> dict[str, str]:
    """Returns the named buffers of text, read without the runtime, which damage can crash."""
    import mmap
    import struct

    from ai_edge_litert import schema_py_generated as schema

    with path.open("rb") as file:
        if file.read(8)[4:] != IDENTIFIER:
            raise UserError(f"{path}: not a LiteRT file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                model = schema.Model.GetRootAs(content, 0)
                found, left = {}, MAX_METADATA_BYTES
                for place in range(min(model.MetadataLength(), MAX_METADATA)):
                    entry = model.Metadata(place)
                    buffer = model.Buffers(entry.Buffer())
                    left -= buffer.DataLength()
                    if left < 0:
                        break
                    data = bytes(buffer.DataAsNumpy()) if buffer.DataLength() else b""
                    found[entry.Name().decode()] = data.decode(errors="replace")
                return found
            except (struct.error, IndexError, ValueError, TypeError, AttributeError):
                raise UserError(
                    f"{path}: damaged, its tables point outside the file: copy it again"
                ) from None
