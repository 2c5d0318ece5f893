"""Good clients and every kind of bad one at a server at once, for as long as is asked for, and then
what became of it: no answer lost or another's, no file left, memory, threads and descriptors as
they were, health, and a stop in which nothing is lost. The exit status is 1 where any is not so.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .clients import (
    BOMB_SECONDS,
    BUSY,
    GOOD,
    KINDS,
    LIMITS,
    MOST_SECONDS,
    RIGHT,
    Kind,
    Scene,
    flac,
    judged,
)
from .load import DATA, Recording, recordings
from .serving import Server, serving, wait_until

KEY = "the-key-of-the-soak"
PAUSE_SECONDS = 0.3  # between two faults of a kind
BUSY_SECONDS = 0.2  # after which who was turned away asks again
GROWTH_BYTES = 200e6  # of memory: what allocators keep of the largest batches at once
SPARE_THREADS = 16  # of pools that grow to a fixed size: TensorFlow's and asyncio's
IN_WORK = ("recordings", "uploads", "streams")
LAST = 8  # requests in flight when it is told to stop


@dataclass
class Report:
    """What came of it all."""

    seconds: float = 0.0
    came: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind."""
    memory: list[int] = field(default_factory=list)
    """Bytes resident, once a second; the first before the soak, the last after it."""
    threads: tuple[int, int] = (0, 0)
    """Before and after."""
    descriptors: tuple[int, int] = (0, 0)
    temporary_files: int = 0
    tracebacks: int = 0
    health: int = 0
    at_stop: Counter[str] = field(default_factory=Counter)
    """What became of requests in flight when the server was told to stop."""
    exit_status: int | None = None


def soak(server: Server, sent: Sequence[Recording], seconds: float, clients: int) -> Report:
    """All kinds at once for so many seconds, after one of each; the server is stopped at the end.

    Args:
        clients: good ones of each kind.
    """
    import numpy as np

    from wav2vec2_tf.audio import load

    from .measure import say

    speech = [load(recording.content) for recording in sent]
    hour = flac(np.zeros(BOMB_SECONDS * 16000, np.int16))
    report = Report(seconds, {kind.name: Counter() for kind in KINDS})

    def scene(seed: int) -> Scene:
        return Scene(server, sent, speech, hour, random.Random(seed))

    lock = threading.Lock()

    def act(kind: Kind, scene: Scene) -> str:
        try:
            came = kind.act(scene)
        except Exception as error:  # whatever a client meets is counted
            came = f"no answer: {type(error).__name__}"
        with lock:
            report.came[kind.name][came] += 1
        return came

    say("one of each")
    first = scene(0)
    for kind in KINDS:
        act(kind, first)
    _idle(server)
    report.memory.append(server.memory_bytes)
    threads, descriptors = server.threads, server.descriptors

    end = time.monotonic() + seconds

    def client(kind: Kind, seed: int) -> None:
        own = scene(seed)
        while time.monotonic() < end:
            came = act(kind, own)
            time.sleep(BUSY_SECONDS if came == BUSY else 0 if kind in GOOD else PAUSE_SECONDS)

    crowd = [kind for kind in KINDS for _ in range(clients if kind in GOOD else 1)]
    say(f"{len(crowd)} clients for {seconds:g} s")
    running = [
        threading.Thread(target=client, args=(kind, seed), daemon=True)
        for seed, kind in enumerate(crowd, start=1)
    ]
    for thread in running:
        thread.start()
    with ProgressBar("soak", seconds, "s", leave=False) as bar:
        while any(thread.is_alive() for thread in running):
            time.sleep(1)
            server.require_alive()
            report.memory.append(server.memory_bytes)
            bar.move_to(min(seconds, round(seconds - (end - time.monotonic()))))
    _idle(server)
    report.memory.append(server.memory_bytes)
    wait_until(lambda: server.descriptors <= descriptors, 20)
    report.threads = threads, server.threads
    report.descriptors = descriptors, server.descriptors
    report.temporary_files = len(server.temporary_files)
    with server.connect() as connection:
        report.health = connection.get("/health").status
    say("stops, with requests in flight")
    _stop(server, first, report)
    report.temporary_files = max(report.temporary_files, len(server.temporary_files))
    report.tracebacks = sum("Traceback" in line for line in server.log)
    return report


def _idle(server: Server) -> None:
    """Until nothing is in work any more."""

    def idle() -> bool:
        counters = server.metrics()
        return not any(counters[f"wav2vec2_tf_{name}"] for name in IN_WORK)

    wait_until(idle)


