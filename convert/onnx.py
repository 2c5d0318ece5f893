"""A model → ONNX (.onnx), run in a fresh process and compared before it appears."""

from __future__ import annotations

import argparse

from . import exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    exported.add_arguments(parser, "onnx")


def run(args: argparse.Namespace) -> int:
    return exported.run(args, "onnx")
