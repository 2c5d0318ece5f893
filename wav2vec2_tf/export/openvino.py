"""Writes and loads OpenVINO IR (`.xml` and `.bin`), for Intel's and other processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

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
    "from wav2vec2_tf.export import sessions; sessions.openvino(path, 1).try_out()",
)
MAX_XML_BYTES = 2**26
"""Parsing takes many times the memory; 48 layers take about a tenth of it."""
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
    require_runtime(path, "openvino", "OpenVINO", "openvino")
    weights = path.with_suffix(SUFFIXES[1])
    files = from_metadata(path, _checked_metadata(path, weights))
    SEAL.check(path, weights)
    try:
        session = sessions.openvino(path, threads)
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise UserError(f"{path}: OpenVINO does not load it ({reason})") from None
    return ExportedFile(path, files, contract_of(path, session.shapes), session.compute)


def _checked_metadata(path: Path, weights: Path) -> dict[str, str]:
    """Returns the metadata in `rt_info`, read without the runtime.

    Raises:
        UserError: the `.xml` is not an IR, there is no `.bin`, or a weight lies beyond its end,
            which the runtime does not check.
    """
    if not weights.is_file():
        raise UserError(
            f"{weights}: no such file; it must be there, as it holds the weights of {path.name}"
        )
    if path.stat().st_size > MAX_XML_BYTES:
        raise UserError(
            f"{path}: not an OpenVINO IR (over {MAX_XML_BYTES} bytes, its weights apart)"
        )
    try:
        root = ElementTree.parse(path).getroot()
        ends = (int(d.get("offset", 0)) + int(d.get("size", 0)) for d in root.iter("data"))
        end = max(ends, default=0)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path}: not an OpenVINO IR ({error})") from None
    if end > weights.stat().st_size:
        raise UserError(f"{weights}: is cut short; {path.name} refers to bytes beyond its end")
    found = root.find(f"rt_info/{ENTRY}")
    entries = [] if found is None else list(found)
    return {f"{ENTRY}/{entry.tag}": entry.get("value", "") for entry in entries}


def _name(port: Any, known: Iterable[str]) -> str:
    """Returns the known one of a port's names: others come from removed identity operations."""
    return next((name for name in known if name in port.get_names()), port.any_name)
