"""A SavedModel → `NAME.tar.gz` as TensorFlow Hub takes it, and `NAME.md`, its module card.

The card is filled from facts alone: what the SavedModel holds, and the parity and WER files that
`convert verify` and `eval wer` wrote.
"""

from __future__ import annotations

import argparse
import gzip
import tarfile
from pathlib import Path
from typing import Any

from wav2vec2_tf.errors import UserError

SIGNATURES = {
    "serving_default": "normalised speech → one row of outputs a frame; all of it counts",
    "with_lengths": "the same; beyond its length (in samples) a row has no influence",
    "transcribe": "raw 16 kHz waveforms → text, and words with start and end in seconds and "
    "confidence, of which each row's first `count` are valid",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="SavedModel that `convert saved-model` made")
    parser.add_argument("out", type=Path, help="NAME.tar.gz to write; NAME.md goes beside it")
    parser.add_argument("--name", help="publisher/model/version for the card's title")
    parser.add_argument("--language", default="en", help="default: %(default)s")
    parser.add_argument("--parity", type=Path, help="parity.json of `convert verify`")
    parser.add_argument("--wer", type=Path, help="JSON of `eval wer`")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def run(args: argparse.Namespace) -> int:
    card = package(
        args.model,
        args.out,
        name=args.name,
        language=args.language,
        parity=args.parity,
        wer=args.wer,
        force=args.force,
    )
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB\n{card}: the module card")
    return 0


def package(
    model: Path,
    out: Path,
    *,
    name: str | None = None,
    language: str = "en",
    parity: Path | None = None,
    wer: Path | None = None,
    force: bool = False,
) -> Path:
    """Write the archive and its card; returns the card's path. Raises `UserError`."""
    from wav2vec2_tf.files import whole_file

    if not (model / "saved_model.pb").is_file():
        raise UserError(f"{model}: no SavedModel; make one with `convert saved-model`")
    if not out.name.endswith(".tar.gz"):
        raise UserError(
            f"{out}: the archive's name must end in .tar.gz, which TensorFlow Hub reads"
        )
    if out.absolute().is_relative_to(model.absolute()):
        raise UserError(f"{out} lies in the SavedModel itself: name a place outside")
    card = out.with_name(out.name.removesuffix(".tar.gz") + ".md")
    for path in (out, card):
        if path.exists() and not force:
            raise UserError(f"{path} exists already: name another, or replace it with --force")
    text = module_card(
        model,
        name or f"{out.name.removesuffix('.tar.gz')}/1",
        language,
        _read_report(parity, "comparisons", "convert verify") if parity else None,
        _read_report(wer, "modes", "eval wer") if wer else None,
        out.name,
    )
    with whole_file(out) as beside, whole_file(card) as card_beside:
        _archive(model, beside)
        card_beside.write_text(text, encoding="utf-8")
    return card


def _read_report(path: Path, key: str, program: str) -> dict[str, Any]:
    from wav2vec2_tf.files import read_json

    values = read_json(path)
    if key not in values:
        raise UserError(f"{path}: has no {key!r}; give the JSON that `{program}` writes")
    return values


