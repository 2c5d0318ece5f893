"""The command line of the measuring programs."""

from __future__ import annotations

import argparse
import sys

from wav2vec2_tf.cli.programs import add_programs, run_program

PROGRAMS = {
    "wer": ("wer", "word error rate by padding mode"),
    "long-form": ("long_form", "what it costs to cut recordings into windows"),
    "profile": ("profile", "where the time of a SavedModel goes"),
    "load": ("load", "requests a second and latencies of a server, by clients at once"),
    "soak": ("soak", "good clients and all kinds of bad ones at a server, and what becomes of it"),
    "workers": ("workers", "throughput of wav2vec2-tf batch by workers"),
    "speed": ("speed", "time, memory and agreement beside PyTorch, ONNX Runtime and OpenVINO"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a sub-command for each program."""
    add_programs(parser, __package__, PROGRAMS)


def main(argv: list[str] | None = None) -> int:
    """Run one program and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m eval", description="Measures models.")
    add_arguments(parser)
    return run_program(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
