"""The command line of the measuring programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.start import start

if TYPE_CHECKING:
    import argparse

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
    from wav2vec2_tf.cli.programs import add_programs

    add_programs(parser, __package__, PROGRAMS)


def main(argv: list[str] | None = None) -> int:
    """Runs one program and returns its exit status."""
    return start(_make_parser, argv)


def _make_parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(prog="python -m eval", description="Measures models.")
    add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
