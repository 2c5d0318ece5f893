"""OpenVINO IR (`.xml` and `.bin`), run by OpenVINO on Intel's and other processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

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
from wav2vec2_tf.utils.errors import UserError

SUFFIX = ".xml"
SUFFIXES = (SUFFIX, ".bin")
WRITTEN_WITH = ("openvino",)
QUANTIZED_WITH: tuple[str, ...] = ("nncf",)
FACTS = "wav2vec2_tf"
"""Where in the IR's `rt_info` the facts are."""


def write(
    frozen: Any,
    facts: Mapping[str, str],
    path: Path,
    quantize: str = FLOAT32,
    calibration: Iterable[Sample] = (),
) -> None:
    """Write a `frozen.Frozen` graph, its weights beside it as `.bin`.

    Args:
        quantize: float32; fp16, weights alone; int8, weights alone; int8-static, what goes between
            layers as well, by ranges seen on `calibration` (nncf's post-training quantisation).
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

        # convolutions lose the names that they had
        scope = nncf.IgnoredScope(
            patterns=[f".*{FEATURE_ENCODER}.*"], types=["Convolution"], validate=False
        )
        samples = list(calibration)
        model = nncf.quantize(
            model,
            nncf.Dataset(samples),
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=scope,
        )
    for name, text in entries(facts).items():
        model.set_rt_info(text, name.split("/"))
    openvino.save_model(model, path, compress_to_fp16=quantize == FLOAT16)


def load(path: Path, threads: int) -> Exported:
    """A file that `write` wrote. Raises `UserError` for any other or a damaged one."""
    try:
        import openvino
    except ImportError:
        raise missing(path, "OpenVINO", "openvino") from None
    facts = facts_in(path, _checked_metadata(path))
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
    (first,) = (name for name in shapes if name != LENGTHS)
    rows, length = shapes[first][:2]

    def call(sample: Sample) -> np.ndarray:
        result: np.ndarray = compiled(sample)[0].copy()  # it is written over by the next call
        return result

    form = Form(length, rows, speech=first, takes_lengths=LENGTHS in shapes)
    return Exported(path, facts, form, call)


def _checked_metadata(path: Path) -> dict[str, str]:
    """The facts in `rt_info`, read without the runtime; each weight must lie in the `.bin`."""
    weights = path.with_suffix(SUFFIXES[1])
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; it holds the weights of {path.name}")
    try:
        root = ElementTree.parse(path).getroot()
        held = weights.stat().st_size
        for data in root.iter("data"):
            if int(data.get("offset", 0)) + int(data.get("size", 0)) > held:
                raise UserError(f"{weights}: is cut short; {path.name} names more than it holds")
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path}: is no OpenVINO IR ({error})") from None
    facts = root.find(f"rt_info/{FACTS}")
    entries = [] if facts is None else list(facts)
    return {f"{FACTS}/{entry.tag}": entry.get("value", "") for entry in entries}


def _name(port: Any, known: Iterable[str]) -> str:
    """What it is known by, of the names that it has: some come from steps that do nothing."""
    return next((name for name in known if name in port.get_names()), port.any_name)
