"""Measures the costs of training: `python -m tests.tools.training_costs [pipeline] [memory] […]`.

Prints the tables of docs/training.md and docs/scaling.md. On a busy machine, the processor time of
a step is more accurate than its wall-clock time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.paths import CORPUS
from tests.support.training import BUNDLED, Workers, losses
from wav2vec2_tf.audio import SAMPLE_RATE

STEPS, WARM_UP = 14, 5
BASE_STEPS, BASE_WARM_UP = 5, 2


def table(header: str, rows: Sequence[str]) -> None:
    """Prints a Markdown table."""
    print(f"\n{header}\n|{'---|' * (header.count('|') - 1)}")
    for row in rows:
        print(row, flush=True)


# The pipeline


def pipeline(folder: Path) -> None:
    """Measures hours of audio per hour that the pipeline reads, and that models train on."""
    from wav2vec2_tf.data import make_shards as shard_program
    from wav2vec2_tf.data.corpus import open_corpus

    shards = folder / "shards"
    shard_program.make([open_corpus(str(CORPUS))], shards)
    rates = {
        "pipeline, from FLAC": fed(CORPUS),
        "pipeline, from shards": fed(shards),
        "training the bundled model": trained(folder / "small", ["--model", str(BUNDLED)]),
        "training base": trained(folder / "base", base(folder), BASE_STEPS, BASE_WARM_UP),
    }
    table("| | hours of audio an hour |", [f"| {what} | {n:.0f} |" for what, n in rates.items()])


def fed(corpus: Path) -> float:
    """Returns the hours of audio per hour that the pipeline reads from a corpus."""
    import numpy as np

    from wav2vec2_tf.data.bad_recordings import BadRecordings
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.models.config import Wav2Vec2Config
    from wav2vec2_tf.models.processor import Processor
    from wav2vec2_tf.training.batches import make_dataset, plan_epoch, split_batch
    from wav2vec2_tf.training.examples import select_examples

    selection = select_examples([open_corpus(str(corpus))], Wav2Vec2Config())
    shares = []
    for epoch in range(6):
        samples, labels = selection.samples, selection.label_lengths
        for batch in plan_epoch(samples, seed=0, epoch=epoch, batch_seconds=160):
            shares += split_batch(batch, 1, samples, labels)
    dataset = make_dataset(
        selection.examples, shares, Processor.from_pretrained(BUNDLED), BadRecordings()
    )
    total, began = 0, time.monotonic()
    for inputs, _ in dataset:
        total += int(np.sum(inputs["lengths"]))
    return total / SAMPLE_RATE / (time.monotonic() - began)


def trained(folder: Path, flags: Sequence[str], steps: int = STEPS, skip: int = WARM_UP) -> float:
    """Returns the hours of audio per hour of `finetune` in batches of 48 s.

    The first `skip` steps, in which functions are traced, do not count.
    """
    seconds, _ = cost(folder, [*flags, "--batch-seconds", "48"], steps, skip)
    return 48 / seconds


# Memory


def memory(folder: Path) -> None:
    """Measures memory and time of a step of a base model on 4 utterances of 12 s.

    Covers each precision, with activations kept and recomputed.
    """
    flags = [*base(folder), "--batch-seconds", "48", "--most-rows", "4"]
    rows = []
    for precision in ("float32", "mixed_bfloat16"):
        for kept in ("kept", "computed again"):
            options = ["--precision", precision]
            options += ["--gradient-checkpointing"] if kept != "kept" else []
            output = folder / f"{precision}-{kept[:4]}"
            seconds, peak = cost(output, [*flags, *options], BASE_STEPS, BASE_WARM_UP)
            rows.append(f"| {precision} | {kept} | {peak / 2**30:.1f} | {seconds:.1f} |")
    table("| precision | layers' values | peak memory, GiB | s a step |", rows)


def base(folder: Path) -> list[str]:
    """Returns the flags of a base model with random weights, which it writes first."""
    import keras

    from wav2vec2_tf import AutoProcessor, Wav2Vec2ForCTC
    from wav2vec2_tf.models.config import Wav2Vec2Config

    if not (folder / "random").exists():
        keras.utils.set_random_seed(0)
        model = Wav2Vec2ForCTC(Wav2Vec2Config())
        model.build()
        model.save_pretrained(folder / "random")
        AutoProcessor.from_pretrained(BUNDLED).save_pretrained(folder / "random")
    return ["--model", str(folder / "random"), "--vocabulary", "transcripts"]


def cost(output: Path, flags: Sequence[str], steps: int, skip: int) -> tuple[float, int]:
    """Returns the seconds per step of `finetune`, and its peak memory in bytes."""
    line = [sys.executable, "-m", "wav2vec2_tf.cli", "finetune", *flags, "--output", str(output)]
    line += ["--train", *[str(CORPUS)] * 8, "--longest-seconds", "12", "--shortest-seconds", "4"]
    line += ["--steps", str(steps)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        clock, _ = between(output, [process.pid], skip, steps, lambda: process.poll() is not None)
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.kill()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return clock / (steps - skip), 1024 * int(found[1])


def between(
    output: Path, processes: Sequence[int], first: int, last: int, ended: Callable[[], bool]
) -> tuple[float, float]:
    """Returns the wall-clock and processor seconds from one step of a run to another."""
    log = output / "log.jsonl"

    def at_step(step: int) -> tuple[float, float]:
        while not log.exists() or len(losses(output)) < step:
            if ended():
                raise SystemExit(f"{output}: ended before step {step}")
            time.sleep(0.02)
        return time.monotonic(), sum(map(processor_seconds, processes))

    began, finished = at_step(first), at_step(last)
    return finished[0] - began[0], finished[1] - began[1]


def processor_seconds(process: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Workers


def workers(folder: Path) -> None:
    """Measures a step of the bundled model with 1 and 2 workers, on one core each."""
    rows = []
    for number, count in enumerate((1, 2, 1, 2)):
        output = folder / f"workers-{number}"
        line = ["finetune", "--model", BUNDLED, "--output", output, "--freeze", "--batch-seconds"]
        line += [48, "--train", *[CORPUS] * 8, "--longest-seconds", 4, "--steps", STEPS]
        with Workers(
            folder / f"output-{number}", *[list(map(str, line))] * count, pinned=True
        ) as cluster:
            ids = [process.pid for process in cluster.processes]
            clock, processor = between(
                output, ids, WARM_UP, STEPS, lambda: cluster.processes[0].poll() is not None
            )
        steps = STEPS - WARM_UP
        rows.append(f"| {count} | {clock / steps:.2f} | {processor / steps:.2f} |")
    table("| workers | s a step | processor s a step, all workers together |", rows)


PARTS: dict[str, Callable[[Path], None]] = {
    "pipeline": pipeline,
    "memory": memory,
    "workers": workers,
}


def main() -> None:
    """Runs the parts named on the command line, or all of them."""
    for part in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
