"""A model → SavedModel, loaded again in a fresh process and compared before it is called done."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.config import PUBLISHED_LENGTH
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

if TYPE_CHECKING:
    from wav2vec2_tf.models import Wav2Vec2ForCTC, Wav2Vec2Model
    from wav2vec2_tf.processor import Processor


def length(text: str) -> int | None:
    """`--length`: samples, or None for "any"."""
    if text == "any":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'any' nor a number of samples")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder, or id on the Hugging Face Hub")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument(
        "--length",
        type=length,
        default=PUBLISHED_LENGTH,
        metavar="246000|N|any",
        help="samples of each row (default: %(default)s, as published), or any",
    )
    parser.add_argument(
        "--log-softmax", action="store_true", help="give log-probabilities in place of logits"
    )
    parser.add_argument("--head", choices=["ctc", "none"], help="by default what MODEL holds")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    differences = convert(
        args.model,
        args.out,
        length=args.length,
        log_softmax=args.log_softmax,
        head=args.head,
        force=args.force,
        **hub_options(args),
    )
    print(f"{args.out}: loaded in a fresh process and compared with the Keras model, max |Δ|")
    for name, difference in differences.items():
        unit = " of the characters" if name == "transcribe" else ""
        print(f"  {name:24} {difference:.2g}{unit}")
    return 0


def convert(
    source: str,
    out: Path,
    *,
    length: int | None = PUBLISHED_LENGTH,
    log_softmax: bool = False,
    head: str | None = None,
    force: bool = False,
    **hub: Any,
) -> dict[str, float]:
    """Export, check and put in place; returns the largest differences. Raises `UserError`."""
    from wav2vec2_tf.export import check, saved_model
    from wav2vec2_tf.files import whole_folder
    from wav2vec2_tf.pretrained import SAVED_MODEL_FACTS

    from .source import open_source

    with whole_folder(out, replace=force) as beside, tempfile.TemporaryDirectory() as scratch:
        model, processor, provenance = open_source(source, out, head, **hub)
        shortest = model.config.samples_of(1)
        if length is not None and length < shortest:
            raise UserError(f"--length {length}: one frame of speech takes {shortest} samples")
        saved_model.export(model, processor, beside, length=length, log_softmax=log_softmax)
        provenance.save(beside / SAVED_MODEL_FACTS)
        expected = Path(scratch) / "expected.npz"
        write_expected(model, processor, length, log_softmax, expected)
        return check.in_fresh_process(beside, expected)


def write_expected(
    model: Wav2Vec2Model | Wav2Vec2ForCTC,
    processor: Processor,
    length: int | None,
    log_softmax: bool,
    path: Path,
) -> None:
    """What the Keras model makes of two rows, one of them padded with noise from its middle on."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf.config import SAMPLE_RATE
    from wav2vec2_tf.models import Wav2Vec2ForCTC
    from wav2vec2_tf.transcribe import Recognizer

    samples = length or 3 * SAMPLE_RATE
    raw = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)
    lengths = np.array([samples, max(samples // 2, model.config.samples_of(1))], np.int32)

    def outputs(speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        result = model(tf.constant(speech), lengths)
        return (tf.nn.log_softmax(result) if log_softmax else result).numpy()

    arrays: dict[str, Any] = {
        "speech": raw,
        "lengths": lengths,
        "plain": outputs(raw, None),
        "masked": outputs(raw, lengths),
    }
    if isinstance(model, Wav2Vec2ForCTC) and processor.tokenizer is not None:
        recognizer = Recognizer(
            model.config, processor.tokenizer, processor.feature_extractor.do_normalize, model
        )
        cut = [row[:count] for row, count in zip(raw, lengths, strict=True)]
        texts = [transcript.text for transcript in recognizer.transcribe(cut, length=samples)]
        arrays["raw"], arrays["text"] = raw, np.char.encode(texts, "utf-8")
    with path.open("wb") as file:
        np.savez(file, **arrays)
