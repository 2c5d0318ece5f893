"""`python -m convert torch|huggingface|verify|saved-model|litert|onnx|openvino|package …`"""

from __future__ import annotations

import argparse
import sys

from wav2vec2_tf.cli.programs import add_programs, run_program

PROGRAMS = {
    "torch": ("huggingface", "PyTorch or fairseq checkpoint → a folder this library loads"),
    "huggingface": ("huggingface", "the same: the folder is one that transformers loads too"),
    "verify": ("verify", "run PyTorch and this library side by side and compare"),
    "saved-model": ("saved_model", "a model → SavedModel for TensorFlow Hub and Serving"),
    "litert": ("litert", "a model → .tflite for phones and edge devices"),
    "onnx": ("onnx", "a model → .onnx for ONNX Runtime"),
    "openvino": ("openvino", "a model → .xml and .bin for OpenVINO"),
    "package": ("package", "a SavedModel → .tar.gz with its module card"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_programs(parser, __package__, PROGRAMS)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m convert", description=__doc__)
    add_arguments(parser)
    return run_program(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
