"""An evaluation as tables of text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from .results import Counts, Evaluation

Table = tuple[list[str], list[list[str]]]
"""A header and rows of as many cells."""


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Returns the figures of an evaluation, without the utterances."""

    def counts(sums: Counts) -> dict[str, Any]:
        return {"wer": sums.wer, "cer": sums.cer, **asdict(sums)}

    content = asdict(evaluation)
    content["modes"] = {
        mode: {
            **counts(result.counts),
            "compute_seconds": result.compute_seconds,
            "first_call_seconds": result.first_call_seconds,
            "rtfx": result.rtfx,
            "shapes": result.shapes,
            "fitting": counts(result.fitting),
            "bands": [
                {"above": band.above, "upto": band.upto, **counts(band.counts)}
                for band in result.bands
            ],
        }
        for mode, result in evaluation.modes.items()
    }
    return content


def utterance_table(evaluation: Evaluation, suffix: str) -> str:
    """Returns a row for each utterance and mode, as `.csv` or `.jsonl`."""
    rows = [
        {**asdict(row), "wer": row.errors / row.words}
        for result in evaluation.modes.values()
        for row in result.rows
    ]
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def percent(rate: float | None) -> str:
    """Returns a rate in percent, without the sign; a dash for None."""
    return "-" if rate is None else f"{100 * rate:.2f}"


def mode_table(evaluation: Evaluation) -> Table:
    """Returns the main table: a row for each mode."""
    header = ["mode", "WER %", "CER %", "words", "substituted", "deleted", "inserted"]
    header += ["utterances", "truncated", "audio s", "RTFx", "shapes", "WER % of fitting"]
    rows = []
    for mode, result in evaluation.modes.items():
        sums = result.counts
        rows.append(
            [
                mode,
                percent(sums.wer),
                percent(sums.cer),
                *map(str, (sums.words, sums.substitutions, sums.deletions, sums.insertions)),
                *map(str, (sums.utterances, sums.truncated)),
                f"{sums.audio_seconds:.1f}",
                f"{result.rtfx:.2f}",
                str(len(result.shapes)),
                percent(result.fitting.wer),
            ]
        )
    return header, rows


def band_table(evaluation: Evaluation) -> Table:
    """Returns the WER by duration: a row for each band, a column for each mode."""
    modes = [{band.name: band.counts for band in r.bands} for r in evaluation.modes.values()]
    header = ["duration", "utterances", *(f"{mode} WER %" for mode in evaluation.modes)]
    # a mode may leave out all utterances of a band, and the one with the most leaves out none
    names = max(modes, key=len)
    rows = [
        [
            name,
            str(max(mode[name].utterances for mode in modes if name in mode)),
            *(percent(mode[name].wer if name in mode else None) for mode in modes),
        ]
        for name in names
    ]
    return header, rows


def aligned(header: list[str], rows: list[list[str]]) -> str:
    """Returns a table as text in columns, the first to the left and all others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )
