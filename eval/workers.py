"""Throughput of `wav2vec2-tf batch` by number of workers and threads, on repeated recordings.

Each run is a job of its own, in its own processes. The settings take turns, so that other programs
on the machine affect all alike. The speed is measured once started: without the first two shards of
each worker, in which the model is loaded and traced.
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

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import write_whole
from wav2vec2_tf.utils.options import check, option

from .console import log
from .outputs import markdown_table, write_json

STARTING_SHARDS = 2  # of each worker, in which the model is loaded and traced


@dataclass(frozen=True, kw_only=True)
class WorkersOptions:
    """The jobs that are run."""

    model: str | None = option(None, help="model to transcribe with (default: the bundled one)")
    settings: str = option(
        "1:1,1:2,2:1", metavar="W:T,W:T,…", help="workers and threads of each setting"
    )
    rounds: int = option(3, above=0, metavar="N", help="runs of each setting")
    repeats: int = option(20, above=0, metavar="N", help="times that the folder is read in a run")
    shard_files: int = option(32, above=0, metavar="N", help="files in a shard")

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)

    def pairs(self) -> list[tuple[int, int]]:
        """Returns the workers and threads of each setting."""
        try:
            pairs = [
                (int(workers), int(threads))
                for workers, threads in (pair.split(":") for pair in self.settings.split(","))
            ]
            if min(map(min, pairs)) < 1:
                raise ValueError(pairs)
        except ValueError:
            raise UserError(
                f"settings must be pairs such as 1:1,2:1, got {self.settings!r}"
            ) from None
        return pairs


@dataclass(frozen=True)
class Run:
    """One job."""

    workers: int
    threads: int
    """Threads of each worker."""
    round: int
    files: int
    audio_seconds: float
    seconds: float
    """From the start of the command to its end, with Ray's start and end."""
    speed: float
    """Seconds of audio per second, once started."""
    lost: int
    doubled: int

    @property
    def name(self) -> str:
        """Workers and threads."""
        return f"{self.workers} × {self.threads}"


def measure(data: Path, options: WorkersOptions) -> Iterator[Run]:
    """Runs a job for each setting, in each round."""
    from wav2vec2_tf.transcription.batch.inputs import inputs_named

    pairs = options.pairs()
    paths = [one.path for one in inputs_named(str(data))]
    rows = [
        {"id": f"{repeat}/{place}", "path": path}
        for repeat in range(options.repeats)
        for place, path in enumerate(paths)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        manifest = Path(scratch) / "manifest.jsonl"
        write_whole(manifest, "".join(json.dumps(row) + "\n" for row in rows))
        for number in range(options.rounds):
            for workers, threads in pairs:
                with tempfile.TemporaryDirectory() as folder:
                    yield _run(Path(folder), workers, threads, number, manifest, options)


def _run(
    folder: Path, workers: int, threads: int, number: int, manifest: Path, options: WorkersOptions
) -> Run:
    flags = {
        "model": options.model or BUNDLED_MODEL,
        "workers": workers,
        "threads": threads,
        "shard-files": options.shard_files,
        "format": "jsonl",
    }
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "batch", str(manifest), str(folder)]
    command += [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    if done.returncode:
        *_, last = done.stderr.splitlines() or ["no message"]
        raise UserError(f"batch failed: {last}")
    records = sorted((folder / "job" / "done").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    times = [path.stat().st_mtime for path in records]
    audio = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in records]
    first = STARTING_SHARDS * workers
    if len(records) <= first:
        raise UserError(f"{len(records)} shards are too few to measure: give more --repeats")
    lines = [
        line
        for part in (folder / "transcripts").iterdir()
        for line in part.read_text(encoding="utf-8").splitlines()
    ]
    counts = Counter(json.loads(line)["id"] for line in lines)
    wanted = [json.loads(line)["id"] for line in manifest.read_text(encoding="utf-8").splitlines()]
    return Run(
        workers=workers,
        threads=threads,
        round=number,
        files=len(wanted),
        audio_seconds=sum(audio),
        seconds=seconds,
        speed=sum(audio[first:]) / (times[-1] - times[first - 1]),
        lost=sum(counts[key] == 0 for key in wanted),
        doubled=sum(count - 1 for count in counts.values()),
    )


def figures(runs: Sequence[Run]) -> str:
    """Returns a table (Markdown): a row for each setting, with the median over its rounds."""
    groups = {name: [run for run in runs if run.name == name] for name in _names(runs)}
    middles = {name: statistics.median(run.speed for run in some) for name, some in groups.items()}
    base = next(iter(middles.values()))
    header = ["workers × threads", "× real time, once started", "rounds, least to most"]
    header += ["× the first", "s in all", "lost, doubled"]
    rows = []
    for name, some in groups.items():
        speeds = sorted(run.speed for run in some)
        whole = statistics.median(run.seconds for run in some)
        rows.append(
            [
                name,
                f"{middles[name]:.1f}",
                f"{speeds[0]:.1f} to {speeds[-1]:.1f}",
                f"{middles[name] / base:.2f}",
                f"{whole:.0f}",
                f"{sum(run.lost for run in some)}, {sum(run.doubled for run in some)}",
            ]
        )
    return "\n".join(markdown_table(header, rows, left=1))


def _names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.name for run in runs))


# The program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval workers`."""
    parser.epilog = "example: %(prog)s --data tests/data/corpus --json workers.json"
    parser.add_argument("--data", type=Path, required=True, help="folder of audio")
    add_flags(parser, WorkersOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of each run")


def run(args: argparse.Namespace) -> int:
    """Runs `eval workers`: 0; raises UserError."""
    runs = []
    for one in measure(args.data, options_from(WorkersOptions, args)):
        runs.append(one)
        log(f"{one.name}: {one.speed:.1f} × real time")
    print(f"{runs[0].files} files, {runs[0].audio_seconds / 3600:.2f} h\n")
    print(figures(runs))
    write_json(args.json, [asdict(one) for one in runs])
    return 0
