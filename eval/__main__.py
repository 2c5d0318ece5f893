"""The command line of the measuring programs."""

from __future__ import annotations

import argparse
import sys

from wav2vec2_tf.cli.programs import add_programs, run_program

PROGRAMS = {
    "wer": ("wer.program", "word error rate by padding mode"),
    "long-form": ("long_form", "word error rate of windows against one pass"),
    "speed": ("speed.program", "time, memory and agreement beside PyTorch, ONNX Runtime, OpenVINO"),
    "profile": ("speed.profile", "time of a SavedModel, operation by operation"),
    "load": ("service.load", "throughput and latency of a server under concurrent clients"),
    "soak": ("service.soak", "a server under valid and faulty clients for a long time"),
    "workers": ("workers", "throughput of wav2vec2-tf batch by number of workers"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds a sub-command for each program."""
    add_programs(parser, __package__, PROGRAMS)


def main(argv: list[str] | None = None) -> int:
    """Runs one program and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m eval", description="Measures models.")
    add_arguments(parser)
    return run_program(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
