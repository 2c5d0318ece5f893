"""Times systems against each other: all of a kind loaded at once, called in turn, one at a time.

Between two calls the clock waits until no other child takes processor time, and what the others
took all the same is reported.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.progress import ProgressBar

from . import artefacts, workloads
from .contestants import FLOAT32, LIMITS, REFERENCE, SYSTEMS, System
from .measure import say
from .worker import Call, Worker, WorkerError, environment
from .workloads import BATCH, COLD_START, CORPUS, TRAINING, Work

TOLERANCE = 1e-3
"""Largest |Δ| of a float32 system's logits."""
MEMORY_SHARE = 2  # free memory, of what the largest child took, below which no more are loaded
LONGEST_REASON = 160  # letters
CORPUS_SHARE = 3  # passes over a corpus are that many times fewer than repetitions elsewhere
SETTLED, PAUSE, LONGEST_WAIT = 0.02, 0.1, 3.0
"""Part of a processor that all idle children may take; seconds between two looks, and at most."""


@dataclass
class Row:
    """One system at one work."""

    system: str
    label: str
    ours: bool
    precision: str
    exact: bool = True
    reason: str = ""
    """Why there are no figures."""
    seconds: list[float] = field(default_factory=list)
    """Of each timed call."""
    load_seconds: float | None = None
    """From the start of its process until it could be called, imports included."""
    first_seconds: float | None = None
    """Of the first call, which is not among `seconds`: tracing and compiling are in it."""
    peak_bytes: int | None = None
    """Most that was resident in its process from start to end."""
    difference: float | None = None
    """Largest |Δ| of logits (of a step of training: of the loss) from the reference's."""
    agreement: float | None = None
    """Share of frames with the reference's best token; of a cold start, of its characters."""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


@dataclass
class Result:
    """All systems at one work."""

    work: Work
    audio_seconds: float
    flops: int | None
    """Of the model on this work, unpadded; None of a cold start."""
    rows: list[Row] = field(default_factory=list)
    gemm_flops: dict[str, float] = field(default_factory=dict)
    """Library → FLOP/s of its best matrix product, among the same repetitions."""
    idle_share: float = 0.0
    """Processors that the idle children took while another was timed, at the worst call."""
    other_share: float = 0.0
    """Processors that everything but the timed child took, on average: a busy machine."""

    @property
    def limit_seconds(self) -> float | None:
        """What float32 would take if all of it were the best matrix product."""
        if not self.gemm_flops or self.flops is None:
            return None
        return self.flops / max(self.gemm_flops.values())


@dataclass
class Entrant:
    row: Row
    worker: Worker
    name: str
    arguments: tuple[Any, ...]


