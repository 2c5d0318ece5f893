"""Times this library against PyTorch, ONNX Runtime and OpenVINO: the same random base-size weights,
inputs and threads, calls in turn, and the limit that the machine's matrix products set.

Work: a (batch 1 at 246000 samples), b (batch 1 at 80000), c (batch 4 at 246000), d (a corpus with
the durations of LibriSpeech test-clean), training (one step), cold (first result of a process).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.programs import positive
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError, did_you_mean

from .contestants import FLOAT32, INT8, REFERENCE, SYSTEMS
from .versions import versions_of
from .workloads import CORPUS, QUICK_WORKS, WORKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wav2vec2_tf.models.config import Config

    from .contestants import System
    from .timing import Result, Row
    from .workloads import Work

REPETITIONS = 7
BUSY = 0.1  # processors taken by other programs from which on it is said
CHAMPIONS = {FLOAT32: ("saved_model", "finetune", ""), INT8: ("litert",)}
"""Loaders of ours that are to win, by precision: to ship a peer's format is not to beat it."""
PACKAGES = (
    *("wav2vec2-tf", "tensorflow", "keras", "numpy", "torch", "transformers", "onnxruntime"),
    *("openvino", "nncf", "ai-edge-litert"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--work", help="a,b,c,d,training,cold: which to time, of these (default: all)"
    )
    parser.add_argument("--systems", help="which to time, by comma (default: all; --list)")
    parser.add_argument("--list", action="store_true", help="say which systems there are, and end")
    parser.add_argument(
        "--model", type=Path, help="folder of a CTC model that transformers loads, too (default: a "
        "random one of base's size)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=positive, help="of every system, pinned to as many cores (default: all)"
    )
    parser.add_argument(
        "--repetitions", type=positive, help=f"timed calls each (default: {REPETITIONS})"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the bundled small model and short inputs: to try it out",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER",
        help="keep the model and what is made of it here, for the next run (1 to 7 GB)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the tables (Markdown)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times (.png or .svg)")


def run(args: argparse.Namespace) -> int:
    if args.list:
        for key, system in SYSTEMS.items():
            print(f"{key:24} {system.label}")
        return 0
    works = _chosen("--work", args.work, QUICK_WORKS if args.quick else WORKS)
    systems = _chosen("--systems", args.systems, SYSTEMS)
    if args.quick:
        systems = [replace(each, options=each.options | each.quick_options) for each in systems]
    _check(args, systems)
    repetitions = args.repetitions or (1 if args.quick else REPETITIONS)
    results: list[Result] = []
    page = ""
    hardware, software = machine(), versions_of(PACKAGES)
    with _folder(args.keep) as folder, _pinned(args.threads) as threads:
        for result, config in _measure(args, folder, works, systems, threads, repetitions):
            results.append(result)  # what is done is kept, should the rest come to nothing
            compared = comparisons(results, config)
            content = {
                "machine": {**hardware, "threads": threads},
                "versions": software,
                "model": {"name": _model_name(args), "config": config.to_dict()},
                "repetitions": repetitions,
                "quick": args.quick,
                "work": {result.work.key: to_json(result) for result in results},
                "comparisons": [{**asdict(found), "ratio": found.ratio} for found in compared],
            }
            page = report(results, content, compared)
            _write(args.json, json.dumps(content, indent=2) + "\n")
            _write(args.table, page)
    print(page)
    if args.plot:
        write_plot(args.plot, plot(results))
    return verdict(results)


def _measure(
    args: argparse.Namespace,
    folder: Path,
    works: Sequence[Work],
    systems: Sequence[System],
    threads: int,
    repetitions: int,
) -> Iterator[tuple[Result, Config]]:
    from wav2vec2_tf.models.pretrained import read_config

    from .timing import Stopwatch

    _place_model(folder, args.model or (BUNDLED_MODEL if args.quick else None))
    config = read_config(folder / "model")
    stopwatch = Stopwatch(
        folder, config, threads=threads, repetitions=repetitions, shared=args.quick
    )
    try:
        failed = stopwatch.make(systems, works)
        for work in works:
            result = stopwatch.run(work, systems, failed)
            if result.rows:
                yield result, config
    finally:
        stopwatch.close()


def _place_model(folder: Path, given: Path | None) -> None:
    """`folder/model`: the given one, or the random one, made in a process of its own."""
    from .measure import say
    from .worker import Worker, WorkerError

    place = folder / "model"
    if given:
        if not (given / "config.json").is_file():
            raise UserError(f"--model {given}: no config.json there; name a model folder")
        if place.exists() and place.resolve() != given.resolve():
            raise UserError(f"{place}: is another model; name another folder to --keep")
        if not place.exists():
            place.symlink_to(given.resolve())
        return
    if place.exists():
        return
    say("draws a random model")
    with Worker(os.cpu_count() or 1, folder / "workers.log") as worker:
        try:
            worker.load("model", "artefacts:random_model", folder=place)
        except WorkerError as error:
            raise UserError(f"no model could be made: {error}") from None


def _model_name(args: argparse.Namespace) -> str:
    if args.model:
        return str(args.model.name)
    return "the bundled one" if args.quick else "random, of base's size"


def _chosen(option: str, text: str | None, known: dict[str, Any]) -> list[Any]:
    """The values that are named, in the order of the table."""
    if text is None:
        return list(known.values())
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise UserError(f"{option}: no {name!r}{near}; known: {', '.join(known)}")
    return [value for key, value in known.items() if key in names]


def _check(args: argparse.Namespace, systems: Sequence[System]) -> None:
    """Finds out before the long work what would stop it at the end."""
    from .timing import missing

    asked = systems if args.systems else []
    for system in [SYSTEMS[REFERENCE], *asked]:  # the others get a row that says so
        if reason := missing(system):
            raise UserError(f"{system.key} {reason}")
    check_plot(args.plot)
    for path in (args.json, args.table, args.plot):
        if path and path.is_dir():
            raise UserError(f"{path}: is a folder; name a file")
    available = len(os.sched_getaffinity(0))
    if args.threads and args.threads > available:
        raise UserError(f"--threads {args.threads}: there are {available} cores")


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
    """This process, and so all its children, on as many cores as there are threads."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)[:threads]
    os.sched_setaffinity(0, cores)
    try:
        yield len(cores)
    finally:
        os.sched_setaffinity(0, before)


def _write(path: Path | None, text: str) -> None:
    from wav2vec2_tf.utils.files import write_whole

    if path:
        write_whole(path, text)


def check_plot(path: Path | None) -> None:
    """Raise `UserError` for a name of which no picture can be made."""
    if path and path.suffix not in (".png", ".svg"):
        raise UserError(f"--plot {path}: the name must end in .png or .svg")


def write_plot(path: Path, figure: Any) -> None:
    from wav2vec2_tf.utils.files import whole_file

    with whole_file(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], dpi=120)


def verdict(results: Sequence[Result]) -> int:
    """0, or `UserError` where a float32 system is not exact."""
    from .timing import TOLERANCE

    off = [
        f"{row.system} at {result.work.key} by {row.difference:.2g}"
        for result in results
        for row in result.rows
        if row.precision == FLOAT32
        and row.difference is not None
        and not row.difference <= TOLERANCE
    ]
    if off:
        raise UserError(f"differs from PyTorch by more than {TOLERANCE}: {', '.join(off)}")
    return 0


# What was measured


def machine() -> dict[str, Any]:
    """What there is to compute with; nothing that names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": 1024 * int(memory),
        "system": f"{platform.system()} {platform.machine()}",
    }


