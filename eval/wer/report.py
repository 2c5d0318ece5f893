"""An evaluation as one HTML page that needs no other file.

All text is escaped, since transcripts may hold anything. Every colour has a mark beside it.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.audio import SAMPLE_RATE

from .results import Counts
from .tables import band_table, mode_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .results import Evaluation, ModeResult, UtteranceResult

WORST = 8  # utterances shown for each mode
POINTS = 12  # of a curve, at most
ERROR_GROUPS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, None))
# mode → colour (all of them 4.5 to 1 on white), marker, line, hatching
LOOKS = {
    "padded": ("#b3400f", "o", "-", ""),
    "published": ("#7a3d9a", "D", "-.", "xxx"),
    "variable": ("#0b5fa5", "s", "--", "///"),
    "masked": ("#2e6b2e", "^", ":", "..."),
}
MARKS = {"substitute": "S", "delete": "D", "insert": "I"}
GAP = "∅"

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; color: #444; }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #ccc; }
th:first-child, td:first-child { text-align: left; }
table.facts td { text-align: left; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { color: #444; }
article { border-top: 1px solid #ccc; padding: .6rem 0; }
article h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.words { display: flex; flex-wrap: wrap; gap: .3rem .15rem; margin: .4rem 0; }
.pair { display: inline-grid; grid-template-rows: auto auto 1.1em; text-align: center;
  padding: 0 .3rem; border: 1px solid transparent; border-radius: .2rem; }
.pair b { font-size: .75rem; line-height: 1.1em; }
.pair .reference { border-bottom: 1px solid #888; }
.pair del, .pair ins { text-decoration: none; }
.substitute { background: #fff3c4; border-color: #7a5c00; }
.delete { background: #fde0dc; border-color: #9c1c12; }
.delete del { text-decoration: line-through; }
.insert { background: #dbeafe; border-color: #1d4ed8; }
.insert ins { text-decoration: underline; }
"""


def render(evaluation: Evaluation) -> str:
    """Returns the page: figures, plots, the worst utterances aligned, options and versions."""
    results = list(evaluation.modes.values())
    title = f"Word error rate of {evaluation.model} on {evaluation.data}"
    seconds = f"{evaluation.length / SAMPLE_RATE:g} s"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>“padded” cuts or zero-pads every utterance to {evaluation.length} samples "
        f"({seconds}), as the published models were used; “published” is the same, scored against "
        "the first 256 characters of each reference, as the published evaluation did it; “masked” "
        "also passes the true lengths to the model; “variable” takes every utterance whole.</p>",
        "<h2>Figures</h2>",
        _table(
            *mode_table(evaluation),
            caption=f"“Fitting” utterances are no longer than {seconds}. RTFx is seconds of audio "
            "(whole utterances, also where they were cut) per second of computing, compilation "
            "included; shapes are the distinct input shapes.",
        ),
        "<h2>By duration</h2>",
        _table(*band_table(evaluation), caption="Word error rate by duration of the utterance"),
        _figure(
            "duration",
            _duration_plot(results, evaluation.length),
            "Word error rate against duration: each point pools utterances of similar duration; "
            f"the vertical line is the fixed length, {seconds}.",
        ),
        "<h2>Distribution of errors</h2>",
        _figure("errors", _error_plot(results), "Utterances by their number of wrong words."),
        "<h2>Worst utterances</h2>",
        "<p>Above the line the reference, below it the hypothesis. "
        "<b>S</b> substituted, <b>D</b> deleted, <b>I</b> inserted.</p>",
        *(_worst(result) for result in results),
        "<h2>How it was measured</h2>",
        _facts("Options", evaluation.options),
        _facts("Versions", evaluation.versions),
        _facts(
            "Text",
            {
                "letters": evaluation.letters,
                "characters that the model cannot spell": evaluation.unspellable or "none",
            },
        ),
        _facts("Skipped utterances", evaluation.failed) if evaluation.failed else "",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def alignment(row: UtteranceResult) -> list[tuple[str, str, str]]:
    """Returns jiwer's alignment as (kind, reference word, hypothesis word), "" for no word.

    The kinds are jiwer's: equal, substitute, delete, insert.
    """
    import jiwer

    output = jiwer.process_words([row.reference], [row.hypothesis])
    reference, hypothesis = output.references[0], output.hypotheses[0]
    pairs = []
    for chunk in output.alignments[0]:
        left = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        right = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        size = max(len(left), len(right))
        left, right = left or [""] * size, right or [""] * size
        pairs += [(chunk.type, a, b) for a, b in zip(left, right, strict=True)]
    return pairs