class Stopwatch:
    """Times systems on works.

    Args:
        folder: holds `model`; what is made of it is kept there.
        shared: one process for all systems of a runtime, instead of one for each system and work:
            quick, but peak memory and load time say nothing then.
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
        """Make what is needed, a process each; (artefact, length) → why one could not be had."""
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
            say(f"makes {out.name}")
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
    ) -> Result:
        """Time the systems that do this work."""
        entered = [system for system in systems if system.does(work)]
        if work.kind == COLD_START:
            return self._cold_starts(work, entered)
        inputs, audio, flops = self._inputs(work)
        result = Result(work, audio, flops)
        reference = None
        for full in (True, False):
            pending = [system for system in entered if (system.precision == FLOAT32) == full]
            while pending:
                entrants: list[Entrant] = []
                with self._closing(entrants):
                    reference = self._load(result, pending, entrants, inputs, failed, reference)
                    self.take_turns(result, entrants, reference)
        return result

    def _inputs(self, work: Work) -> tuple[tuple[Any, ...], float, int]:
        """Arguments of a call, seconds of audio, and operations."""
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
            # backward takes twice the work of forward, but in the frozen feature encoder none
            total = 3 * total - 2 * sum(part["feature encoder"] for part in parts)
        return inputs, sum(samples) / SAMPLE_RATE, total

    def _load(
        self,
        result: Result,
        pending: list[System],
        entrants: list[Entrant],
        inputs: tuple[Any, ...],
        failed: dict[tuple[str, Any], str],
        reference: Any,
    ) -> Any:
        """Load and warm up as many of the pending systems as memory holds; what is right."""
        work = result.work
        if reference is None:
            pending.sort(key=lambda system: system.key != REFERENCE)
            if pending[0].key != REFERENCE:
                reference = self._reference(work, inputs)
        most = 0
        while pending and (len(entrants) < 2 or available_bytes() > MEMORY_SHARE * most):
            system = pending.pop(0)
            row = Row(system.key, system.label, system.ours, system.precision, system.exact)
            result.rows.append(row)
            unmade = failed.get(file_of(system, work), "")
            row.reason = missing(system) or unmade
            if row.reason:
                continue
            say(f"{work.key}: loads {system.key}")
            try:
                entrant, output = self._enter(system, work, row, inputs)
            except WorkerError as error:
                row.reason = self._reason(error)
                continue
            entrants.append(entrant)
            most = max(most, entrant.worker.peak_bytes)
            reference = output if reference is None else reference
            compare(row, output, reference, work)
        entrants += self._limits()
        return reference

    def take_turns(self, result: Result, entrants: list[Entrant], reference: Any) -> None:
        """Time them, each as often as the others; who fails is out."""
        work, shares = result.work, []
        repetitions = self.repetitions
        if work.kind == CORPUS:
            repetitions = max(1, repetitions // CORPUS_SHARE)
        # each time another begins, so that nobody always comes after the same one
        turns = [
            entrants[(turn + place) % len(entrants)]
            for turn in range(repetitions)
            for place in range(len(entrants))
        ]
        with ProgressBar(f"{work.key}: timing", len(turns), "call", leave=False) as bar:
            for number, entrant in enumerate(turns):
                bar.move_to(number)
                row = entrant.row
                if row.reason:
                    continue
                others = [
                    each.worker
                    for each in entrants
                    if each.worker is not entrant.worker and not each.row.reason
                ]
                try:
                    called, idle, rest = self._timed(entrant, others)
                except WorkerError as error:
                    row.reason, row.seconds = self._reason(error), []
                    continue
                shares.append(rest)
                result.idle_share = max(result.idle_share, idle)
                if row.system in LIMITS:
                    rate = max(called.result)
                    before = result.gemm_flops.get(row.system, 0.0)
                    result.gemm_flops[row.system] = max(rate, before)
                    continue
                row.seconds.append(called.seconds)
                if work.kind != TRAINING:  # where dropout makes every loss another
                    compare(row, called.result, reference, work)
        result.other_share = max(result.other_share, statistics.mean(shares or [0.0]))
        for entrant in entrants:
            if entrant.row.reason:
                continue
            try:
                entrant.row.peak_bytes = entrant.worker.peak_bytes
            except WorkerError as error:  # killed since its last call
                entrant.row.reason, entrant.row.seconds = self._reason(error), []

    def _enter(
        self, system: System, work: Work, row: Row, inputs: tuple[Any, ...]
    ) -> tuple[Entrant, Any]:
        """Load a system and warm it up; what it gave first."""
        began = time.perf_counter()
        worker = self._worker(system.packages, system.environment)
        name = f"{system.key} {work.key}"
        entrant = Entrant(row, worker, name, inputs)
        try:
            worker.load(name, "contestants:load", system=system, work=work, threads=self.threads,
                file=self._path(*file_of(system, work)),
            )  # fmt: skip
            row.load_seconds = time.perf_counter() - began
            if work.kind == TRAINING:
                output = worker.call(name, *inputs, False).result
                entrant.arguments = (*inputs, True)
                row.first_seconds = worker.call(name, *entrant.arguments).seconds
                return entrant, output
            first = worker.call(name, *inputs)
            row.first_seconds = first.seconds
            if work.kind == BATCH:  # allocators learn from it; a corpus is long enough
                worker.call(name, *inputs)
        except WorkerError:
            if not self.shared:
                worker.close()
            raise
        return entrant, first.result

    def _reference(self, work: Work, inputs: tuple[Any, ...]) -> Any:
        """What the reference gives, where it is not timed."""
        system = SYSTEMS[REFERENCE]
        entrant, output = self._enter(system, work, Row(REFERENCE, "", False, FLOAT32), inputs)
        with self._closing([entrant]):
            return output

    def _limits(self) -> list[Entrant]:
        """Matrix products by each library that is installed."""
        limits = []
        for library, packages in LIMITS.items():
            if all(find_spec(package) for package in packages):
                worker = self._worker(packages, {})
                worker.load(library, "contestants:gemm", library=library, threads=self.threads)
                limits.append(Entrant(Row(library, "", False, FLOAT32), worker, library, ()))
        return limits

    def _timed(self, entrant: Entrant, others: Sequence[Worker]) -> tuple[Call, float, float]:
        """A call while nobody else is busy, and the processors that others and all else took."""
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
        own = entrant.worker
        before, whole = busy(), machine_busy_seconds() - own.busy_seconds
        called = own.call(entrant.name, *entrant.arguments)
        seconds = max(called.seconds, PAUSE)
        idle = busy() - before
        everything = machine_busy_seconds() - own.busy_seconds - whole
        return called, idle / seconds, everything / seconds

    def _reason(self, error: WorkerError) -> str:
        """For a table: short, and without paths of this machine."""
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
    def _closing(self, entrants: list[Entrant]) -> Iterator[None]:
        """End the entrants' processes, or have shared ones forget them."""
        try:
            yield
        finally:
            for entrant in entrants:
                if not self.shared:
                    entrant.worker.close()
                elif entrant.worker.process.poll() is None:
                    with contextlib.suppress(WorkerError):
                        entrant.worker.forget(entrant.name)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    # Cold starts

    def _cold_starts(self, work: Work, systems: Sequence[System]) -> Result:
        """Fresh processes that write down what one file says, in turn; disk caches are warm."""
        import soundfile

        result = Result(work, work.length / SAMPLE_RATE, None)
        file = self.folder / "cold.wav"
        soundfile.write(file, artefacts.LOUDNESS * workloads.speech(1, work.length)[0], SAMPLE_RATE)
        model = str(self.folder / "model")
        commands = {
            "pipeline": [f"{__package__}.pipeline", model, str(file)],
            "transcribe": ["wav2vec2_tf.cli", "transcribe", "--model", model, str(file)],
        }
        texts: dict[str, str] = {}
        for system in systems:
            row = Row(system.key, system.label, system.ours, system.precision)
            row.reason = missing(system)
            result.rows.append(row)
        rows = [row for row in result.rows if not row.reason]
        for turn in range(-1, max(1, self.repetitions // 2 + 1)):  # -1: the disk's cache fills
            for row in rows:
                say(f"{work.key}: {row.system}")
                seconds, peak, text = self._cold_start(commands[row.system])
                row.peak_bytes = max(peak, row.peak_bytes or 0)
                texts[row.system] = text
                if turn < 0:
                    row.first_seconds = seconds
                else:
                    row.seconds.append(seconds)
        if len(texts) == 2:
            one, other = texts.values()
            for row in rows:
                row.agreement = difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
        return result

    def _cold_start(self, command: list[str]) -> tuple[float, int, str]:
        """Seconds until it is over, the most that was resident, and what it printed."""
        with self.log.open("ab") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(self.threads),
            )
            assert process.stdout is not None
            with process.stdout as output:
                text = output.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise WorkerError(f"{command[0]} ended with status {process.returncode}")
        return seconds, 1024 * usage.ru_maxrss, text.strip()


def compare(row: Row, output: Any, reference: Any, work: Work) -> None:
    """Notes in `row` the largest difference from the reference so far."""
    import numpy as np

    if not row.exact:
        return
    if work.kind == TRAINING:
        row.difference = abs(float(output) - float(reference))
        return
    pairs = list(zip(output, reference, strict=True))
    if work.kind == CORPUS:
        pairs = [(ours[: len(theirs)], theirs) for ours, theirs in pairs]
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        row.difference = float("inf")
        return
    difference = float(max(np.abs(ours - theirs).max() for ours, theirs in pairs))
    same = np.concatenate([(a.argmax(-1) == b.argmax(-1)).ravel() for a, b in pairs])
    # in this order a NaN stays
    row.difference = float(np.maximum(difference, row.difference or 0.0))
    row.agreement = min(float(same.mean()), 1.0 if row.agreement is None else row.agreement)


def machine_busy_seconds() -> float:
    """Processor time of everything on this machine so far."""
    user, nice, system, _, _, *interrupts = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts[:2])) / os.sysconf("SC_CLK_TCK")


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return 0


def file_of(system: System, work: Work) -> tuple[str, int | None]:
    """The artefact that a system is loaded from, and the length it is made for; None for any."""
    if work.kind in (TRAINING, COLD_START):
        return "model", None
    fixed = system.artefact in artefacts.OURS and artefacts.OURS[system.artefact][0]
    return system.artefact, work.length if fixed in artefacts.FIXED and work.shape else None


def missing(system: System) -> str:
    """Why the system cannot be run here at all, or nothing."""
    absent = [package for package in system.packages if find_spec(package) is None]
    if absent:
        return f"needs {', '.join(absent)}: pip install 'wav2vec2-tf[bench]'"
    if system.artefact in artefacts.OURS and not artefacts.can_convert(system.artefact):
        return f"convert has no {artefacts.OURS[system.artefact][0]}"
    return ""