def to_json(result: Result) -> dict[str, Any]:
    limit = result.limit_seconds
    return {
        "title": result.work.title,
        **asdict(result.work),
        "audio_seconds": result.audio_seconds,
        "flops": result.flops,
        "gemm_flops": result.gemm_flops,
        "limit_seconds": limit,
        "idle_share": result.idle_share,
        "other_share": result.other_share,
        "systems": {
            row.system: {
                **asdict(row),
                "median": row.median,
                "rtfx": row.median and result.audio_seconds / row.median,
                "of_limit": limit and row.median and limit / row.median,
            }
            for row in result.rows
        },
    }


@dataclass(frozen=True)
class Comparison:
    """Ours beside another's: a ratio below 1 is ahead."""

    what: str
    ours: str
    value: float
    other: str
    other_value: float
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.value / self.other_value


def comparisons(results: Sequence[Result], config: Config) -> list[Comparison]:
    """What issue and README ask: our champions against the best of the others."""
    found = []
    for result in results:
        found += _comparisons(result)
        if result.work.kind == CORPUS:
            found += _against_padding(result, config)
    return found


def _comparisons(result: Result) -> list[Comparison]:
    key = result.work.key
    timed = [row for row in result.rows if row.median and row.exact]
    peers = [row for row in timed if not row.ours]
    ours = {
        precision: [row for row in timed if row.precision == precision and _is_champion(row)]
        for precision in CHAMPIONS
    }
    found = []
    for precision, champions in ours.items():
        theirs = [row for row in peers if row.precision == precision]
        if champions and theirs:
            found.append(_compared(f"{key}: {precision}, s", _fastest(champions), _fastest(theirs)))
    if ours[INT8] and ours[FLOAT32]:
        pair = _fastest(ours[INT8]), _fastest(ours[FLOAT32])
        found.append(_compared(f"{key}: our int8 beside our float32, s", *pair))
    torch = [row for row in peers if row.system.startswith("pytorch") and row.peak_bytes]
    if key == "a" and torch and ours[FLOAT32]:
        mine = _fastest(ours[FLOAT32])
        least = min(torch, key=lambda row: row.peak_bytes or 0)
        values = (mine.peak_bytes or 0) / 1e6, (least.peak_bytes or 0) / 1e6
        found.append(
            Comparison(f"{key}: peak memory, MB", mine.system, values[0], least.system, values[1])
        )
    return found


