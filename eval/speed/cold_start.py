"""Times fresh processes that transcribe one file, in turn; the disk's cache is warm."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from wav2vec2_tf.audio import SAMPLE_RATE

from ..console import log
from . import artefacts, workloads
from .results import SystemResult, WorkResult
from .worker import WorkerError, environment
from .workloads import Work


def cold_starts(
    work: Work,
    rows: Sequence[SystemResult],
    models: Mapping[str, Path],
    folder: Path,
    threads: int,
    repetitions: int,
) -> WorkResult:
    """Returns the result of a cold start.

    Args:
        work: its length is that of the file.
        rows: a row for each system, with a reason where it cannot be run.
        models: system → the model that it loads.
        folder: the file and the log are written to it.
        threads: of each process.
        repetitions: about half as many processes of each system are started.
    """
    import soundfile

    result = WorkResult(work, work.length / SAMPLE_RATE, None, list(rows))
    file = folder / "cold.wav"
    soundfile.write(file, artefacts.LOUDNESS * workloads.speech(1, work.length)[0], SAMPLE_RATE)

    def command(row: SystemResult) -> list[str]:
        model = str(models[row.system])
        if row.ours:
            return ["wav2vec2_tf.cli", "transcribe", "--model", model, str(file)]
        return [f"{__package__}.pipeline", model, str(file)]

    texts: dict[str, str] = {}
    timed = [row for row in rows if not row.reason]
    for turn in range(-1, max(1, repetitions // 2 + 1)):  # turn -1 fills the disk's cache
        for row in timed:
            log(f"{work.key}: {row.system}")
            seconds, peak, text = _run(command(row), folder / "workers.log", threads)
            row.peak_bytes = max(peak, row.peak_bytes or 0)
            texts[row.system] = text
            if turn < 0:
                row.first_seconds = seconds
            else:
                row.seconds.append(seconds)
    reference = [texts[row.system] for row in timed if not row.ours]
    for row in timed if reference else ():
        matcher = difflib.SequenceMatcher(None, reference[0], texts[row.system], autojunk=False)
        row.agreement = matcher.ratio()
    return result


def _run(command: list[str], log_file: Path, threads: int) -> tuple[float, int, str]:
    """Returns a process's seconds until it ended, its peak memory in bytes, and its output."""
    with log_file.open("ab") as log_output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_output,
            env=environment(threads),
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
