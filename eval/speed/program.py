"""Times this library against PyTorch, ONNX Runtime and OpenVINO.

All systems have the same random base-size weights, inputs and threads, and are called in turn. The
limit is what the machine's matrix products reach.

Work: a (batch 1 at 246000 samples), b (batch 1 at 80000), c (batch 4 at 246000), d (a corpus with
the durations of LibriSpeech test-clean), training (one step), cold (first result of a process).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.utils.errors import UserError

from ..outputs import check_plot, write_json, write_plot, write_text
from .options import SpeedOptions
from .systems import SYSTEMS

EXAMPLE = (
    "example: %(prog)s --work a,b --systems savedmodel,pytorch-sdpa --threads 2 --json speed.json"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval speed`."""
    parser.epilog = EXAMPLE
    add_flags(parser, SpeedOptions)
    parser.add_argument("--list", action="store_true", help="list the systems and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the tables (Markdown)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times (.png or .svg)")


def run(args: argparse.Namespace) -> int:
    """Runs `eval speed`: 0; raises UserError, also if a float32 system is not exact."""
    if args.list:
        for key, system in SYSTEMS.items():
            print(f"{key:24} {system.label}")
        return 0
    options = options_from(SpeedOptions, args)
    check_plot(args.plot)
    for path in (args.json, args.table, args.plot):
        if path and path.is_dir():
            raise UserError(f"{path}: is a folder: name a file")

    from . import report
    from .benchmark import benchmark

    found = None
    for found in benchmark(options):  # written after each work, in case a later one fails
        write_json(args.json, found.to_json())
        write_text(args.table, found.page())
    if found is None:
        raise UserError("none of the systems does any of the work: name others")
    print(found.page())
    write_plot(args.plot, lambda: report.plot(found.results))
    return report.verdict(found.results)