def _against_padding(result: Result, config: Config) -> list[Comparison]:
    """What is gained by not padding every utterance to the published length."""
    exact = [row for row in result.rows if row.median and row.exact and _is_champion(row)]
    padded = [row for row in result.rows if row.median and not row.exact]
    if not exact or not padded:
        return []
    compared = _compared("d: exact beside padded, s", _fastest(exact), _fastest(padded))
    note = f"{1 / compared.ratio:.2f} × as fast; operations: {flop_ratio(result, config):.2f} ×"
    return [replace(compared, note=note)]


def _is_champion(row: Row) -> bool:
    """Whether it is with this one that we want to win, rather than with a peer's own format."""
    return row.ours and SYSTEMS[row.system].loader in CHAMPIONS[row.precision]


def _fastest(rows: Sequence[Row]) -> Row:
    return min(rows, key=lambda row: statistics.median(row.seconds))


def _compared(what: str, mine: Row, other: Row) -> Comparison:
    return Comparison(what, mine.system, _median(mine), other.system, _median(other))


def _median(row: Row) -> float:
    return statistics.median(row.seconds)


def flop_ratio(result: Result, config: Config) -> float:
    """Operations of a corpus padded to the published length, over those of its utterances."""
    from wav2vec2_tf.models.flops import flops

    each = sum(flops(config, result.work.length, ctc=True).values())
    assert result.flops is not None
    return result.work.batch * each / result.flops


# How it is shown

HEADER = (
    *("system", "", "median s", "range s", "RTFx", "of limit", "peak MB", "load s", "first s"),
    *("max Δ", "same"),
)


