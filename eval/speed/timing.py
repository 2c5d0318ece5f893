"""Times systems against each other: all of a kind are loaded at once and called in turn.

Each call waits until no other process uses processor time; what others still use is reported.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.progress import ProgressBar

from ..console import log
from ..machine import busy_seconds, memory_bytes
from . import artefacts, workloads
from .cold_start import cold_starts
from .results import SystemResult, WorkResult
from .systems import FLOAT32, LIMITS, REFERENCE, SYSTEMS, System
from .worker import Call, Worker, WorkerError
from .workloads import BATCH, COLD_START, CORPUS, TRAINING, Work

MEMORY_FACTOR = 2
"""No more systems are loaded once free memory is below this many times the largest process."""
LONGEST_REASON = 160  # characters
CORPUS_FACTOR = 3
"""A corpus is passed this many times less often than other work is repeated."""
SETTLED, PAUSE, LONGEST_WAIT = 0.02, 0.1, 3.0
"""Share of a processor that waiting processes may use; seconds between two checks, and in all."""


@dataclass
class LoadedSystem:
    """A system in its process, ready to be called."""

    result: SystemResult
    worker: Worker
    name: str
    """Name of the function in the process."""
    arguments: tuple[Any, ...]


class Stopwatch:
    """Times systems on works.

    Args:
        folder: holds `model`; the files made of it are kept there.
        config: of the model.
        threads: of every system.
        repetitions: timed calls of every system.
        shared: use one process for all systems of a runtime, instead of one for each system and
            work: quicker, but peak memory and load time are meaningless then.
    """

    def __init__(
        self, folder: Path, config: Config, *, threads: int, repetitions: int, shared: bool
    ) -> None:
        self.folder, self.config = folder, config
        self.threads, self.repetitions, self.shared = threads, repetitions, shared
        self.workers: dict[Any, Worker] = {}
        self.log = folder / "workers.log"

    # Files

    def make(self, systems: Sequence[System], works: Sequence[Work]) -> dict[tuple[str, Any], str]:
        """Makes the files that systems need, in a process each.

        Returns:
            (artefact, length) → why it could not be made.
        """
        files = dict.fromkeys(
            file_of(system, work)
            for work in works
            for system in systems
            if system.does(work) and not missing(system)
        )
        needed = {
            (artefacts.NEEDS[each], length) for each, length in files if each in artefacts.NEEDS
        }
        wanted = [
            each for each in {**dict.fromkeys(needed), **files} if not self._path(*each).exists()
        ]
        failed = {}

        def make(artefact: str, length: int | None) -> None:
            out = self._path(artefact, length)
            log(f"makes {out.name}")
            options = {"artefact": artefact, "length": length, "folder": self.folder}
            worker = self._worker(("convert",), {})
            try:
                worker.load("made", "artefacts:make", out=out, **options)
            except WorkerError as error:
                failed[artefact, length] = self._reason(error)
            finally:
                if not self.shared:
                    worker.close()

        # one by one: a conversion at base's size takes up to 18 GB
        for artefact, length in sorted(wanted, key=lambda each: each[0] in artefacts.NEEDS):
            make(artefact, length)
        return failed

    def _path(self, artefact: str, length: int | None) -> Path:
        return artefacts.path_of(artefact, length, self.folder)

    # Batches and corpora

    def run(
        self, work: Work, systems: Sequence[System], failed: dict[tuple[str, Any], str]
    ) -> WorkResult:
        """Times the systems that do this work."""
        chosen = [system for system in systems if system.does(work)]
        if work.kind == COLD_START:
            rows = [self._row(system) for system in chosen]
            for row, system in zip(rows, chosen, strict=True):
                row.reason = row.reason or failed.get(file_of(system, work), "")
            models = {system.key: self._path(*file_of(system, work)) for system in chosen}
            return cold_starts(work, rows, models, self.folder, self.threads, self.repetitions)
        inputs, audio, flops = self._inputs(work)
        result = WorkResult(work, audio, flops)
        reference = None
        for full in (True, False):
            pending = [system for system in chosen if (system.precision == FLOAT32) == full]
            while pending:
                loaded: list[LoadedSystem] = []
                with self._closing(loaded):
                    reference = self._load(result, pending, loaded, inputs, failed, reference)
                    self.take_turns(result, loaded, reference)
        return result

    def _inputs(self, work: Work) -> tuple[tuple[Any, ...], float, int]:
        """Returns the arguments of a call, seconds of audio, and operations."""
        from wav2vec2_tf.models.flops import flops

        if work.kind == CORPUS:
            utterances = workloads.corpus(work.batch, work.length)
            samples = [len(utterance) for utterance in utterances]
            inputs: tuple[Any, ...] = (utterances,)
        else:
            samples = [work.length] * work.batch
            inputs = (workloads.speech(work.batch, work.length), None)
        parts = [flops(self.config, count, ctc=True) for count in samples]
        total = sum(sum(part.values()) for part in parts)
        if work.kind == TRAINING:
            labels = workloads.labels(work.batch, work.length, self.config.vocab_size or 0)
            inputs = (inputs[0], labels)
            # the backward pass takes twice the forward pass, but none in the frozen feature encoder
            total = 3 * total - 2 * sum(part["feature encoder"] for part in parts)
        return inputs, sum(samples) / SAMPLE_RATE, total

    def _load(
        self,
        result: WorkResult,
        pending: list[System],
        loaded: list[LoadedSystem],
        inputs: tuple[Any, ...],
        failed: dict[tuple[str, Any], str],
        reference: Any,
    ) -> Any:
        """Loads and warms up as many pending systems as memory holds; returns the reference."""
        work = result.work
        if reference is None:
            pending.sort(key=lambda system: system.key != REFERENCE)
            if pending[0].key != REFERENCE:
                reference = self._reference(work, inputs)
        most = 0
        while pending and (len(loaded) < 2 or memory_bytes("MemAvailable") > MEMORY_FACTOR * most):
            system = pending.pop(0)
            row = self._row(system)
            result.rows.append(row)
            row.reason = row.reason or failed.get(file_of(system, work), "")
            if row.reason:
                continue
            log(f"{work.key}: loads {system.key}")
            try:
                ready, output = self._enter(system, work, row, inputs)
            except WorkerError as error:
                row.reason = self._reason(error)
                continue
            loaded.append(ready)
            most = max(most, ready.worker.peak_bytes)
            reference = output if reference is None else reference
            row.compare(output, reference, work)
        loaded += self._limits()
        return reference

    def take_turns(self, result: WorkResult, loaded: list[LoadedSystem], reference: Any) -> None:
        """Times the systems, each as often as the others; one that fails is dropped."""
        work, shares = result.work, []
        repetitions = self.repetitions
        if work.kind == CORPUS:
            repetitions = max(1, repetitions // CORPUS_FACTOR)
        # another begins each time, so that none always comes after the same one
        turns = [
            loaded[(turn + place) % len(loaded)]
            for turn in range(repetitions)
            for place in range(len(loaded))
        ]
        with ProgressBar(f"{work.key}: timing", len(turns), "call", leave=False) as bar:
            for number, system in enumerate(turns):
                bar.move_to(number)
                row = system.result
                if row.reason:
                    continue
                others = [
                    each.worker
                    for each in loaded
                    if each.worker is not system.worker and not each.result.reason
                ]
                try:
                    called, idle, rest = self._timed(system, others)
                except WorkerError as error:
                    row.fail(self._reason(error))
                    continue
                shares.append(rest)
                result.idle_share = max(result.idle_share, idle)
                if row.system in LIMITS:
                    rate = max(called.result)
                    before = result.gemm_flops.get(row.system, 0.0)
                    result.gemm_flops[row.system] = max(rate, before)
                    continue
                row.seconds.append(called.seconds)
                if work.kind != TRAINING:  # dropout changes every loss
                    row.compare(called.result, reference, work)
        result.other_share = max(result.other_share, statistics.mean(shares or [0.0]))
        for system in loaded:
            if system.result.reason:
                continue
            try:
                system.result.peak_bytes = system.worker.peak_bytes
            except WorkerError as error:  # killed since its last call
                system.result.fail(self._reason(error))

    def _row(self, system: System) -> SystemResult:
        return SystemResult(
            system.key,
            system.label,
            system.ours,
            system.precision,
            system.exact,
            reason=missing(system),
        )

    def _enter(
        self, system: System, work: Work, row: SystemResult, inputs: tuple[Any, ...]
    ) -> tuple[LoadedSystem, Any]:
        """Loads a system and warms it up; returns its first output, too."""
        began = time.perf_counter()
        worker = self._worker(system.packages, system.environment)
        name = f"{system.key} {work.key}"
        loaded = LoadedSystem(row, worker, name, inputs)
        try:
            worker.load(
                name,
                "loaders:load",
                system=system,
                work=work,
                threads=self.threads,
                file=self._path(*file_of(system, work)),
            )
            row.load_seconds = time.perf_counter() - began
            if work.kind == TRAINING:
                output = worker.call(name, *inputs, False).result
                loaded.arguments = (*inputs, True)
                row.first_seconds = worker.call(name, *loaded.arguments).seconds
                return loaded, output
            first = worker.call(name, *inputs)
            row.first_seconds = first.seconds
            if work.kind == BATCH:  # for allocators; a corpus has many calls
                worker.call(name, *inputs)
        except WorkerError:
            if not self.shared:
                worker.close()
            raise
        return loaded, first.result

    def _reference(self, work: Work, inputs: tuple[Any, ...]) -> Any:
        """Returns the output of the reference where it is not timed."""
        system = SYSTEMS[REFERENCE]
        loaded, output = self._enter(system, work, self._row(system), inputs)
        with self._closing([loaded]):
            return output

    def _limits(self) -> list[LoadedSystem]:
        """Loads the matrix product of each library that is installed."""
        limits = []
        for library, packages in LIMITS.items():
            if all(find_spec(package) for package in packages):
                worker = self._worker(packages, {})
                worker.load(library, "loaders:gemm", library=library, threads=self.threads)
                row = SystemResult(library, "", False, FLOAT32)
                limits.append(LoadedSystem(row, worker, library, ()))
        return limits

    def _timed(self, system: LoadedSystem, others: Sequence[Worker]) -> tuple[Call, float, float]:
        """Calls a system while no other process is busy.

        Returns:
            The call, and the processors that the other workers and all other programs used.
        """
        others = list({id(worker): worker for worker in others}.values())

        def busy() -> float:
            return sum(worker.busy_seconds for worker in others)

        until, before = time.monotonic() + LONGEST_WAIT, busy()
        while time.monotonic() < until:
            time.sleep(PAUSE)
            now = busy()
            if now - before <= SETTLED * PAUSE:
                break
            before = now
        own = system.worker
        before, whole = busy(), busy_seconds() - own.busy_seconds
        called = own.call(system.name, *system.arguments)
        seconds = max(called.seconds, PAUSE)
        idle = busy() - before
        everything = busy_seconds() - own.busy_seconds - whole
        return called, idle / seconds, everything / seconds

    def _reason(self, error: WorkerError) -> str:
        """Returns an error for a table: short, and without paths of this machine."""
        text = str(error).replace(f"{self.folder.absolute()}/", "").replace(f"{self.folder}/", "")
        return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} …"

    # Processes

    def _worker(self, packages: tuple[str, ...], environment: Mapping[str, str]) -> Worker:
        if not self.shared:
            return Worker(self.threads, self.log, environment)
        kind = packages, *environment.items()
        if kind not in self.workers or self.workers[kind].process.poll() is not None:
            self.workers[kind] = Worker(self.threads, self.log, environment)
        return self.workers[kind]

    @contextlib.contextmanager
    def _closing(self, loaded: list[LoadedSystem]) -> Iterator[None]:
        """Ends the systems' processes, or unloads them from shared ones."""
        try:
            yield
        finally:
            for system in loaded:
                if not self.shared:
                    system.worker.close()
                elif system.worker.process.poll() is None:
                    with contextlib.suppress(WorkerError):
                        system.worker.unload(system.name)

    def close(self) -> None:
        """Ends the shared processes."""
        for worker in self.workers.values():
            worker.close()


def file_of(system: System, work: Work) -> tuple[str, int | None]:
    """Returns the artefact of a system, and the length it is made for; None for any length."""
    if work.kind == TRAINING:
        return "model", None
    fixed = system.artefact in artefacts.OURS and artefacts.OURS[system.artefact][0]
    return system.artefact, work.length if fixed in artefacts.FIXED and work.shape else None


def missing(system: System) -> str:
    """Returns why the system cannot be run here; "" if it can."""
    absent = [package for package in system.packages if find_spec(package) is None]
    if absent:
        return f"needs {', '.join(absent)}: pip install 'wav2vec2-tf[bench]'"
    if system.artefact in artefacts.OURS and not artefacts.can_convert(system.artefact):
        return f"convert has no {artefacts.OURS[system.artefact][0]}"
    return ""
