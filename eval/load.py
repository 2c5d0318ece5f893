"""Requests a second and latencies of `wav2vec2-tf serve` against the number of clients at once,
with batching and without. Every answer is compared with what the model says of the recording alone.

The servers take turns, so that a slow minute of the machine is nobody's disadvantage. A client
sends its next request when it has the answer to the last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .speed import BUSY, PACKAGES, check_plot, machine, write_plot
from .versions import versions_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .serving import Form, Server

DATA = "tests/data/corpus"
CLIENTS = (1, 2, 4, 8, 16, 32)
REPETITIONS = 3
WAYS: Mapping[str, Sequence[str]] = {"batching": (), "one by one": ("--no-batching",)}
"""Name → options of the server."""
PERCENTILES = (50, 95, 99)
LOOKS = {"batching": ("#0b5fa5", "o", "-"), "one by one": ("#b3400f", "s", "--")}


@dataclass(frozen=True)
class Recording:
    """What is sent, and what is to come back."""

    content: bytes
    """Of the file."""
    form: Form
    text: str
    seconds: float


@dataclass
class Level:
    """All that was measured of one server at one number of clients."""

    way: str
    clients: int
    elapsed: list[float] = field(default_factory=list)
    """Seconds of each repetition."""
    latencies: list[float] = field(default_factory=list)
    """Seconds of each request that was answered."""
    audio_seconds: float = 0.0
    """Of what was answered."""
    requests: int = 0
    errors: int = 0
    """Requests without an answer, or with another status than 200."""
    mismatches: int = 0
    """Answers that are not what the model says of the recording alone."""
    batches: float = 0.0
    rows: float = 0.0
    """In all batches."""
    other_seconds: float = 0.0
    """Processor time that all else on the machine took meanwhile."""

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies) / sum(self.elapsed)

    @property
    def rtfx(self) -> float:
        """Seconds of speech a second."""
        return self.audio_seconds / sum(self.elapsed)

    @property
    def batch_size(self) -> float:
        """Mean rows of a batch."""
        return self.rows / self.batches if self.batches else 0.0

    @property
    def other_share(self) -> float:
        """Processors that all else took."""
        return self.other_seconds / sum(self.elapsed)

    def percentile(self, percent: int) -> float:
        """Of the latencies, in seconds: no fewer than so many of a hundred are as quick."""
        ordered = sorted(self.latencies)
        return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else float("nan")


def recordings(data: str, model: str) -> list[Recording]:
    """Of all audio in a folder, with the text that the model gives of each alone."""
    from wav2vec2_tf.audio.discover import named_by
    from wav2vec2_tf.transcription import long_form
    from wav2vec2_tf.transcription.recognizer import Recognizer

    from .serving import Form

    def complain(message: str) -> None:
        raise UserError(message)

    recognizer = Recognizer.load(model)
    found = []
    files = named_by([data], complain)
    with ProgressBar("expected texts", len(files), "recording", leave=False) as bar:
        for audio in files:
            speech = long_form.Recording.of(audio.name)
            text = long_form.transcribe(recognizer, speech).text
            content = Path(audio.name).read_bytes()
            found.append(Recording(content, Form.of(content), text, speech.seconds))
            bar.update()
    return found


def measure(
    servers: Mapping[str, Server],
    sent: Sequence[Recording],
    clients: Sequence[int],
    requests: int,
    repetitions: int,
) -> list[Level]:
    """A level for each server and number of clients, the servers in turn.

    Args:
        requests: of each level and repetition; all of `sent` in a random order, again and again.
    """
    from .measure import say

    for name, server in servers.items():
        say(f"{name}: warms up")
        _run(server, Level(name, max(clients)), sent, len(sent), 0)
    levels = [Level(name, count) for count in clients for name in servers]
    for repetition in range(repetitions):
        for level in levels if repetition % 2 == 0 else reversed(levels):
            say(f"{level.way}, {level.clients} at once: {repetition + 1} of {repetitions}")
            _run(servers[level.way], level, sent, requests, repetition)
    return levels


def _run(server: Server, level: Level, sent: Sequence[Recording], requests: int, seed: int) -> None:
    """Clients that take what is next until so many requests are sent."""
    from .timing import machine_busy_seconds

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
                    answer = connection.post(recording.form)
                except OSError:
                    answer = None
                seconds = time.perf_counter() - began
                with lock:
                    level.requests += 1
                    if answer is None or answer.status != 200:
                        level.errors += 1
                        continue
                    level.latencies.append(seconds)
                    level.audio_seconds += recording.seconds
                    level.mismatches += answer.text != recording.text

    def others() -> float:
        return machine_busy_seconds() - server.busy_seconds - time.process_time()

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


# What was measured


def to_json(level: Level) -> dict[str, Any]:
    values = asdict(level) | {"throughput": level.throughput, "rtfx": level.rtfx}
    values |= {"other_share": level.other_share}
    values |= {f"p{percent}": level.percentile(percent) for percent in PERCENTILES}
    return values | {"batch_size": level.batch_size}


def table(levels: Sequence[Level]) -> str:
    """Markdown."""
    header = ["clients", "", "requests/s", "RTFx", *(f"p{p}, ms" for p in PERCENTILES)]
    header += ["rows a batch", "requests", "errors", "other texts"]
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
    lines = [header, ["---:", "---", *["---:"] * (len(header) - 2)], *rows]
    text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    if (most := max(level.other_share for level in levels)) > BUSY:
        text += f"\nOther programs took up to {most:.1f} processors meanwhile.\n"
    return text


def plot(levels: Sequence[Level]) -> Figure:
    """Throughput, and the median and the 95th percentile of latencies, against clients."""
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
    throughput.set_ylabel("requests a second")
    latency.set_ylabel("milliseconds to the answer")
    latency.set_yscale("log")
    for axes in (throughput, latency):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({level.clients for level in levels}))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("clients at once")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    throughput.set_ylim(bottom=0)
    return figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=str(BUNDLED_MODEL), help="default: the bundled one")
    parser.add_argument("--data", default=DATA, help="a folder of audio (default: %(default)s)")
    parser.add_argument(
        "--clients",
        type=_counts,
        default=CLIENTS,
        metavar="N,…",
        help=f"how many at once (default: {','.join(map(str, CLIENTS))})",
    )
    parser.add_argument(
        "--requests",
        type=positive,
        metavar="N",
        help="of each level and repetition (default: four times the recordings)",
    )
    parser.add_argument(
        "--repetitions", type=positive, default=REPETITIONS, help="default: %(default)s"
    )
    parser.add_argument("--batch-seconds", metavar="SECONDS", help="as of `serve`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table (Markdown)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (.png or .svg)")


def _counts(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def run(args: argparse.Namespace) -> int:
    """Runs `eval load`."""
    from wav2vec2_tf.utils.files import write_whole

    from .serving import serving

    check_plot(args.plot)
    sent = recordings(args.data, args.model)
    requests = args.requests or 4 * len(sent)
    common = ["--model", f"model={args.model}"]
    if args.batch_seconds:
        common += ["--batch-seconds", args.batch_seconds]
    with serving(*([*common, *extra] for extra in WAYS.values())) as started:
        servers = dict(zip(WAYS, started, strict=True))
        levels = measure(servers, sent, args.clients, requests, args.repetitions)
    text = table(levels)
    print(text)
    if args.json:
        content = {
            "machine": machine(),
            "versions": versions_of(PACKAGES),
            "model": Path(args.model).name,
            "data": args.data,
            "recordings": len(sent),
            "audio_seconds": sum(recording.seconds for recording in sent),
            "batch_seconds": args.batch_seconds,
            "repetitions": args.repetitions,
            "levels": [to_json(level) for level in levels],
        }
        write_whole(args.json, json.dumps(content, indent=2) + "\n")
    if args.table:
        write_whole(args.table, text)
    if args.plot:
        write_plot(args.plot, plot(levels))
    return verdict(levels)


def verdict(levels: Sequence[Level]) -> int:
    """0, or `UserError` where an answer was wrong or did not come."""
    mismatches = sum(level.mismatches for level in levels)
    errors = sum(level.errors for level in levels)
    if mismatches or errors:
        raise UserError(
            f"{mismatches} answers are not what the model says alone, {errors} did not come"
        )
    return 0
