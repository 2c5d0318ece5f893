"""Measures the time of each kind of operation in a SavedModel with TensorFlow's tracing."""

from __future__ import annotations

import argparse
import os
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.models.saved_model_folder import SAVED_MODEL_FACTS, named_saved_model
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import check, option

from ..outputs import markdown_table, write_json

REPETITIONS = 5
SHOWN = 16
PRODUCTS = ("MatMul", "Conv2D", "Einsum")
"""Parts of the names of matrix products, also of those that oneDNN has fused with others."""


@dataclass(frozen=True, kw_only=True)
class ProfileOptions:
    """The call that is profiled."""

    batch: int = option(1, above=0, metavar="N", help="rows")
    length: int | None = option(
        None,
        above=0,
        metavar="SAMPLES",
        help=f"length of a row (default: the SavedModel's, or {PUBLISHED_LENGTH})",
    )
    threads: int | None = option(None, above=0, metavar="N", help="threads (default: all cores)")

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)


@dataclass(frozen=True)
class OperationTime:
    """All operations of one kind in one call."""

    name: str
    calls: int
    seconds: float
    """Sum over all calls, though some run at once."""

    @property
    def is_product(self) -> bool:
        """Whether it is a matrix product."""
        return any(name in self.name for name in PRODUCTS)


@dataclass(frozen=True)
class Profile:
    """The times of all kinds of operations."""

    length: int
    """Samples of a row."""
    wall_seconds: float
    """Median of a call, tracing included."""
    threads: int
    functions: int
    """Functions of the file."""
    nodes: int
    """Operations and arguments of all functions: `tf.saved_model.load` makes an object of each."""
    kinds: tuple[OperationTime, ...]
    """The longest first."""

    @property
    def seconds(self) -> float:
        """Sum over all kinds."""
        return sum(kind.seconds for kind in self.kinds)


def profile(model: Path, options: ProfileOptions) -> Profile:
    """Calls `serving_default` of a SavedModel on noise of (batch, length) samples.

    Raises:
        UserError: `model` is not a SavedModel, or takes another length or no speech.
    """
    import time

    import numpy as np
    import tensorflow as tf

    model = named_saved_model(model)
    length, threads = options.length, options.threads or len(os.sched_getaffinity(0))
    v1 = tf.compat.v1
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    walls = []
    with v1.Graph().as_default():
        settings = v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        with v1.Session(config=settings) as session:
            loaded = v1.saved_model.load(session, [tf.saved_model.SERVING], str(model))
            signature = loaded.signature_def[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
            if "speech" not in signature.inputs:
                raise UserError(
                    f"{model}: must have an input named speech, has {', '.join(signature.inputs)}"
                )
            functions = loaded.graph_def.library.function
            nodes = sum(len(each.node_def) + len(each.signature.input_arg) for each in functions)
            fixed = signature.inputs["speech"].tensor_shape.dim[1].size
            if fixed > 0 and length not in (None, fixed):
                raise UserError(
                    f"length must be {fixed}, as {model} takes it, got {length}: leave it out"
                )
            length = fixed if fixed > 0 else length or PUBLISHED_LENGTH
            outputs = [tensor.name for tensor in signature.outputs.values()]
            speech = (
                np.random.default_rng(0).normal(size=(options.batch, length)).astype(np.float32)
            )
            inputs = {signature.inputs["speech"].name: speech}
            session.run(outputs, inputs)  # traces and compiles
            session.run(outputs, inputs)
            tracing = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
            for _ in range(REPETITIONS):
                metadata = v1.RunMetadata()
                began = time.perf_counter()
                session.run(outputs, inputs, tracing, metadata)
                walls.append(time.perf_counter() - began)
                for device in metadata.step_stats.dev_stats:
                    for node in device.node_stats:
                        _, _, call = node.timeline_label.partition(" = ")
                        kind = call.partition("(")[0] or node.node_name
                        calls[kind] += 1
                        spent = node.op_end_rel_micros - node.op_start_rel_micros
                        seconds[kind] += spent / 1e6
    kinds = (
        OperationTime(name, calls[name] // REPETITIONS, spent / REPETITIONS)
        for name, spent in seconds.most_common()
    )
    return Profile(length, statistics.median(walls), threads, len(functions), nodes, tuple(kinds))


def table(profile: Profile, operations: int | None) -> str:
    """Returns a table (Markdown).

    Args:
        profile: the times.
        operations: of the model in one call, for the rate of its matrix products.
    """
    shown, rest = profile.kinds[:SHOWN], profile.kinds[SHOWN:]
    if rest:
        sums = sum(k.calls for k in rest), sum(k.seconds for k in rest)
        shown = (*shown, OperationTime("all others", *sums))
    rows = [
        [k.name, str(k.calls), f"{1e3 * k.seconds:.1f}", f"{k.seconds / profile.seconds:.1%}"]
        for k in shown
    ]
    products = sum(kind.seconds for kind in profile.kinds if kind.is_product)
    summary = f"Matrix products: {products:.3f} s of {profile.seconds:.3f} s"
    if operations is not None:
        summary += f", {operations / products / 1e9:.0f} GFLOP/s while they run"
    lines = markdown_table(["operation", "calls", "ms", "share"], rows, left=1)
    return "\n".join(
        [
            *(*lines, "", f"{summary}. A call took {profile.wall_seconds:.3f} s."),
            f"The file has {profile.functions} functions with {profile.nodes} nodes, arguments "
            "included.",
        ]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval profile`."""
    parser.epilog = "example: %(prog)s --model build/saved_model --batch 4"
    parser.add_argument(
        "--model", type=Path, required=True, metavar="FOLDER", help="SavedModel that takes speech"
    )
    add_flags(parser, ProfileOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")


def run(args: argparse.Namespace) -> int:
    """Runs `eval profile`."""
    from wav2vec2_tf.audio import SAMPLE_RATE

    options = options_from(ProfileOptions, args)
    found = profile(args.model, options)
    operations = _operations(named_saved_model(args.model), options.batch, found.length)
    seconds = options.batch * found.length / SAMPLE_RATE
    print(f"{args.model}: {seconds:g} s of speech in one call, {found.threads} threads\n")
    print(table(found, operations))
    if args.json:
        write_json(args.json, {**asdict(found), "operations": operations})
    return 0


def _operations(model: Path, batch: int, length: int) -> int | None:
    """Returns the operations of one call; None if the SavedModel is not one of ours."""
    from wav2vec2_tf.models.families import CTC, head_named
    from wav2vec2_tf.models.flops import flops
    from wav2vec2_tf.models.pretrained import read_config

    facts = model / SAVED_MODEL_FACTS
    if not facts.exists():
        return None
    config = read_config(facts)
    return batch * sum(flops(config, length, ctc=head_named(config) == CTC).values())
