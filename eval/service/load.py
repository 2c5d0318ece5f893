"""Throughput and latency of `wav2vec2-tf serve` by number of clients, with batching and without.

Every text is compared with the model's text for the recording alone. The servers take turns, so
that a slow minute of the machine affects both. A client sends its next request when it has the
response to the last one.
"""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import OptionError, check, option

from ..console import log
from ..machine import BUSY, PACKAGES, busy_seconds, machine_facts
from ..outputs import (
    check_plot,
    markdown_table,
    write_json,
    write_plot,
    write_text,
)
from ..versions import versions_of
from .recordings import DATA, KnownRecording, recordings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .server import Server

WAYS: Mapping[str, Sequence[str]] = {"batching": (), "one at a time": ("--no-batching",)}
"""Name → flags of the server."""
PERCENTILES = (50, 95, 99)
LOOKS = {"batching": ("#0b5fa5", "o", "-"), "one at a time": ("#b3400f", "s", "--")}


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The requests that are sent."""

    model: str | None = option(None, help="model to serve (default: the bundled one)")
    data: str = option(DATA, metavar="FOLDER", help="folder of audio")
    clients: tuple[int, ...] = option(
        (1, 2, 4, 8, 16, 32),
        above=0,
        metavar="N,…",
        separator=",",
        help="numbers of concurrent clients",
    )
    requests: int | None = option(
        None,
        above=0,
        metavar="N",
        help="requests in each level and repetition (default: four times the recordings)",
    )
    repetitions: int = option(3, above=0, metavar="N", help="times each level is measured")
    batch_seconds: float | None = option(
        None, above=0, metavar="SECONDS", help="see `wav2vec2-tf serve --help`"
    )

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)
        if not self.clients:
            raise OptionError("{clients} must name at least one number")


@dataclass
class Level:
    """The measurements of one server at one number of clients."""

    way: str
    clients: int
    elapsed: list[float] = field(default_factory=list)
    """Seconds of each repetition."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of each successful request."""
    audio_seconds: float = 0.0
    """Seconds of audio in successful requests."""
    requests: int = 0
    errors: int = 0
    """Requests without a response, or with another status than 200."""
    mismatches: int = 0
    """Texts that differ from the model's for the recording alone."""
    batches: float = 0.0
    rows: float = 0.0
    """Rows of all batches."""
    other_seconds: float = 0.0
    """Processor time of all other programs meanwhile."""

    @property
    def throughput(self) -> float:
        """Successful requests per second."""
        return len(self.latencies) / sum(self.elapsed)

    @property
    def rtfx(self) -> float:
        """Seconds of audio per second."""
        return self.audio_seconds / sum(self.elapsed)

    @property
    def batch_size(self) -> float:
        """Mean number of rows in a batch."""
        return self.rows / self.batches if self.batches else 0.0

    @property
    def other_share(self) -> float:
        """Processors that all other programs used."""
        return self.other_seconds / sum(self.elapsed)

    def percentile(self, percent: int) -> float:
        """Returns a percentile of the latencies in seconds (nearest rank)."""
        ordered = sorted(self.latencies)
        return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else float("nan")


def load(options: LoadOptions, sent: Sequence[KnownRecording]) -> list[Level]:
    """Starts a server with batching and one without, and measures both."""
    from .server import serving

    flags = ["--model", f"model={options.model or BUNDLED_MODEL}"]
    if options.batch_seconds:
        flags += ["--batch-seconds", str(options.batch_seconds)]
    with serving(*([*flags, *extra] for extra in WAYS.values())) as started:
        return measure(
            dict(zip(WAYS, started, strict=True)),
            sent,
            options.clients,
            options.requests or 4 * len(sent),
            options.repetitions,
        )


def measure(
    servers: Mapping[str, Server],
    sent: Sequence[KnownRecording],
    clients: Sequence[int],
    requests: int,
    repetitions: int,
) -> list[Level]:
    """Measures a level for each server and number of clients, the servers in turn.

    Args:
        servers: by name.
        sent: recordings that are sent, in random order and repeatedly.
        clients: numbers of concurrent clients.
        requests: in each level and repetition.
        repetitions: of each level.
    """
    for name, server in servers.items():
        log(f"{name}: warms up")
        _run(server, Level(name, max(clients)), sent, len(sent), 0)
    levels = [Level(name, count) for count in clients for name in servers]
    for repetition in range(repetitions):
        for level in levels if repetition % 2 == 0 else reversed(levels):
            log(f"{level.way}, {level.clients} clients: {repetition + 1} of {repetitions}")
            _run(servers[level.way], level, sent, requests, repetition)
    return levels


