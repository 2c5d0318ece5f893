"""Times as JSON, tables and a plot, and our systems beside the best of the others."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.errors import UserError

from ..machine import BUSY
from ..outputs import markdown_table
from .results import TOLERANCE, SystemResult, WorkResult
from .systems import FLOAT32, INT8, SYSTEMS
from .workloads import CORPUS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPARED_LOADERS = {FLOAT32: ("saved_model", "finetune", ""), INT8: ("litert",)}
"""Loaders of our own formats, by precision: a format of others' is not compared with them."""


def to_json(result: WorkResult) -> dict[str, Any]:
    """Returns all figures of one work."""
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
    """One of our figures beside another's: a ratio below 1 is better."""

    what: str
    ours: str
    value: float
    other: str
    other_value: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the other's."""
        return self.value / self.other_value


def comparisons(results: Sequence[WorkResult], config: Config) -> list[Comparison]:
    """Compares the best of our systems with the best of the others."""
    found = []
    for result in results:
        found += _comparisons(result)
        if result.work.kind == CORPUS:
            found += _against_padding(result, config)
    return found


def _comparisons(result: WorkResult) -> list[Comparison]:
    key = result.work.key
    timed = [row for row in result.rows if row.median and row.exact]
    peers = [row for row in timed if not row.ours]
    ours = {
        precision: [row for row in timed if row.precision == precision and _is_compared(row)]
        for precision in COMPARED_LOADERS
    }
    found = []
    for precision, mine in ours.items():
        theirs = [row for row in peers if row.precision == precision]
        if mine and theirs:
            found.append(_compared(f"{key}: {precision}, s", _fastest(mine), _fastest(theirs)))
    if ours[INT8] and ours[FLOAT32]:
        pair = _fastest(ours[INT8]), _fastest(ours[FLOAT32])
        found.append(_compared(f"{key}: our int8 beside our float32, s", *pair))
    torch = [row for row in peers if row.system.startswith("pytorch") and row.peak_bytes]
    if key == "a" and torch and ours[FLOAT32]:
        fastest = _fastest(ours[FLOAT32])
        least = min(torch, key=lambda row: row.peak_bytes or 0)
        sizes = (fastest.peak_bytes or 0) / 1e6, (least.peak_bytes or 0) / 1e6
        what = f"{key}: peak memory, MB"
        found.append(Comparison(what, fastest.system, sizes[0], least.system, sizes[1]))
    return found


def _against_padding(result: WorkResult, config: Config) -> list[Comparison]:
    """Compares batches of near-equal lengths with padding to the published length."""
    exact = [row for row in result.rows if row.median and row.exact and _is_compared(row)]
    padded = [row for row in result.rows if row.median and not row.exact]
    if not exact or not padded:
        return []
    compared = _compared("d: exact beside padded, s", _fastest(exact), _fastest(padded))
    note = f"{1 / compared.ratio:.2f} × as fast; operations: {flop_ratio(result, config):.2f} ×"
    return [replace(compared, note=note)]


def _is_compared(row: SystemResult) -> bool:
    return row.ours and SYSTEMS[row.system].loader in COMPARED_LOADERS[row.precision]


def _fastest(rows: Sequence[SystemResult]) -> SystemResult:
    return min(rows, key=lambda row: statistics.median(row.seconds))


def _compared(what: str, mine: SystemResult, other: SystemResult) -> Comparison:
    return Comparison(what, mine.system, _median(mine), other.system, _median(other))


def _median(row: SystemResult) -> float:
    return statistics.median(row.seconds)


def flop_ratio(result: WorkResult, config: Config) -> float:
    """Returns the operations of a corpus padded to the published length over those unpadded."""
    from wav2vec2_tf.models.flops import flops

    each = sum(flops(config, result.work.length, ctc=True).values())
    assert result.flops is not None
    return result.work.batch * each / result.flops


# Tables

HEADER = (
    *("system", "", "median s", "range s", "RTFx", "of limit", "peak MB", "load s", "first s"),
    *("max Δ", "same"),
)


def table(result: WorkResult) -> list[str]:
    """Returns the lines of the table of one work (Markdown)."""

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
    return [
        f"### {result.work.title}",
        "",
        *markdown_table(list(HEADER), rows, left=2),
        "",
        *busy,
    ]


def report(
    results: Sequence[WorkResult], content: dict[str, Any], compared: Sequence[Comparison]
) -> str:
    """Returns the page with all tables (Markdown).

    Args:
        results: of each work.
        content: machine, versions and repetitions, as the JSON has them.
        compared: see `comparisons`.
    """
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
    "is seconds of audio per second. Peak is the most that was resident in the process from its "
    "start, files mapped into memory included. “Load” is from the start of the process until the "
    "system could be called. Max Δ and the share of frames with the same best token are against "
    "PyTorch's eager logits (of training, the loss). The limit is the model's multiplications and "
    "additions at the rate of the fastest float32 matrix product that PyTorch, TensorFlow or NumPy "
    "reached in the same repetitions."
]


def plot(results: Sequence[WorkResult]) -> Figure:
    """Draws the medians as horizontal bars, a panel for each work."""
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


def verdict(results: Sequence[WorkResult]) -> int:
    """Returns 0; raises `UserError` if a float32 system differs from the reference."""
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