def _stop(server: Server, scene: Scene, report: Report) -> None:
    """Tell it to, while it has requests."""
    asked = scene.several(LAST)
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in asked]
        for connection, recording in zip(connections, asked, strict=True):
            connection.send(recording.form)
        server.metrics()  # once this is answered, all that was sent before has begun
        report.exit_status = server.stop()
        for connection, recording in zip(connections, asked, strict=True):
            try:
                came = judged(connection.receive(), recording)
            except OSError as error:
                came = f"no answer: {type(error).__name__}"
            report.at_stop[came] += 1


def faults(report: Report) -> list[str]:
    """What is not as it is to be."""
    found = []
    expected = {kind.name: kind.expected for kind in KINDS}
    for name, came in report.came.items():
        for outcome, count in came.items():
            if outcome not in expected[name]:
                found.append(f"{name}: {count} times {outcome}")
    for kind in GOOD:
        if not report.came[kind.name][RIGHT]:
            found.append(f"{kind.name}: never right")
    growth = report.memory[-1] - report.memory[len(report.memory) // 2]
    if growth > GROWTH_BYTES:  # in the first half, the largest batches come for the first time
        found.append(f"memory grew by {growth / 1e6:.0f} MB in the second half")
    if report.threads[1] > report.threads[0] + SPARE_THREADS:
        found.append(f"threads: {report.threads[0]} before, {report.threads[1]} after")
    if report.descriptors[1] > report.descriptors[0]:
        found.append(f"descriptors: {report.descriptors[0]} before, {report.descriptors[1]} after")
    for count, what in (
        (report.temporary_files, "temporary files left"),
        (report.tracebacks, "tracebacks in the log"),
    ):
        if count:
            found.append(f"{count} {what}")
    if report.health != 200:
        found.append(f"/health says {report.health}")
    for outcome in set(report.at_stop) - {RIGHT, BUSY, "503"}:
        found.append(f"at the stop: {report.at_stop[outcome]} times {outcome}")
    if report.exit_status is None:
        found.append("did not end")
    elif report.exit_status:
        found.append(f"exit status {report.exit_status}")
    return found


def table(report: Report) -> str:
    """Markdown."""
    rows = [["client", "times", "expected", "came"], ["---", "---:", "---", "---"]]
    for kind in KINDS:
        came = report.came[kind.name]
        counts = ", ".join(f"{outcome} {count}" for outcome, count in came.most_common())
        rows.append([kind.name, str(came.total()), " or ".join(kind.expected), counts])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def summary(report: Report) -> str:
    first, *_, last = (size / 1e6 for size in report.memory)
    middle, most = report.memory[len(report.memory) // 2] / 1e6, max(report.memory) / 1e6
    threads, descriptors = report.threads, report.descriptors
    at_stop = ", ".join(f"{outcome} {count}" for outcome, count in report.at_stop.items())
    return (
        f"{report.seconds:g} s. Memory {first:.0f} MB before, {middle:.0f} MB half-way, "
        f"{most:.0f} MB at most, {last:.0f} MB after; threads {threads[0]} and {threads[1]}, "
        f"descriptors {descriptors[0]} and {descriptors[1]}; temporary files "
        f"{report.temporary_files}, tracebacks {report.tracebacks}; /health {report.health}; "
        f"requests in flight at the stop: {at_stop}; exit status {report.exit_status}.\n"
    )


def to_json(report: Report) -> dict[str, Any]:
    return {
        "seconds": report.seconds,
        "clients": {
            kind.name: {"expected": kind.expected, "came": dict(report.came[kind.name])}
            for kind in KINDS
        },
        "memory_bytes": report.memory,
        "threads": report.threads,
        "descriptors": report.descriptors,
        "temporary_files": report.temporary_files,
        "tracebacks": report.tracebacks,
        "health": report.health,
        "at_stop": dict(report.at_stop),
        "exit_status": report.exit_status,
        "faults": faults(report),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=positive, default=600, help="default: %(default)s")
    parser.add_argument(
        "--clients", type=positive, default=2, help="good ones of each kind (default: %(default)s)"
    )
    parser.add_argument("--model", default=str(BUNDLED_MODEL), help="default: the bundled one")
    parser.add_argument("--data", default=DATA, help="a folder of audio (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table (Markdown)")


def run(args: argparse.Namespace) -> int:
    """Runs `eval soak`."""
    from wav2vec2_tf.utils.files import write_whole

    sent = [each for each in recordings(args.data, args.model) if each.seconds <= MOST_SECONDS]
    with serving(["--model", f"model={args.model}", *LIMITS], key=KEY) as (server,):
        report = soak(server, sent, args.seconds, args.clients)
    text = f"{table(report)}\n{summary(report)}"
    print(text)
    if args.json:
        write_whole(args.json, json.dumps(to_json(report), indent=2) + "\n")
    if args.table:
        write_whole(args.table, text)
    if found := faults(report):
        raise UserError("; ".join(found))
    return 0