def _archive(model: Path, out: Path) -> None:
    """The SavedModel's files at the archive's root; the same bytes for the same model."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with (
        out.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in sorted(model.rglob("*")):
            archive.add(path, path.relative_to(model).as_posix(), recursive=False, filter=plain)


def module_card(
    model: Path,
    name: str,
    language: str,
    parity: dict[str, Any] | None,
    wer: dict[str, Any] | None,
    archive: str,
) -> str:
    """Markdown in the form of the cards on TensorFlow Hub."""
    from wav2vec2_tf.config import SAMPLE_RATE
    from wav2vec2_tf.pretrained import SAVED_MODEL_FACTS, read_config
    from wav2vec2_tf.provenance import UNKNOWN, Provenance
    from wav2vec2_tf.transcribe import load_saved_model

    facts = model / SAVED_MODEL_FACTS
    config, origin = read_config(facts), Provenance.load(facts)
    signatures = load_saved_model(model).signatures
    speech = signatures["serving_default"].structured_input_signature[1]["speech"]
    ctc = "logits" in signatures["serving_default"].structured_outputs
    fixed = speech.shape[1]
    length = f"{fixed} samples ({fixed / SAMPLE_RATE:.3g} s)" if fixed else "any length"
    task, tunable = ("audio-stt", "true")
    licence = origin.licence
    terms = f"`{licence}`" if licence != UNKNOWN else "unknown: ask whoever trained the checkpoint"
    lines = [
        f"# Module {name}",
        "",
        "Speech recognition: wav2vec 2.0 with a CTC head over characters"
        if ctc
        else "Speech representations: wav2vec 2.0 without a head, to fine-tune",
        "",
        f"<!-- asset-path: {archive} -->",
        f"<!-- task: {task} -->",
        "<!-- network-architecture: wav2vec2 -->",
        "<!-- format: saved_model_2 -->",
        f"<!-- fine-tunable: {tunable} -->",
        f"<!-- license: {licence} -->",
        f"<!-- language: {language} -->",
        "",
        "## Overview",
        "",
        f"The weights are those of the PyTorch checkpoint `{origin.source}`"
        + (f" at revision `{origin.revision}`" if origin.revision not in ("", UNKNOWN) else "")
        + f", converted by wav2vec2-tf. The checkpoint's licence: {terms}.",
        "",
        *([f"Its own card says: {origin.description}", ""] if origin.description else []),
        *(f"- `{file}`: SHA-256 `{digest}`" for file, digest in origin.sha256.items()),
        *(f"- `{key}` is not in the checkpoint: seeded" for key in origin.seeded),
        f"- {config.num_hidden_layers} Transformer layers of {config.hidden_size}, "
        f"{config.feat_extract_norm} norm in the feature encoder",
        f"- input: 16 kHz mono speech of {length}, zero mean and unit variance; one frame of "
        f"output in {1000 * config.stride / SAMPLE_RATE:g} ms",
        "",
        "## Signatures",
        "",
        "| signature | what it does | inputs | outputs |",
        "|---|---|---|---|",
        *(_signature_row(key, signatures[key]) for key in sorted(signatures)),
        "",
        "`__call__(inputs, training=False)` takes `speech`, `(speech, attention_mask)`, "
        "`(speech, lengths)` and dicts of these names. Given lengths or a mask, padding has no "
        "influence on the result. The weights are trainable variables.",
        "",
        "## Use",
        "",
        "```python",
        "import tensorflow as tf",
        "import tensorflow_hub as hub",
        "",
        f'model = hub.KerasLayer("{archive}")',
        "model = tf.function(model, jit_compile=True)",
        "```",
        "",
        *_parity_lines(parity),
        *_wer_lines(wer),
        "## References",
        "",
        "[1] [wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations]"
        "(https://arxiv.org/abs/2006.11477).",
    ]
    return "\n".join(lines) + "\n"


def _signature_row(name: str, function: Any) -> str:
    def described(specs: dict[str, Any]) -> str:
        return ", ".join(
            f"`{key}` {spec.dtype.name} {_shape(spec.shape)}" for key, spec in sorted(specs.items())
        )

    inputs = described(function.structured_input_signature[1])
    outputs = described(function.structured_outputs)
    return f"| `{name}` | {SIGNATURES[name]} | {inputs} | {outputs} |"


def _shape(shape: Any) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _parity_lines(parity: dict[str, Any] | None) -> list[str]:
    if parity is None:
        return ["## Parity", "", "Not compared with PyTorch.", ""]
    lines = ["## Parity", "", "Against PyTorch in float32, largest and mean difference:", ""]
    lines += [
        "| input | part | max \\|Δ\\| | mean \\|Δ\\| | argmax flips | frames |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {c['input']} | {c['part']} | {c['max_difference']:.2e} | {c['mean_difference']:.2e} | "
        f"{c['argmax_flips']} | {c['frames']} |"
        for c in parity["comparisons"]
    ]
    return [*lines, ""]


def _wer_lines(wer: dict[str, Any] | None) -> list[str]:
    if wer is None:
        return ["## Word error rate", "", "Not evaluated.", ""]
    lines = ["## Word error rate", "", f"On `{Path(str(wer['data'])).name}`:", ""]
    lines += ["| mode | WER | CER | utterances |", "|---|---|---|---|"]
    lines += [
        f"| {mode} | {100 * m['wer']:.2f} % | {100 * m['cer']:.2f} % | {m['utterances']} |"
        for mode, m in wer["modes"].items()
    ]
    return [*lines, ""]
