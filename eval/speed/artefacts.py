"""The files that systems are loaded from, all made from one folder of weights.

`make` runs in a process of its own. Files that exist already are used again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
from functools import cache
from importlib import import_module
from pathlib import Path

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.cli.programs import load_program
from wav2vec2_tf.utils.files import whole_file, whole_folder

from . import workloads

CALIBRATION = 8  # utterances for post-training quantization
CALIBRATION_SECONDS = 5
LOUDNESS = 0.1  # root mean square of speech in files
EXPORT_SHAPE = (2, SAMPLE_RATE)  # of the example; both sizes stay dynamic
ONNX_OPSET = 17
TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")  # base-960h's
OURS: dict[str, tuple[str, ...]] = {
    # arguments of `wav2vec2-tf convert`
    "saved-model": ("saved-model",),
    "saved-model-inference": ("saved-model", "--inference"),
    "litert": ("litert",),
    "litert-fp16": ("litert", "--quantize", "fp16"),
    "litert-int8": ("litert", "--quantize", "int8"),
    "litert-int8-static": ("litert", "--quantize", "int8-static"),
    "onnx": ("onnx",),
    "onnx-int8": ("onnx", "--quantize", "int8"),
    "openvino": ("openvino",),
    "openvino-fp16": ("openvino", "--quantize", "fp16"),
    "openvino-int8": ("openvino", "--quantize", "int8"),
}
FIXED = ("saved-model", "litert", "onnx")
"""Formats that are made for one length if the work has one."""
SUFFIXES = {"saved-model": "", "litert": ".tflite", "onnx": ".onnx", "openvino": ".xml"}


def path_of(artefact: str, length: int | None, folder: Path) -> Path:
    """Returns the path of an artefact for work of this length; ours has the version in it."""
    if artefact not in OURS:
        return folder / artefact
    kind = OURS[artefact][0]
    fixed = f"-{length or 'any'}" if kind in FIXED else ""
    return folder / f"ours-{our_version()}" / f"{artefact}{fixed}{SUFFIXES[kind]}"


@cache
def our_version() -> str:
    """Returns a hash of the source of library and converters, so that old files are not used."""
    digest = hashlib.sha256()
    for package in ("wav2vec2_tf", _convert_package()):
        (place,) = import_module(package).__path__
        for file in sorted(Path(place).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def make(artefact: str, length: int | None, folder: Path, out: Path) -> None:
    """Makes an artefact of the model in `folder/model`; raises `UserError`."""
    model = folder / "model"
    if artefact in OURS:
        _convert(artefact, model, out, length)
    elif artefact == "transformers.onnx":
        with whole_file(out) as beside:
            export_onnx(model, beside)
    elif artefact == "transformers-int8.onnx":
        with whole_file(out) as beside:
            quantize_onnx(folder / "transformers.onnx", beside)
    elif artefact == "transformers-int8.xml":
        quantize_openvino(folder / "transformers.onnx", out)
    else:
        raise ValueError(artefact)


NEEDS = {
    "transformers-int8.onnx": "transformers.onnx",
    "transformers-int8.xml": "transformers.onnx",
}
"""Artefact → the artefact that it is made of, if not of the model."""


def can_convert(artefact: str) -> bool:
    """Whether `convert` has the format."""
    return OURS[artefact][0] in _programs()


def _programs() -> dict[str, tuple[str, str | None]]:
    return import_module(f"{_convert_package()}.__main__").PROGRAMS


def _convert_package() -> str:
    """Returns `convert` in a checkout, `wav2vec2_tf.convert` once installed."""
    return ".".join([*__name__.split(".")[:-3], "convert"])


def _convert(artefact: str, model: Path, out: Path, length: int | None) -> None:
    kind, *options = OURS[artefact]
    if kind in FIXED:
        options += ["--length", str(length or "any")]
    if "int8-static" in options:
        options += ["--calibration", str(_calibration(model.parent / "calibration"))]
    program = load_program(_programs()[kind][0], _convert_package())
    parser = argparse.ArgumentParser(prog=kind)
    program.add_arguments(parser)
    program.run(parser.parse_args([str(model), str(out), *options]))


def _calibration(folder: Path) -> Path:
    """Writes the speech that the other systems are calibrated on to files."""
    import soundfile

    if not folder.exists():
        with whole_folder(folder) as beside:
            speech = workloads.speech(CALIBRATION, CALIBRATION_SECONDS * SAMPLE_RATE)
            for number, row in enumerate(speech):
                soundfile.write(beside / f"{number}.wav", LOUDNESS * row, SAMPLE_RATE)
    return folder


# The model


def random_model(folder: Path) -> None:
    """Writes a random model of base's size with transformers.

    All weights are perturbed, since with biases of 0 and scales of 1 a missing one would not show.
    """
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(vocab_size=len(TOKENS))
    model = transformers.Wav2Vec2ForCTC(config).eval()
    with torch.no_grad():
        for values in model.state_dict().values():
            spread = float(values.std()) if values.numel() > 1 else 0.0
            values += torch.randn_like(values) * (max(spread, 0.01) if spread else 0.1)
    with whole_folder(folder) as beside:
        model.save_pretrained(beside)
        transformers.Wav2Vec2FeatureExtractor(
            sampling_rate=SAMPLE_RATE, do_normalize=True, return_attention_mask=False
        ).save_pretrained(beside)
        vocabulary = {token: number for number, token in enumerate(TOKENS)}
        (beside / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        tokenizer = {"tokenizer_class": "Wav2Vec2CTCTokenizer", "pad_token": "<pad>"}
        (beside / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")


# Files of the other systems


def export_onnx(folder: Path, out: Path) -> None:
    """Exports transformers' model with PyTorch's exporter; batch and samples stay dynamic.

    The weight norm of the positional convolution is folded first, as in any deployment.
    """
    import warnings

    import torch
    import transformers
    from torch.nn.utils import parametrize

    model = transformers.AutoModelForCTC.from_pretrained(folder, attn_implementation="sdpa").eval()
    with contextlib.suppress(AttributeError):  # families without one
        parametrize.remove_parametrizations(model.base_model.encoder.pos_conv_embed.conv, "weight")

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, speech: torch.Tensor) -> torch.Tensor:
            return self.model(speech).logits

    with torch.no_grad(), warnings.catch_warnings():
        # The exporter that needs no further package warns that it is the old one, and of constants,
        # which are all sizes of the model and not of the input.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(),
            (torch.randn(EXPORT_SHAPE),),
            out,
            dynamo=False,
            opset_version=ONNX_OPSET,
            input_names=["speech"],
            output_names=["logits"],
            dynamic_axes={
                "speech": {0: "batch", 1: "samples"},
                "logits": {0: "batch", 1: "frames"},
            },
        )


def quantize_onnx(file: Path, out: Path) -> None:
    """Quantizes the matrix products with ONNX Runtime's dynamic quantization.

    Convolutions stay in float32: the integer kernel is slow for one axis and made the model slower
    than float32 as a whole.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        file, out, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
    )


def quantize_openvino(file: Path, out: Path) -> None:
    """Quantizes with OpenVINO's post-training quantization (NNCF), calibrated on speech."""
    import nncf
    import openvino

    speech = workloads.speech(CALIBRATION, CALIBRATION_SECONDS * SAMPLE_RATE)
    model = nncf.quantize(
        openvino.convert_model(file),
        nncf.Dataset([row[None] for row in speech]),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(speech),
    )
    weights = out.with_suffix(".bin")
    with whole_file(out) as beside, whole_file(weights) as weights_beside:
        openvino.save_model(model, beside, compress_to_fp16=False)
        beside.with_suffix(".bin").rename(weights_beside)
