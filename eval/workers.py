"""Throughput of `wav2vec2-tf batch` by workers and threads, on the bundled corpus over and over.

Each run is a job of its own, in processes of its own; the settings take turns, so that what else
the machine does falls on all alike. The speed is that once started: after the first two shards of
each worker, which load the model and trace it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import write_whole

STARTING = 2  # shards of each worker, which load the model and trace it


@dataclass(frozen=True)
class Run:
    workers: int
    threads: int
    """Of each worker."""
    round: int
    files: int
    audio_seconds: float
    seconds: float
    """From the command to its end, Ray's start and end included."""
    speed: float
    """Seconds of audio a second, once started."""
    lost: int
    doubled: int

    @property
    def name(self) -> str:
        return f"{self.workers} × {self.threads}"


def measure(
    settings: Sequence[tuple[int, int]], rounds: int, manifest: Path, shard_files: int, model: str
) -> Iterator[Run]:
    """A run of each (workers, threads), and again, so many rounds."""
    for number in range(rounds):
        for workers, threads in settings:
            with tempfile.TemporaryDirectory() as folder:
                yield _run(Path(folder), workers, threads, number, manifest, shard_files, model)


def _run(
    folder: Path,
    workers: int,
    threads: int,
    number: int,
    manifest: Path,
    shard_files: int,
    model: str,
) -> Run:
    options = {
        "model": model,
        "workers": workers,
        "threads": threads,
        "shard-files": shard_files,
        "format": "jsonl",
    }
    told = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "batch", str(manifest), str(folder), *told]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    if done.returncode:
        *_, last = done.stderr.splitlines() or ["no message"]
        raise UserError(f"batch failed: {last}")
    records = sorted((folder / "job" / "done").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    times = [path.stat().st_mtime for path in records]
    heard = [json.loads(path.read_text())["seconds"] for path in records]
    first = STARTING * workers
    if len(records) <= first:
        raise UserError(f"{len(records)} shards are too few to measure by: give more --repeats")
    lines = [
        line
        for part in (folder / "transcripts").iterdir()
        for line in part.read_text(encoding="utf-8").splitlines()
    ]
    counts = Counter(json.loads(line)["id"] for line in lines)
    wanted = [json.loads(line)["id"] for line in manifest.read_text().splitlines()]
    return Run(
        workers=workers,
        threads=threads,
        round=number,
        files=len(wanted),
        audio_seconds=sum(heard),
        seconds=seconds,
        speed=sum(heard[first:]) / (times[-1] - times[first - 1]),
        lost=sum(counts[key] == 0 for key in wanted),
        doubled=sum(count - 1 for count in counts.values()),
    )


def figures(runs: Sequence[Run]) -> str:
    """A table in Markdown: a row a setting, with the median over its rounds."""
    groups = {name: [run for run in runs if run.name == name] for name in _names(runs)}
    middles = {name: statistics.median(run.speed for run in some) for name, some in groups.items()}
    base = next(iter(middles.values()))
    lines = [
        "| workers × threads | × real time, once started | rounds, least to most | × the first | "
        "s in all | lost, doubled |",
        "|---|---:|---|---:|---:|---|",
    ]
    for name, some in groups.items():
        speeds = sorted(run.speed for run in some)
        whole = statistics.median(run.seconds for run in some)
        lines.append(
            f"| {name} | {middles[name]:.1f} | {speeds[0]:.1f} to {speeds[-1]:.1f} | "
            f"{middles[name] / base:.2f} | {whole:.0f} | "
            f"{sum(run.lost for run in some)}, {sum(run.doubled for run in some)} |"
        )
    return "\n".join(lines)


def _names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.name for run in runs))


# The program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `eval workers`."""
    parser.add_argument("--model", default=str(BUNDLED_MODEL), help="default: the bundled one")
    parser.add_argument("--data", type=Path, required=True, help="folder of audio")
    parser.add_argument(
        "--settings",
        default="1:1,1:2,2:1",
        metavar="W:T,W:T,…",
        help="workers and threads of each (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="default 3")
    parser.add_argument(
        "--repeats", type=positive, default=20, metavar="N", help="of the folder (default 20)"
    )
    parser.add_argument("--shard-files", type=positive, default=32, metavar="N", help="default 32")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of each run")


def run(args: argparse.Namespace) -> int:
    """Runs `eval workers`: 0; raises UserError."""
    from wav2vec2_tf.transcription.batch.inputs import inputs_named

    try:
        settings = [
            (positive(workers), positive(threads))
            for workers, threads in (pair.split(":") for pair in args.settings.split(","))
        ]
    except (ValueError, argparse.ArgumentTypeError):
        raise UserError(f"--settings {args.settings!r}: give pairs as 1:1,2:1") from None
    paths = [one.path for one in inputs_named(str(args.data))]
    rows = [
        {"id": f"{repeat}/{place}", "path": path}
        for repeat in range(args.repeats)
        for place, path in enumerate(paths)
    ]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.jsonl"
        write_whole(manifest, "".join(json.dumps(row) + "\n" for row in rows))
        for one in measure(settings, args.rounds, manifest, args.shard_files, args.model):
            runs.append(one)
            print(f"{one.name}: {one.speed:.1f} × real time", file=sys.stderr)
    print(f"{len(rows)} files, {runs[0].audio_seconds / 3600:.2f} h\n")
    print(figures(runs))
    if args.json:
        write_whole(args.json, json.dumps([asdict(one) for one in runs], indent=2) + "\n")
    return 0
