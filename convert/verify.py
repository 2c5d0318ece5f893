"""PyTorch on SOURCE beside this library on OUT: the same numbers, part by part.

SOURCE is the PyTorch checkpoint; OUT what `convert torch` made of it, or a SavedModel made of that.
Prints a table, writes the certificate OUT/parity.json, and exits with 1 beyond the tolerance.
With --reference, PyTorch is not needed: its outputs are read from a file that --record wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.data.bundled import BUNDLED_MODEL, BUNDLED_REFERENCE
from wav2vec2_tf.utils.errors import UserError

if TYPE_CHECKING:
    from .parity import Comparison, Reference, Theirs
    from .recorded import Facts

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
EXAMPLE = f"""\
example, of the bundled model, without PyTorch:
  wav2vec2-tf convert torch {BUNDLED_MODEL} model
  wav2vec2-tf convert verify {BUNDLED_MODEL} model --reference {BUNDLED_REFERENCE}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    parser.add_argument(
        "source", help="the PyTorch checkpoint: folder, Hugging Face id, or fairseq's .pt file"
    )
    parser.add_argument("out", help="what `convert torch` made of it, or a SavedModel made of that")
    recording = parser.add_mutually_exclusive_group()
    recording.add_argument(
        "--record", type=Path, metavar="FILE", help="also write PyTorch's outputs, for --reference"
    )
    recording.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="compare with the outputs in FILE, which --record wrote, without PyTorch",
    )
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
    from wav2vec2_tf.utils.files import whole_file

    path = args.json or Path(args.out) / PARITY_FILE
    for option in ("record", "reference"):
        file = getattr(args, option)
        if file and file.resolve() == path.resolve():
            raise UserError(f"{path}: --json and --{option} name the same file: name another")
    path.unlink(missing_ok=True)  # an earlier one says nothing of what is there now
    parity = verify(
        args.source,
        args.out,
        tolerance=args.tolerance,
        dtypes=args.dtypes,
        target_lang=args.target_lang,
        record=args.record,
        reference=args.reference,
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
    """Suffix of the transformers class, such as `ForCTC`."""
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
    record: Path | None = None,
    reference: Path | None = None,
    **hub: Any,
) -> Parity:
    """Compares the outputs of `out` with those of PyTorch on `source`, live or recorded.

    Args:
        source: folder, Hugging Face id or fairseq's file; `hub` as `from_pretrained` takes it.
        out: folder of a Keras model or a SavedModel.
        tolerance: largest |Δ| of the last hidden state and the logits.
        dtypes: types whose differences from float32 are reported.
        target_lang: the language of `out`, of MMS models.
        record: file to write PyTorch's outputs to; not together with `reference`.
        reference: file to read PyTorch's outputs from; PyTorch is not imported.

    Raises:
        UserError: one of them does not load, they are not of one family, or `reference` was not
            recorded from `source` with the same head, language and inputs.
    """
    if record is not None and reference is not None:
        raise ValueError("record and reference exclude each other")
    # before TensorFlow, and before work that would be lost
    live_versions = _pytorch_versions() if reference is None else {}
    from . import recorded

    outputs = recorded.Recorded.load(reference) if reference else None
    if record is not None:
        recorded.check_replaceable(record)
    import numpy as np
    import tensorflow as tf

    import wav2vec2_tf
    from wav2vec2_tf.checkpoint.hub import resolve
    from wav2vec2_tf.export.provenance import hashes
    from wav2vec2_tf.models.auto import MODELS
    from wav2vec2_tf.models.families import family_of, head_named
    from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS, open_model, read_config

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
    inputs = parity.utterances(config, head, ours.length)
    facts = recorded.Facts(
        family=config.model_type,
        head=head,
        target_lang=target_lang,
        inputs=tuple(utterance.description for utterance in inputs),
        sha256=hashes(checkpoint.files),
        versions=outputs.facts.versions if outputs else live_versions,
    )
    notes = _notes(checkpoint)
    theirs: Reference
    if outputs is not None:
        _check_same(str(reference), outputs.facts, facts, source, out)
        theirs = outputs
        notes.append(
            f"PyTorch's outputs were recorded before ({reference}): logits at every frame, other "
            f"parts at {recorded.FRAMES} frames at most."
        )
    else:
        theirs = live = _live(
            source, folder, family_of(config).architecture(head), head, target_lang
        )
        if record is not None:
            paths = parity.inner_parts(config, head)
            theirs = recorded.Recorded.of(live, facts, inputs, paths)
            theirs.save(record)

    compared = tuple(parity.compare_models(theirs, ours, config, head, inputs, tolerance))
    half = {}
    for dtype in dtypes:
        assert isinstance(ours, parity.Ours)
        other = parity.Ours(MODELS[head].from_pretrained(made, dtype=dtype))
        half[dtype] = tuple(parity.compare_half(ours, other, inputs[0]))
    here = {module.__name__: module.__version__ for module in (tf, np, wav2vec2_tf)}
    return Parity(
        source=str(source),
        family=facts.family,
        head=head,
        kind=_kind(ours.length) if is_saved_model else "Keras model",
        target_lang=target_lang,
        equal=all(c.passes for c in compared),
        tolerance=tolerance,
        max_difference=parity.largest(compared, head),
        comparisons=compared,
        half_precision=half,
        inputs=facts.inputs,
        versions=facts.versions | here,
        sha256=facts.sha256,
        notes=tuple(notes),
    )


