"""Runs valid clients and every kind of faulty one against a server, all at once.

Afterwards no response may be lost or belong to another request, no temporary file may remain,
memory, threads and descriptors must be as before, the server must be healthy, and it must stop
without losing requests in flight. The exit status is 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import check, option
from wav2vec2_tf.utils.progress import ProgressBar

from ..console import log
from ..outputs import write_json, write_text
from .client import BUSY, RIGHT, Client, compared, flac
from .clients import BOMB_SECONDS, KINDS, LIMITS, MOST_SECONDS, VALID, ClientKind
from .recordings import DATA, KnownRecording, recordings
from .server import Server, serving, wait_until

KEY = "the-key-of-the-soak"
PAUSE_SECONDS = 0.3  # between two requests of a faulty client
BUSY_SECONDS = 0.2  # before a retry after status 429
GROWTH_BYTES = 200e6  # of memory: allocators keep that much of the largest batches
SPARE_THREADS = 16  # of pools that grow to a fixed size: TensorFlow's and asyncio's
IN_WORK = ("recordings", "uploads", "streams")
LAST = 8  # requests in flight when the server is stopped


@dataclass(frozen=True, kw_only=True)
class SoakOptions:
    """The clients, and for how long they run."""

    seconds: int = option(600, above=0, metavar="N", help="how long")
    clients: int = option(2, above=0, metavar="N", help="valid clients of each kind")
    model: str | None = option(None, help="model to serve (default: the bundled one)")
    data: str = option(DATA, metavar="FOLDER", help="folder of audio")

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)


@dataclass
class Report:
    """The outcomes of all clients, and the state of the server."""

    seconds: float = 0.0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """Kind of client → outcome → count."""
    memory: list[int] = field(default_factory=list)
    """Bytes resident, once a second; the first before the soak, the last after it."""
    threads: tuple[int, int] = (0, 0)
    """Before and after."""
    descriptors: tuple[int, int] = (0, 0)
    temporary_files: int = 0
    tracebacks: int = 0
    health: int = 0
    at_stop: Counter[str] = field(default_factory=Counter)
    """Outcomes of the requests in flight when the server was stopped."""
    exit_status: int | None = None


def soak(server: Server, sent: Sequence[KnownRecording], seconds: float, clients: int) -> Report:
    """Runs one client of each kind, then all kinds at once, and stops the server.

    Args:
        server: it listens, with the flags `clients.LIMITS`.
        sent: recordings for the clients.
        seconds: how long all run at once.
        clients: valid clients of each kind.
    """
    import numpy as np

    from wav2vec2_tf.audio import load

    speech = [load(recording.content) for recording in sent]
    hour = flac(np.zeros(BOMB_SECONDS * 16000, np.int16))
    report = Report(seconds, {kind.name: Counter() for kind in KINDS})

    def client(seed: int) -> Client:
        return Client(server, sent, speech, hour, random.Random(seed))

    lock = threading.Lock()

    def act(kind: ClientKind, client: Client) -> str:
        try:
            outcome = kind.act(client)
        except Exception as error:  # every error of a client is counted
            outcome = f"no answer: {type(error).__name__}"
        with lock:
            report.outcomes[kind.name][outcome] += 1
        return outcome

    log("one of each")
    first = client(0)
    for kind in KINDS:
        act(kind, first)
    _idle(server)
    report.memory.append(server.memory_bytes)
    threads, descriptors = server.threads, server.descriptors

    end = time.monotonic() + seconds

    def run(kind: ClientKind, seed: int) -> None:
        own = client(seed)
        while time.monotonic() < end:
            outcome = act(kind, own)
            time.sleep(BUSY_SECONDS if outcome == BUSY else 0 if kind in VALID else PAUSE_SECONDS)

    started = [kind for kind in KINDS for _ in range(clients if kind in VALID else 1)]
    log(f"{len(started)} clients for {seconds:g} s")
    running = [
        threading.Thread(target=run, args=(kind, seed), daemon=True)
        for seed, kind in enumerate(started, start=1)
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
    log("stops, with requests in flight")
    _stop(server, first, report)
    report.temporary_files = max(report.temporary_files, len(server.temporary_files))
    report.tracebacks = sum("Traceback" in line for line in server.log)
    return report


def _idle(server: Server) -> None:
    """Waits until no request is in work."""

    def idle() -> bool:
        counters = server.metrics()
        return not any(counters[f"wav2vec2_tf_{name}"] for name in IN_WORK)

    wait_until(idle)


def _stop(server: Server, client: Client, report: Report) -> None:
    """Stops the server while it has requests."""
    asked = client.recordings(LAST)
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in asked]
        for connection, recording in zip(connections, asked, strict=True):
            connection.send(recording.form)
        server.metrics()  # once this returns, the requests before it have begun
        report.exit_status = server.stop()
        for connection, recording in zip(connections, asked, strict=True):
            try:
                outcome = compared(connection.receive(), recording)
            except OSError as error:
                outcome = f"no answer: {type(error).__name__}"
            report.at_stop[outcome] += 1


def faults(report: Report) -> list[str]:
    """Returns what is wrong, one line for each fault."""
    found = []
    expected = {kind.name: kind.expected for kind in KINDS}
    for name, outcomes in report.outcomes.items():
        for outcome, count in outcomes.items():
            if outcome not in expected[name]:
                found.append(f"{name}: {outcome}, {count} times")
    for kind in VALID:
        if not report.outcomes[kind.name][RIGHT]:
            found.append(f"{kind.name}: never right")
    growth = report.memory[-1] - report.memory[len(report.memory) // 2]
    if growth > GROWTH_BYTES:  # the first half has the largest batches for the first time
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
        found.append(f"/health returns {report.health}")
    for outcome in set(report.at_stop) - {RIGHT, BUSY, "503"}:
        found.append(f"in flight at shutdown: {outcome}, {report.at_stop[outcome]} times")
    if report.exit_status is None:
        found.append("did not end")
    elif report.exit_status:
        found.append(f"exit status {report.exit_status}")
    return found


def table(report: Report) -> str:
    """Returns the outcomes by kind of client (Markdown)."""
    rows = [["client", "attempts", "expected", "outcome"], ["---", "---:", "---", "---"]]
    for kind in KINDS:
        outcomes = report.outcomes[kind.name]
        counts = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        rows.append([kind.name, str(outcomes.total()), " or ".join(kind.expected), counts])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def summary(report: Report) -> str:
    """Returns the state of the server in one paragraph."""
    first, *_, last = (size / 1e6 for size in report.memory)
    middle, most = report.memory[len(report.memory) // 2] / 1e6, max(report.memory) / 1e6
    threads, descriptors = report.threads, report.descriptors
    at_stop = ", ".join(f"{outcome} {count}" for outcome, count in report.at_stop.items())
    return (
        f"{report.seconds:g} s. Memory {first:.0f} MB before, {middle:.0f} MB after half the time, "
        f"{most:.0f} MB at most, {last:.0f} MB after; threads {threads[0]} and {threads[1]}, "
        f"descriptors {descriptors[0]} and {descriptors[1]}; temporary files "
        f"{report.temporary_files}, tracebacks {report.tracebacks}; /health {report.health}; "
        f"requests in flight at shutdown: {at_stop}; exit status {report.exit_status}.\n"
    )


def to_json(report: Report) -> dict[str, Any]:
    """Returns all counts."""
    return {
        "seconds": report.seconds,
        "clients": {
            kind.name: {"expected": kind.expected, "outcomes": dict(report.outcomes[kind.name])}
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
    """Adds the flags of `eval soak`."""
    parser.epilog = "example: %(prog)s --data tests/data/corpus --seconds 60 --json soak.json"
    add_flags(parser, SoakOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all counts")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table (Markdown)")


def run(args: argparse.Namespace) -> int:
    """Runs `eval soak`: 0; raises UserError, also for any fault of the server."""
    options = options_from(SoakOptions, args)
    model = options.model or str(BUNDLED_MODEL)
    known = recordings(options.data, model)
    sent = [recording for recording in known if recording.seconds <= MOST_SECONDS]
    with serving(["--model", f"model={model}", *LIMITS], key=KEY) as (server,):
        report = soak(server, sent, options.seconds, options.clients)
    text = f"{table(report)}\n{summary(report)}"
    print(text)
    write_json(args.json, to_json(report))
    write_text(args.table, text)
    if found := faults(report):
        raise UserError("; ".join(found))
    return 0
