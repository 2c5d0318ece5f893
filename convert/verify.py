"""PyTorch on SOURCE beside this library on OUT: the same numbers, part by part.

SOURCE is the PyTorch checkpoint; OUT what `convert torch` made of it, or a SavedModel made of that.
Prints a table, writes the certificate OUT/parity.json, and exits with 1 beyond the tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

if TYPE_CHECKING:
    from .parity import Comparison

TOLERANCE = 2e-4
"""Largest |Δ| of the last hidden state and the logits, in float32."""
PARITY_FILE = "parity.json"
PROVEN = (
    "The names of fairseq's tensors are proven on files that fairseq itself wrote, with what it "
    "computes from them (tests/checkpoint/test_fairseq.py)."
)
UNPROVEN = (
    "The names of fairseq's tensors are taken from transformers' conversion and unproven: no file "
    "that fairseq wrote of this family was at hand. Both sides have them from the same table."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", help="the PyTorch checkpoint: folder, Hugging Face id, or fairseq's .pt file"
    )
    parser.add_argument("out", help="what `convert torch` made of it, or a SavedModel made of that")
    parser.add_argument("--json", type=Path, help=f"by default OUT/{PARITY_FILE}")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s")
    parser.add_argument(
        "--dtypes",
        nargs="+",
        default=[],
        choices=["bfloat16", "float16"],
        help="also report how far inference in these is from float32",
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language that OUT has, of MMS models"
    )
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.files import whole_file

    path = args.json or Path(args.out) / PARITY_FILE
    path.unlink(missing_ok=True)  # an earlier one says nothing of what is there now
    parity = verify(
        args.source,
        args.out,
        tolerance=args.tolerance,
        dtypes=args.dtypes,
        target_lang=args.target_lang,
        **hub_options(args),
    )
    print(table(parity))
    # JSON has no NaN
    content = json.loads(json.dumps(asdict(parity)), parse_constant=lambda _: None)
    with whole_file(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if not parity.equal:
        print(f"error: {args.out} differs from {args.source}; see {path}", file=sys.stderr)
        return 1
    print(f"equal within {parity.tolerance:g}; {path}")
    return 0


@dataclass(frozen=True)
class Parity:
    """The certificate."""

    source: str
    family: str
    """The config's `model_type`."""
    head: str
    """How transformers' name of the class ends."""
    kind: str
    """What was compared: a Keras model or a SavedModel."""
    target_lang: str | None
    equal: bool
    tolerance: float
    max_difference: float
    """Of what the head is for: the logits, or the last hidden state where there is no head."""
    comparisons: tuple[Comparison, ...]
    half_precision: dict[str, tuple[Comparison, ...]]
    """By type, against float32 here: reported, not judged."""
    inputs: tuple[dict[str, str | int], ...]
    versions: dict[str, str]
    sha256: dict[str, str]
    """Of SOURCE's files of weights."""
    notes: tuple[str, ...]


