"""How long a step of the bundled model takes with 1, 2, … workers, a core each:
python tests/full_size/scaling.py [WORKERS …]

On cores that others use too, the processor time that a step takes says more than the clock.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from test_distribution import BUNDLED, TESTS, Workers, losses

BATCH_SECONDS, STEPS, WARM_UP = 48, 14, 5
LONGEST_SECONDS = 4  # so that all batches have many utterances, which share well
CORPUS = [TESTS / "data" / "corpus"] * 8  # an epoch longer than what is measured


def measure(workers: int, folder: Path) -> tuple[float, float]:
    """Seconds a step, and processor seconds of all workers, after those that trace functions."""
    output = folder / "run"
    line = ["finetune", "--model", BUNDLED, "--output", output, "--train", *CORPUS, "--freeze"]
    line += ["--longest-seconds", LONGEST_SECONDS, "--batch-seconds", BATCH_SECONDS]
    line += ["--steps", STEPS]
    log = output / "log.jsonl"
    with Workers(folder / "said", *[list(map(str, line))] * workers, pinned=True) as cluster:

        def at_step(step: int) -> tuple[float, float]:
            while not log.exists() or len(losses(output)) < step:
                if cluster.processes[0].poll() is not None:
                    raise SystemExit("\n".join(cluster.errors()))
                time.sleep(0.05)
            return time.monotonic(), sum(processor_seconds(one.pid) for one in cluster.processes)

        began, ended = at_step(WARM_UP), at_step(STEPS)
    clock, processor = (after - before for before, after in zip(began, ended, strict=True))
    return clock / (STEPS - WARM_UP), processor / (STEPS - WARM_UP)


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1, 2]
    print("| workers | s a step | processor s a step, all workers together |\n|---|---|---|")
    for workers in counts:
        with tempfile.TemporaryDirectory() as folder:
            clock, processor = measure(workers, Path(folder))
        print(f"| {workers} | {clock:.2f} | {processor:.2f} |", flush=True)


if __name__ == "__main__":
    main()
