"""Makes artefacts: converts checkpoints, exports models, verifies and packages them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.start import start

if TYPE_CHECKING:
    import argparse

PROGRAMS = {
    "torch": ("checkpoint", "PyTorch or fairseq checkpoint → a folder that this library loads"),
    "huggingface": ("checkpoint", None),  # an alias: the folder is in Hugging Face's format
    "verify": ("verify", "run PyTorch and this library side by side and compare"),
    "saved-model": ("saved_model", "a model → SavedModel for TensorFlow Hub and Serving"),
    "litert": ("runtime_file:LITERT", "a model → .tflite for phones and edge devices"),
    "onnx": ("runtime_file:ONNX", "a model → .onnx for ONNX Runtime"),
    "openvino": ("runtime_file:OPENVINO", "a model → .xml and .bin for OpenVINO"),
    "package": ("package", "a SavedModel → .tar.gz with its module card"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the programs as sub-commands."""
    from wav2vec2_tf.cli.programs import add_programs

    add_programs(parser, __package__, PROGRAMS)


def main(argv: list[str] | None = None) -> int:
    """Runs `python -m convert` and returns its exit status."""
    return start(_make_parser, argv)


def _make_parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(prog="python -m convert", description=__doc__)
    add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
