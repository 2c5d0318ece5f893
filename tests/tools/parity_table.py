"""Writes docs/parity.md from the figures that tests/full_size measured, and prints it.

`python -m tests.tools.parity_table FIGURES.jsonl OUT.md`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

INTRODUCTION = """\
# Parity with PyTorch

Made by `make verify`: the figures are those of its last whole run, with random weights, every one
of them perturbed. Each is the largest difference (|Δ|) from transformers' PyTorch model, run one
utterance at a time in float32 with its plain attention, over utterances alone and over a ragged
batch of them with NaN where it is padded. What passes: 2e-4, and no token that differs where
PyTorch's margin exceeds twice that.
"""
PUBLISHED = """\
## The published sizes

With a CTC head, on two seconds of speech and on a single frame. `flips` are frames whose best token
differs beyond the margin.
"""
BERT = "Wav2Vec2-BERT's log-mel features differ from transformers' by at most {:.1e} (1e-3 passes)."
MEMORY = "Converting `{}` from a {} file takes {:.2f} times its size in memory (1.3 passes)."
WHOLE = "`{}` at its full depth, {:.0f} M parameters, was loaded and run here alone."
HALF = """\
## Half precision

Logits of `dtype=` against float32 here, on two seconds of speech: reported, not judged.
"""
FORMATS = """\
## Every family, head and format

Models of under 100,000 parameters with every part of their family, on a single frame and on 6,000
samples of noise. The figure is of what the head is for: the last hidden state without one,
projected states in pre-training, x-vectors, and logits of the others.

`fairseq`: for wav2vec2 the files are fairseq's own and the difference is from what fairseq itself
computed: logits and hidden states for CTC, in both norm styles; hidden states of the pre-trained
file, whose projections fairseq did not record. For HuBERT and data2vec no such file was at hand:
the names of their tensors are taken from transformers' conversion and are unproven.
"""
LANGUAGES = "Adapters of a language (MMS, wav2vec2 with CTC), by `target_lang=`: {}."
HEADS = {
    "Model": "none",
    "ForCTC": "CTC",
    "ForPreTraining": "pre-training",
    "ForSequenceClassification": "sequence classification",
    "ForAudioFrameClassification": "frame classification",
    "ForXVector": "x-vector",
}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def document(figures: Sequence[dict[str, Any]]) -> str:
    """Returns the page for rows of `tests/full_size/conftest.record`."""

    def of(table: str) -> list[dict[str, Any]]:
        return [row for row in figures if row["table"] == table]

    published = list({row["checkpoint"]: row for row in of("published")}.values())
    formats = of("formats")
    columns = ["family", "checkpoint", "parameters", "last hidden state", "logits", "flips"]
    rows = [
        [
            *(row["family"], row["checkpoint"], f"{row['parameters'] / 1e6:.0f} M"),
            *(f"{row['last_hidden_state']:.1e}", f"{row['logits']:.1e}", str(row["flips"])),
        ]
        for row in published
    ]
    parts = [INTRODUCTION, PUBLISHED, markdown(columns, rows)]
    notes = [
        MEMORY.format(row["checkpoint"], row["container"], row["taken"] / row["size"])
        for row in of("memory")
    ]
    notes += [WHOLE.format(row["checkpoint"], row["parameters"] / 1e6) for row in of("whole")]
    notes += [BERT.format(row["log_mel"]) for row in published if row["log_mel"] is not None]
    parts += [note + "\n" for note in notes]
    rows = [
        [row["checkpoint"], dtype, f"{difference:.1e}", str(flips)]
        for row in published
        for dtype, (difference, flips) in row["half"].items()
    ]
    parts += [HALF, markdown(["checkpoint", "type", "logits", "tokens that differ"], rows)]
    measured: dict[tuple[str, str], dict[str, float]] = {}
    for row in formats:
        cells = measured.setdefault((row["family"], row["head"]), {})
        cells[row["format"]] = max(row["difference"], cells.get(row["format"], 0.0))
    names = list(dict.fromkeys(row["format"] for row in formats))
    languages = [name for name in names if "LANG" in name]
    names = [name for name in names if name not in languages]
    rows = [
        [family, HEADS[head], *(f"{cells[n]:.1e}" if n in cells else "" for n in names)]
        for (family, head), cells in measured.items()
    ]
    parts += [FORMATS, markdown(["family", "head", *names], rows)]
    texts = [
        f"`{n}` {cells[n]:.1e}" for n in languages for cells in measured.values() if n in cells
    ]
    return "\n".join([*parts, *([LANGUAGES.format(", ".join(texts)) + "\n"] if texts else [])])


if __name__ == "__main__":
    source, out = map(Path, sys.argv[1:])
    text = document([json.loads(line) for line in source.read_text("utf-8").splitlines()])
    out.parent.mkdir(exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(text)