def verify(
    source: str,
    out: str,
    *,
    tolerance: float = TOLERANCE,
    dtypes: Sequence[str] = (),
    target_lang: str | None = None,
    **hub: Any,
) -> Parity:
    """Run both and compare.

    Raises:
        UserError: one of them does not load, or they are not of one family.
    """
    try:
        import torch
        import transformers
    except ImportError:
        raise UserError(
            "PyTorch and transformers are the reference: pip install 'wav2vec2-tf[convert]'"
        ) from None
    import numpy as np
    import tensorflow as tf

    import wav2vec2_tf
    from wav2vec2_tf.auto import MODELS
    from wav2vec2_tf.families import family_of, head_named
    from wav2vec2_tf.pretrained import SAVED_MODEL_FACTS, open_model, read_config
    from wav2vec2_tf.provenance import hashes
    from wav2vec2_tf.sources import resolve

    from . import parity
    from .source import head_of

    made = Path(out).expanduser()
    if not made.is_dir():
        raise UserError(f"{out}: no such folder; give what `convert torch` or `saved-model` made")
    is_saved_model = (made / "saved_model.pb").is_file()
    place = made / SAVED_MODEL_FACTS if is_saved_model else made
    config = read_config(place)
    folder = resolve(source, **hub)
    language, theirs_by_default = _language(place), _language(folder)
    if language != (target_lang or theirs_by_default) and language is not None:
        raise UserError(f"{out} is of the language {language!r}: pass --target-lang {language}")
    their_config, checkpoint = open_model(source, target_lang=target_lang, **hub)
    if their_config.model_type != config.model_type:
        raise UserError(
            f"{out} is of the family {config.model_type}, and {source} of "
            f"{their_config.model_type}: name the checkpoint that it was made of"
        )
    head = head_named(config) if is_saved_model else head_of(made)
    if head is None:
        raise UserError(f"{out}: its config.json names no class, so it is no SavedModel of ours")
    ours: parity.Ours | parity.Exported
    if is_saved_model:
        if dtypes:
            raise UserError(f"{out}: a SavedModel has one type; --dtypes is for Keras models")
        ours = parity.Exported(made, head)
    else:
        ours = parity.Ours(MODELS[head].from_pretrained(made))
    with ExitStack() as stack:
        if not folder.is_dir():  # transformers does not read it
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "converted"
            _convert(source, folder, head)
        kind = family_of(config).architecture(head)
        theirs = parity.Theirs.load(folder, kind, target_lang)

    inputs = parity.utterances(config, head, ours.length)
    compared = tuple(parity.compare_models(theirs, ours, config, head, inputs, tolerance))
    half = {}
    for dtype in dtypes:
        assert isinstance(ours, parity.Ours)
        other = parity.Ours(MODELS[head].from_pretrained(made, dtype=dtype))
        half[dtype] = tuple(parity.compare_half(ours, other, inputs[0]))
    return Parity(
        source=str(source),
        family=config.model_type,
        head=head,
        kind=_kind(ours.length) if is_saved_model else "Keras model",
        target_lang=target_lang,
        equal=all(c.passes for c in compared),
        tolerance=tolerance,
        max_difference=parity.largest(compared, head),
        comparisons=compared,
        half_precision=half,
        inputs=tuple({"name": u.name, "samples": len(u.speech), **u.origin} for u in inputs),
        versions={m.__name__: m.__version__ for m in (torch, transformers, tf, np, wav2vec2_tf)},
        sha256=hashes(checkpoint.files),
        notes=tuple(_notes(checkpoint)),
    )


def _language(folder: Path) -> str | None:
    """Of the vocabularies in a model's folder, the one that counts (MMS)."""
    from wav2vec2_tf.files import read_json
    from wav2vec2_tf.tokenizer import CONFIG_FILE

    path = folder / CONFIG_FILE
    return read_json(path).get("target_lang") if path.is_file() else None


def _kind(length: int | None) -> str:
    return f"SavedModel, {f'{length} samples' if length else 'any length'}"


def _convert(source: str, folder: Path, head: str) -> None:
    """A checkpoint in one file → a folder that transformers loads."""
    from .huggingface import convert
    from .options import HEAD_OPTIONS

    words = {name: word for word, name in HEAD_OPTIONS.items()}
    convert(source, folder, head=words[head])


def _notes(checkpoint: Any) -> list[str]:
    notes = [
        "The reference is transformers' PyTorch model in float32, one utterance at a time.",
        "Inner states are held to the tolerance times their own magnitude, where that is over 1.",
    ]
    if checkpoint.settings is not None:
        notes.append(PROVEN if checkpoint.settings.proven else UNPROVEN)
    elif checkpoint.path.is_file():
        notes.append("SOURCE is one file: transformers was given a copy that this library wrote.")
    return notes


def table(parity: Parity) -> str:
    """One line a comparison."""
    lines = [
        f"{'input':28} {'part':26} {'max |Δ|':>9} {'mean |Δ|':>9} {'of at most':>10} "
        f"{'flips':>5} {'frames':>6}"
    ]
    rows = [(c.input, c) for c in parity.comparisons]
    for dtype, comparisons in parity.half_precision.items():
        rows += [(f"{dtype}: {c.input}", c) for c in comparisons]
    for name, c in rows:
        mark = "" if c.passes else "  ← beyond tolerance"
        lines.append(
            f"{name:28} {c.part:26} {c.max_difference:9.2e} {c.mean_difference:9.2e} "
            f"{c.scale:10.3g} {c.argmax_flips:5} {c.frames:6}{mark}"
        )
    return "\n".join([*lines, *parity.notes])