def _run(
    server: Server, level: Level, sent: Sequence[KnownRecording], requests: int, seed: int
) -> None:
    """Lets clients send requests until there are `requests`."""
    order = itertools.cycle(random.Random(seed).sample(sent, len(sent)))
    waiting = itertools.islice(order, requests)
    lock = threading.Lock()

    def client() -> None:
        with server.connect() as connection:
            while True:
                with lock:
                    recording = next(waiting, None)
                if recording is None:
                    return
                began = time.perf_counter()
                try:
                    response = connection.post(recording.form)
                except OSError:
                    response = None
                seconds = time.perf_counter() - began
                with lock:
                    level.requests += 1
                    if response is None or response.status != 200:
                        level.errors += 1
                        continue
                    level.latencies.append(seconds)
                    level.audio_seconds += recording.seconds
                    level.mismatches += response.text != recording.text

    def others() -> float:
        return busy_seconds() - server.busy_seconds - time.process_time()

    threads = [threading.Thread(target=client) for _ in range(level.clients)]
    before, others_before = server.metrics(), others()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    level.elapsed.append(time.perf_counter() - began)
    level.other_seconds += others() - others_before
    after = server.metrics()
    level.batches += _increase(before, after, "batch_rows_count")
    level.rows += _increase(before, after, "batch_rows_sum")


def _increase(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    whole = f"wav2vec2_tf_{name}"
    return after[whole] - before.get(whole, 0.0)


# Results


def to_json(level: Level) -> dict[str, Any]:
    """Returns all figures of a level."""
    values = asdict(level) | {"throughput": level.throughput, "rtfx": level.rtfx}
    values |= {"other_share": level.other_share}
    values |= {f"p{percent}": level.percentile(percent) for percent in PERCENTILES}
    return values | {"batch_size": level.batch_size}


def table(levels: Sequence[Level]) -> str:
    """Returns a table (Markdown)."""
    header = ["clients", "", "requests/s", "RTFx", *(f"p{p}, ms" for p in PERCENTILES)]
    header += ["rows per batch", "requests", "errors", "wrong texts"]
    rows = [
        [
            str(level.clients),
            level.way,
            f"{level.throughput:.1f}",
            f"{level.rtfx:.0f}",
            *(f"{1000 * level.percentile(percent):.0f}" for percent in PERCENTILES),
            f"{level.batch_size:.1f}",
            *map(str, (level.requests, level.errors, level.mismatches)),
        ]
        for level in levels
    ]
    text = "\n".join(markdown_table(header, rows, left=2)) + "\n"
    if (most := max(level.other_share for level in levels)) > BUSY:
        text += f"\nOther programs took up to {most:.1f} processors meanwhile.\n"
    return text


def plot(levels: Sequence[Level]) -> Figure:
    """Draws throughput, and median and 95th percentile of the latencies, against clients."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    throughput, latency = figure.subplots(1, 2)
    for way, (colour, marker, line) in LOOKS.items():
        chosen = [level for level in levels if level.way == way]
        clients = [level.clients for level in chosen]
        looks: dict[str, Any] = {"color": colour, "marker": marker}
        answers = [level.throughput for level in chosen]
        throughput.plot(clients, answers, linestyle=line, label=way, **looks)
        for percent, width in ((50, 2.0), (95, 1.0)):
            seconds = [1000 * level.percentile(percent) for level in chosen]
            label = f"{way}, p{percent}"
            latency.plot(clients, seconds, linestyle=line, label=label, linewidth=width, **looks)
    throughput.set_ylabel("requests per second")
    latency.set_ylabel("latency, ms")
    latency.set_yscale("log")
    for axes in (throughput, latency):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({level.clients for level in levels}))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("concurrent clients")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    throughput.set_ylim(bottom=0)
    return figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval load`."""
    parser.epilog = "example: %(prog)s --data tests/data/corpus --clients 1,8 --json load.json"
    add_flags(parser, LoadOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table (Markdown)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (.png or .svg)")


def run(args: argparse.Namespace) -> int:
    """Runs `eval load`: 0; raises UserError, also if a text was wrong or a request failed."""
    options = options_from(LoadOptions, args)
    check_plot(args.plot)
    model = options.model or str(BUNDLED_MODEL)
    sent = recordings(options.data, model)
    levels = load(options, sent)
    text = table(levels)
    print(text)
    write_json(
        args.json,
        {
            "machine": machine_facts(),
            "versions": versions_of(PACKAGES),
            "model": Path(model).name,
            "data": options.data,
            "recordings": len(sent),
            "audio_seconds": sum(recording.seconds for recording in sent),
            "batch_seconds": options.batch_seconds,
            "repetitions": options.repetitions,
            "levels": [to_json(level) for level in levels],
        },
    )
    write_text(args.table, text)
    write_plot(args.plot, lambda: plot(levels))
    return verdict(levels)


def verdict(levels: Sequence[Level]) -> int:
    """Returns 0; raises `UserError` if a text was wrong or a request failed."""
    mismatches = sum(level.mismatches for level in levels)
    errors = sum(level.errors for level in levels)
    if mismatches or errors:
        raise UserError(
            f"{mismatches} texts differ from the model's for the recording alone, {errors} "
            "requests failed"
        )
    return 0
