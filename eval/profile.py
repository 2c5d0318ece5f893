"""Where the time of a SavedModel goes, operation by operation, by TensorFlow's own tracing."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.utils.errors import UserError

REPETITIONS = 5
SHOWN = 16
PRODUCTS = ("MatMul", "Conv2D", "Einsum")
"""What the names of matrix products hold, those that oneDNN has fused with others among them."""


@dataclass(frozen=True)
class Kind:
    """All operations of one kind in one call."""

    name: str
    calls: int
    seconds: float
    """Of all of them, one after another, though some run at once."""

    @property
    def product(self) -> bool:
        return any(name in self.name for name in PRODUCTS)


@dataclass(frozen=True)
class Profile:
    length: int
    """Samples of a row."""
    wall_seconds: float
    """Median of a call, tracing included."""
    kinds: tuple[Kind, ...]
    """The longest first."""

    @property
    def seconds(self) -> float:
        return sum(kind.seconds for kind in self.kinds)


def measure(model: Path, batch: int, length: int | None, threads: int) -> Profile:
    """Calls `serving_default` of a SavedModel on noise of (batch, length) samples.

    Args:
        length: by default the model's own, or the published one where it has none.

    Raises:
        UserError: the model takes another length, or no speech.
    """
    import time

    import numpy as np
    import tensorflow as tf

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
                raise UserError(f"{model}: takes {', '.join(signature.inputs)} and no speech")
            fixed = signature.inputs["speech"].tensor_shape.dim[1].size
            if fixed > 0 and length not in (None, fixed):
                raise UserError(f"--length {length}: {model} takes {fixed} samples; leave it out")
            length = fixed if fixed > 0 else length or PUBLISHED_LENGTH
            outputs = [tensor.name for tensor in signature.outputs.values()]
            speech = np.random.default_rng(0).normal(size=(batch, length)).astype(np.float32)
            inputs = {signature.inputs["speech"].name: speech}
            session.run(outputs, inputs)  # traces and compiles
            session.run(outputs, inputs)
            options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
            for _ in range(REPETITIONS):
                metadata = v1.RunMetadata()
                began = time.perf_counter()
                session.run(outputs, inputs, options, metadata)
                walls.append(time.perf_counter() - began)
                for device in metadata.step_stats.dev_stats:
                    for node in device.node_stats:
                        _, _, call = node.timeline_label.partition(" = ")
                        kind = call.partition("(")[0] or node.node_name
                        calls[kind] += 1
                        spent = node.op_end_rel_micros - node.op_start_rel_micros
                        seconds[kind] += spent / 1e6
    kinds = (
        Kind(name, calls[name] // REPETITIONS, spent / REPETITIONS)
        for name, spent in seconds.most_common()
    )
    return Profile(length, statistics.median(walls), tuple(kinds))


def table(profile: Profile, operations: int | None) -> str:
    """Markdown; `operations` of the model, for the rate of its matrix products."""
    lines = ["| operation | calls | ms | share |", "|---|---:|---:|---:|"]
    shown, rest = profile.kinds[:SHOWN], profile.kinds[SHOWN:]
    if rest:
        others = Kind("all others", sum(k.calls for k in rest), sum(k.seconds for k in rest))
        shown = (*shown, others)
    for kind in shown:
        share = kind.seconds / profile.seconds
        lines.append(f"| {kind.name} | {kind.calls} | {1e3 * kind.seconds:.1f} | {share:.1%} |")
    products = sum(kind.seconds for kind in profile.kinds if kind.product)
    said = f"Matrix products: {products:.3f} s of {profile.seconds:.3f} s"
    if operations is not None:
        said += f", {operations / products / 1e9:.0f} GFLOP/s while they run"
    return "\n".join([*lines, "", f"{said}. A call took {profile.wall_seconds:.3f} s."])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="a SavedModel that takes speech")
    parser.add_argument("--batch", type=positive, default=1, help="rows (default: 1)")
    parser.add_argument(
        "--length",
        type=positive,
        metavar="SAMPLES",
        help=f"of a row (default: the SavedModel's, or {PUBLISHED_LENGTH})",
    )
    parser.add_argument("--threads", type=positive, help="(default: all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.utils.files import write_whole

    if not (args.model / "saved_model.pb").is_file():
        raise UserError(f"--model {args.model}: is no SavedModel; `convert saved-model` makes one")
    threads = args.threads or len(os.sched_getaffinity(0))
    profile = measure(args.model, args.batch, args.length, threads)
    operations = _operations(args.model, args.batch, profile.length)
    seconds = args.batch * profile.length / SAMPLE_RATE
    print(f"{args.model}: {seconds:g} s of speech in one call, {threads} threads\n")
    print(table(profile, operations))
    if args.json:
        content: dict[str, Any] = {**asdict(profile), "operations": operations, "threads": threads}
        write_whole(args.json, json.dumps(content, indent=2) + "\n")
    return 0


def _operations(model: Path, batch: int, length: int) -> int | None:
    """Of one call, if the SavedModel is one of ours."""
    from wav2vec2_tf.models.families import CTC, head_named
    from wav2vec2_tf.models.flops import flops
    from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS, read_config

    facts = model / SAVED_MODEL_FACTS
    if not facts.exists():
        return None
    config = read_config(facts)
    return batch * sum(flops(config, length, ctc=head_named(config) == CTC).values())