def table(result: Result) -> list[str]:
    """Markdown."""

    def number(value: float | None, form: str, scale: float = 1.0) -> str:
        return "" if value is None else format(value * scale, form)

    rows = [
        [
            f"{row.label}: {row.reason}" if row.reason else row.label,
            "ours" if row.ours else "",
            number(row.median, ".3f"),
            f"{min(row.seconds):.3f}–{max(row.seconds):.3f}" if row.seconds else "",
            number(row.median and result.audio_seconds / row.median, ".1f"),
            number(
                row.median and result.limit_seconds and result.limit_seconds / row.median, ".0%"
            ),
            number(row.peak_bytes, ".0f", 1e-6),
            number(row.load_seconds, ".1f"),
            number(row.first_seconds, ".2f"),
            number(row.difference, ".1e"),
            number(row.agreement, ".2%"),
        ]
        for row in result.rows
    ]
    if result.limit_seconds:
        rate = max(result.gemm_flops.values())
        limit = (
            f"limit: {(result.flops or 0) / 1e9:.1f} GFLOP at {rate / 1e9:.0f} GFLOP/s of float32"
        )
        rtfx = result.audio_seconds / result.limit_seconds
        rows.append([limit, "", f"{result.limit_seconds:.3f}", "", f"{rtfx:.1f}", "100%"])
    busy = [f"Other programs took {result.other_share:.1f} processors meanwhile.", ""]
    busy = busy if result.other_share > BUSY else []
    lines = [list(HEADER), ["---", "---", *["---:"] * (len(HEADER) - 2)], *rows]
    return [
        f"### {result.work.title}",
        "",
        *("| " + " | ".join([*row, *[""] * (len(HEADER) - len(row))]) + " |" for row in lines),
        "",
        *busy,
    ]


def report(
    results: Sequence[Result], content: dict[str, Any], compared: Sequence[Comparison]
) -> str:
    """All tables, with the facts that they need."""
    facts = content["machine"]
    lines = [
        "# Speed",
        "",
        f"{facts['processor']}, {facts['threads']} of {facts['cores']} cores, "
        f"{facts['memory_bytes'] / 2**30:.0f} GiB, {facts['system']}. "
        + ", ".join(f"{name} {version}" for name, version in content["versions"].items())
        + f". {content['repetitions']} repetitions, the systems in turn.",
        "",
        *(line for result in results for line in table(result)),
    ]
    if compared:
        lines += ["### Ours beside the best of the others", ""]
        lines += ["| what | ours | | other | | ratio |", "|---|---|---:|---|---:|---|"]
        lines += [
            f"| {each.what} | {each.ours} | {each.value:.4g} | {each.other} "
            f"| {each.other_value:.4g} | {each.ratio:.3f}{each.note and f' ({each.note})'} |"
            for each in compared
        ]
        lines.append("")
    lines += NOTES
    return "\n".join(lines) + "\n"


NOTES = [
    "Every system has the same weights and inputs and a process of its own. Median and range "
    "are of calls after the warm-up, whose first is “first”: tracing and compiling are in it. RTFx "
    "is seconds of audio a second. Peak is the most that was resident in the process from its "
    "start, files mapped into memory included. “Load” is from the start of the process until the "
    "system could be called. Max Δ and the share of frames with the same best token are against "
    "PyTorch's eager logits (of training, the loss). The limit is the model's multiplications and "
    "additions at the rate of the fastest float32 matrix product that PyTorch, TensorFlow or NumPy "
    "reached in the same repetitions."
]


def plot(results: Sequence[Result]) -> Any:
    """Horizontal bars, a panel for each work."""
    from matplotlib.figure import Figure

    shown = [[row for row in result.rows if row.seconds] for result in results]
    heights = [len(rows) + 2 for rows in shown]
    figure = Figure(figsize=(9, 0.32 * sum(heights) + 0.5), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, result, rows in zip(panels, results, shown, strict=True):
        times = [row.median or 0.0 for row in rows]
        looks = [("#0b5fa5", "///") if row.ours else ("#b8b8b8", "") for row in rows]
        bars = axes.barh(
            [row.label for row in rows],
            times,
            color=[colour for colour, _ in looks],
            edgecolor="white",
            hatch=[hatch for _, hatch in looks],
        )
        axes.bar_label(bars, [f"{time:.3g} s" for time in times], padding=3, fontsize=8)
        if result.limit_seconds:
            axes.axvline(result.limit_seconds, color="#b3400f", linestyle="--", linewidth=1)
        axes.set_title(result.work.title, loc="left", fontsize=10)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("median seconds (blue, hatched: ours; dashed: the float32 limit)")
    return figure
