"""The benchmark: which systems are timed on which work, and all that was measured."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.errors import UserError

from ..console import log
from ..machine import PACKAGES, machine_facts
from ..versions import versions_of
from . import report
from .options import SpeedOptions
from .results import WorkResult
from .systems import REFERENCE, SYSTEMS, System
from .timing import Stopwatch, missing
from .worker import Worker, WorkerError
from .workloads import QUICK_WORKS, WORKS, Work

REPETITIONS = 7


@dataclass
class Benchmark:
    """All that was measured so far."""

    model: str
    config: Config
    threads: int
    repetitions: int
    quick: bool
    results: list[WorkResult] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=machine_facts)
    versions: dict[str, str] = field(default_factory=lambda: versions_of(PACKAGES))

    def comparisons(self) -> list[report.Comparison]:
        """Compares the best of our systems with the best of the others."""
        return report.comparisons(self.results, self.config)

    def to_json(self) -> dict[str, Any]:
        """Returns all figures."""
        return {
            "machine": {**self.machine, "threads": self.threads},
            "versions": self.versions,
            "model": {"name": self.model, "config": self.config.to_dict()},
            "repetitions": self.repetitions,
            "quick": self.quick,
            "work": {result.work.key: report.to_json(result) for result in self.results},
            "comparisons": [
                {**asdict(found), "ratio": found.ratio} for found in self.comparisons()
            ],
        }

    def page(self) -> str:
        """Returns all tables (Markdown)."""
        return report.report(self.results, self.to_json(), self.comparisons())


def benchmark(options: SpeedOptions) -> Iterator[Benchmark]:
    """Times the systems on each work; yields all results so far after each work.

    Raises:
        UserError: a system that was named, or the reference, cannot be run; the model cannot be
            loaded; or there are fewer cores than threads.
    """
    works, systems = chosen(options)
    available = len(os.sched_getaffinity(0))
    if options.threads and options.threads > available:
        raise UserError(
            f"threads must be at most the number of cores, {available}, got {options.threads}"
        )
    return _run(options, works, systems)


def chosen(options: SpeedOptions) -> tuple[list[Work], list[System]]:
    """Returns the works and systems that options name, in the order of their tables."""
    known = QUICK_WORKS if options.quick else WORKS
    works = [work for key, work in known.items() if key in (options.work or known)]
    systems = [each for key, each in SYSTEMS.items() if key in (options.systems or SYSTEMS)]
    required = systems if options.systems else []
    for system in [SYSTEMS[REFERENCE], *required]:  # others get a row with the reason
        if reason := missing(system):
            raise UserError(f"{system.key} {reason}")
    if options.quick:
        systems = [replace(each, options=each.options | each.quick_options) for each in systems]
    return works, systems


def _run(options: SpeedOptions, works: list[Work], systems: list[System]) -> Iterator[Benchmark]:
    from wav2vec2_tf.models.pretrained import read_config

    repetitions = options.repetitions or (1 if options.quick else REPETITIONS)
    with _folder(options.keep) as folder, _pinned(options.threads) as threads:
        _place_model(folder, options.model or (BUNDLED_MODEL if options.quick else None))
        config = read_config(folder / "model")
        found = Benchmark(_model_name(options), config, threads, repetitions, options.quick)
        stopwatch = Stopwatch(
            folder, config, threads=threads, repetitions=repetitions, shared=options.quick
        )
        try:
            failed = stopwatch.make(systems, works)
            for work in works:
                result = stopwatch.run(work, systems, failed)
                if result.rows:
                    found.results.append(result)
                    yield found
        finally:
            stopwatch.close()


def _place_model(folder: Path, given: Path | None) -> None:
    """Makes `folder/model`: a link to the given one, or a random one, in a process of its own."""
    place = folder / "model"
    if given:
        if not (given / "config.json").is_file():
            raise UserError(f"--model {given}: no config.json there: name a model folder")
        if place.exists() and place.resolve() != given.resolve():
            raise UserError(f"{place}: is another model: name another folder with --keep")
        if not place.exists():
            place.symlink_to(given.resolve())
        return
    if place.exists():
        return
    log("draws a random model")
    with Worker(os.cpu_count() or 1, folder / "workers.log") as worker:
        try:
            worker.load("model", "artefacts:random_model", folder=place)
        except WorkerError as error:
            raise UserError(f"no model could be made: {error}") from None


def _model_name(options: SpeedOptions) -> str:
    if options.model:
        return str(options.model.name)
    return "the bundled one" if options.quick else "random, of base's size"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


@contextmanager
def _pinned(threads: int | None) -> Iterator[int]:
    """Pins this process and its children to as many cores as there are threads."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)[:threads]
    os.sched_setaffinity(0, cores)
    try:
        yield len(cores)
    finally:
        os.sched_setaffinity(0, before)