def _pytorch_versions() -> dict[str, str]:
    """Versions of the reference's packages; `UserError` where they are not installed.

    The process crashes where TensorFlow is imported before Triton, which PyTorch's CUDA build has
    and transformers imports late: both have an LLVM of their own.
    """
    with suppress(ImportError):
        import triton  # noqa: F401
    try:
        import torch
        import transformers
    except ImportError:
        raise UserError(
            "PyTorch and transformers are the reference: pip install 'wav2vec2-tf[convert]', or "
            "compare with outputs that were recorded before: --reference FILE"
        ) from None
    return {module.__name__: module.__version__ for module in (torch, transformers)}


def _live(
    source: str, folder: Path, architecture: str, head: str, target_lang: str | None
) -> Theirs:
    """transformers' model of a checkpoint, which is converted first where it is one file."""
    from .parity import Theirs

    with ExitStack() as stack:
        if not folder.is_dir():  # transformers does not read it
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "converted"
            _convert(source, folder, head)
        return Theirs.load(folder, architecture, target_lang)


def _check_same(file: str, found: Facts, wanted: Facts, source: str, out: str) -> None:
    """Raise `UserError` unless a file was recorded from `source` for what `out` is."""
    if (found.family, found.head) != (wanted.family, wanted.head):
        raise UserError(
            f"{file} was recorded from a {found.family} {found.head}, and {out} is a "
            f"{wanted.family} {wanted.head}: record a file for {out} with `convert verify --record`"
        )
    if found.target_lang != wanted.target_lang:
        raise UserError(
            f"{file} was recorded with the language {found.target_lang!r}, and --target-lang is "
            f"{wanted.target_lang!r}: name the file of this language"
        )
    if sorted(found.sha256.values()) != sorted(wanted.sha256.values()):
        raise UserError(
            f"{file} was recorded from other weights than those of {source} (by their SHA-256): "
            "name the checkpoint that it was recorded from"
        )
    if found.inputs != wanted.inputs:
        there, here = (
            ", ".join(f"{given['name']} ({str(given['sha256'])[:8]})" for given in facts.inputs)
            for facts in (found, wanted)
        )
        raise UserError(
            f"{file} was recorded with other inputs than {out} is compared on: {there}; here "
            f"{here}: record a file for {out} with `convert verify --record` on this machine"
        )


def _language(folder: Path) -> str | None:
    """Of the vocabularies in a model's folder, the one that counts (MMS)."""
    from wav2vec2_tf.text.tokenizer_files import CONFIG_FILE
    from wav2vec2_tf.utils.files import read_json

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
