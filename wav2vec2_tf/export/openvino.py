"""Writes and loads OpenVINO IR (`.xml` and `.bin`), for Intel's and other processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from wav2vec2_tf.export.contract import NamedArrays
from wav2vec2_tf.export.exported_file import (
    ExportedFile,
    contract_of,
    from_metadata,
    missing_runtime,
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
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from wav2vec2_tf.export.frozen import FrozenGraph

SUFFIX = ".xml"
SUFFIXES = (SUFFIX, ".bin")
WRITTEN_WITH = ("openvino",)
QUANTIZED_WITH: tuple[str, ...] = ("nncf",)
SEAL = Seal(
    b"<!-- sha256 ",  # comments may follow the root element
    b" -->\n",
    "import openvino; openvino.Core().compile_model(path, 'CPU', {'INFERENCE_NUM_THREADS': 1})",
)
ENTRY = "wav2vec2_tf"
"""Element of the IR's `rt_info` that holds the model files."""


def write(
    frozen: FrozenGraph,
    files: Mapping[str, str],
    path: Path,
    quantize: str = FLOAT32,
    calibration: Iterable[NamedArrays] = (),
) -> None:
    """Writes an IR, its weights beside it as `.bin`.

    Args:
        frozen: the model.
        files: text files of the model's folder by name, for the metadata.
        path: the `.xml` file to write.
        quantize: `float32`; `fp16`, weights only; `int8`, weights only; `int8-static`, activations
            too, with ranges measured on `calibration` (nncf's post-training quantization).
        calibration: inputs of the file, to measure ranges on.
    """
    import openvino

    model = openvino.convert_model(frozen.graph)
    names = {tensor: name for name, tensor in frozen.inputs.items()}
    for port in model.inputs:
        port.get_tensor().set_names({names[_name(port, names)]})
    model.outputs[0].get_tensor().set_names({frozen.output[0]})
    if quantize == INT8:
        import nncf

        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    elif quantize == INT8_STATIC:
        import nncf

        # by type as well, since convolutions lose their names
        scope = nncf.IgnoredScope(
            patterns=[f".*{FEATURE_ENCODER}.*"], types=["Convolution"], validate=False
        )
        inputs = list(calibration)
        model = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            subset_size=len(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=scope,
        )
    for name, text in to_metadata(files).items():
        model.set_rt_info(text, name.split("/"))
    openvino.save_model(model, path, compress_to_fp16=quantize == FLOAT16)
    SEAL.write(path, path.with_suffix(SUFFIXES[1]))


def load(path: Path, threads: int) -> ExportedFile:
    """Loads a file that `write` wrote; raises `UserError` if it is damaged or from elsewhere."""
    try:
        import openvino
    except ImportError:
        raise missing_runtime(path, "OpenVINO", "openvino") from None
    weights = path.with_suffix(SUFFIXES[1])
    files = from_metadata(path, _checked_metadata(path, weights))
    SEAL.check(path, weights)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise UserError(f"{path}: OpenVINO does not load it ({reason})") from None
    shapes = {
        port.any_name: [
            size.get_length() if size.is_static else None for size in port.partial_shape
        ]
        for port in compiled.inputs
    }

    def call(named: NamedArrays) -> np.ndarray:
        result: np.ndarray = compiled(named)[0].copy()  # the next call overwrites it
        return result

    return ExportedFile(path, files, contract_of(path, shapes), call)


def _checked_metadata(path: Path, weights: Path) -> dict[str, str]:
    """Returns the metadata in `rt_info`, read without the runtime.

    Raises:
        UserError: a weight lies beyond the end of the `.bin`, which the runtime does not check.
    """
    if not weights.is_file():
        raise UserError(
            f"{weights}: no such file; it must be there, as it holds the weights of {path.name}"
        )
    try:
        root = ElementTree.parse(path).getroot()
        held = weights.stat().st_size
        for data in root.iter("data"):
            if int(data.get("offset", 0)) + int(data.get("size", 0)) > held:
                raise UserError(
                    f"{weights}: is cut short; {path.name} refers to bytes beyond its end"
                )
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path}: not an OpenVINO IR ({error})") from None
    found = root.find(f"rt_info/{ENTRY}")
    entries = [] if found is None else list(found)
    return {f"{ENTRY}/{entry.tag}": entry.get("value", "") for entry in entries}


def _name(port: Any, known: Iterable[str]) -> str:
    """Returns the known one of a port's names: others come from removed identity operations."""
    return next((name for name in known if name in port.get_names()), port.any_name)
