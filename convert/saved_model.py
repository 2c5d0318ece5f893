"""A model → SavedModel, loaded again in a fresh process and compared before it is called done."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.config import PUBLISHED_LENGTH
from wav2vec2_tf.errors import UserError
from wav2vec2_tf.hub_options import add_hub_options, hub_options

from .options import add_source_options, source_options

if TYPE_CHECKING:
    import keras

    from wav2vec2_tf.processor import Processor


def length(text: str) -> int | None:
    """`--length`: samples, or None for "any"."""
    if text == "any":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'any' nor a number of samples")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder, id on the Hugging Face Hub, or fairseq's .pt file")
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
    add_source_options(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.export import check

    differences = convert(
        args.model,
        args.out,
        length=args.length,
        log_softmax=args.log_softmax,
        force=args.force,
        **source_options(args),
        **hub_options(args),
    )
    print(f"{args.out}: loaded in a fresh process and compared with the Keras model, max |Δ|")
    for name, difference in differences.items():
        print(f"  {name:24} {difference:.2g} {check.SHARES.get(name, '')}".rstrip())
    return 0


def convert(
    source: str,
    out: Path,
    *,
    length: int | None = PUBLISHED_LENGTH,
    log_softmax: bool = False,
    head: str | None = None,
    dictionary: Path | None = None,
    target_lang: str | None = None,
    force: bool = False,
    **hub: Any,
) -> dict[str, float]:
    """Export, check and put in place; returns what `check.differences` does. Raises `UserError`."""
    from wav2vec2_tf.export import check, saved_model
    from wav2vec2_tf.families import PRE_TRAINING
    from wav2vec2_tf.files import whole_folder
    from wav2vec2_tf.pretrained import SAVED_MODEL_FACTS
    from wav2vec2_tf.sources import resolve

    from .source import head_of, open_source

    if head is None and head_of(resolve(source, **hub)) == PRE_TRAINING:
        head = "none"  # as the published module of a pre-trained checkpoint
    with whole_folder(out, replace=force) as beside, tempfile.TemporaryDirectory() as scratch:
        opened = open_source(
            source, out, head, dictionary=dictionary, target_lang=target_lang, **hub
        )
        shortest = opened.config.samples_of(1)
        if length is not None and length < shortest:
            raise UserError(f"--length {length}: one frame of speech takes {shortest} samples")
        model, processor = opened.load(), opened.processor
        saved_model.export(model, processor, beside, length=length, log_softmax=log_softmax)
        opened.provenance.save(beside / SAVED_MODEL_FACTS)
        expected = Path(scratch) / "expected.npz"
        write_expected(model, processor, length, log_softmax, expected)
        return check.in_fresh_process(beside, expected)


def write_expected(
    model: keras.Model, processor: Processor, length: int | None, log_softmax: bool, path: Path
) -> None:
    """What the Keras model makes of two rows, one of them padded with noise from its middle on."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf.config import SAMPLE_RATE, Wav2Vec2BertConfig
    from wav2vec2_tf.export.saved_model import outputs
    from wav2vec2_tf.families import CTC
    from wav2vec2_tf.transcribe import Recognizer, normalizes

    config, random = model.config, np.random.default_rng(0)
    samples = length or 3 * SAMPLE_RATE
    raw = random.normal(0, 0.1, (2, samples)).astype(np.float32)
    lengths = np.array([samples, max(samples // 2, config.samples_of(1))], np.int32)
    arrays: dict[str, Any] = {"speech": raw, "lengths": lengths}

    def expect(kind: str, inputs: np.ndarray, lengths: np.ndarray | None) -> None:
        results = outputs(model, tf.constant(inputs), lengths, log_softmax=log_softmax)
        arrays.update({f"{kind}/{name}": values.numpy() for name, values in results.items()})

    expect("plain", raw, None)
    expect("masked", raw, lengths)
    if isinstance(config, Wav2Vec2BertConfig):
        frames = config.encoder_frames(samples)
        shape = (2, frames, config.feature_projection_input_dim)
        arrays["input_features"] = random.normal(size=shape).astype(np.float32)
        arrays["frames"] = np.array([frames, (frames + 1) // 2], np.int32)
        expect("features", arrays["input_features"], arrays["frames"])
    if model.head == CTC and processor.tokenizer is not None:
        recognizer = Recognizer(config, processor.tokenizer, normalizes(processor), model)
        cut = [row[:count] for row, count in zip(raw, lengths, strict=True)]
        texts = [transcript.text for transcript in recognizer.transcribe(cut, length=samples)]
        arrays["raw"], arrays["text"] = raw, np.char.encode(texts, "utf-8")
    with path.open("wb") as file:
        np.savez(file, **arrays)