def _table(header: list[str], rows: list[list[str]], *, caption: str) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _facts(name: str, facts: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(_plain(value))}</td></tr>\n'
        for key, value in facts.items()
    )
    return f'<table class="facts"><caption><b>{escape(name)}</b></caption>\n{rows}</table>'


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key!r}: {count}" for key, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not given" if value is None else str(value)


def _worst(result: ModeResult) -> str:
    wrong = [row for row in result.rows if row.errors]
    wrong.sort(key=lambda row: (-row.errors, row.words, row.id))
    shown = "\n".join(_article(row) for row in wrong[:WORST]) or "<p>No utterance has errors.</p>"
    return f"<h3>Mode “{escape(result.mode)}”</h3>\n{shown}"


def _article(row: UtteranceResult) -> str:
    notes = f"{row.errors} errors in {row.words} words, {row.seconds:.2f} s"
    if row.truncated:
        notes += ", cut to the fixed length"
    pairs = "\n".join(_pair(*pair) for pair in alignment(row))
    return (
        f'<article><h3>{escape(row.id)}: {notes}</h3>\n<div class="words">{pairs}</div></article>'
    )


def _pair(kind: str, reference: str, hypothesis: str) -> str:
    above, below = escape(reference or GAP), escape(hypothesis or GAP)
    if kind == "delete":
        above = f"<del>{above}</del>"
    elif kind == "insert":
        below = f"<ins>{below}</ins>"
    mark = MARKS.get(kind, "")
    return (
        f'<span class="pair {kind}"><span class="reference">{above}</span>'
        f"<span>{below}</span><b>{mark}</b></span>"
    )


# Plots


def _duration_plot(results: list[ModeResult], length: int) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    for result in results:
        colour, marker, line, _ = LOOKS[result.mode]
        rows = sorted(result.rows, key=lambda row: row.seconds)
        size = -(-len(rows) // POINTS)
        groups = [Counts.of(rows[start : start + size]) for start in range(0, len(rows), size)]
        axes.plot(
            [group.audio_seconds / group.utterances for group in groups],
            [100 * (group.wer or 0.0) for group in groups],
            color=colour,
            marker=marker,
            linestyle=line,
            label=result.mode,
        )
    axes.axvline(length / SAMPLE_RATE, color="#555", linewidth=1)
    axes.set(xlabel="duration (s)", ylabel="word error rate (%)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(title="mode")
    return figure


def _error_plot(results: list[ModeResult]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(results)
    for place, result in enumerate(results):
        colour, _, _, hatch = LOOKS[result.mode]
        errors = [row.errors for row in result.rows]
        heights = [
            sum(low <= count and (high is None or count <= high) for count in errors)
            for low, high in ERROR_GROUPS
        ]
        axes.bar(
            [group + (place - (len(results) - 1) / 2) * width for group in range(len(heights))],
            heights,
            width,
            color=colour,
            edgecolor="white",
            hatch=hatch,
            label=result.mode,
        )
    names = [_group_name(low, high) for low, high in ERROR_GROUPS]
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="wrong words in the utterance", ylabel="utterances")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(title="mode")
    return figure


def _group_name(low: int, high: int | None) -> str:
    if high is None:
        return f"≥ {low}"
    return str(low) if low == high else f"{low} to {high}"


def _figure(name: str, figure: Figure, caption: str) -> str:
    """Returns a plot as SVG in the page, with text as text and ids that begin with `name`."""
    import matplotlib

    buffer = io.StringIO()
    # a fixed salt: the same figures give the same page
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]  # no XML prologue inside HTML
    drawing = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", drawing)
    label = f'<svg role="img" aria-label="{escape(caption)}"'
    drawing = drawing.replace("<svg", label, 1)
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"
