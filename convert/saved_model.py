"""A model → SavedModel, loaded again in a fresh process and compared before it is called done."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

from .options import add_export_options, export_options, print_differences

if TYPE_CHECKING:
    import keras

    from wav2vec2_tf.models.processor import Processor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_export_options(parser, "folder to make", PUBLISHED_LENGTH)


def run(args: argparse.Namespace) -> int:
    print_differences(args.out, convert(args.model, args.out, **export_options(args)))
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
    from wav2vec2_tf.models.pretrained import SAVED_MODEL_FACTS
    from wav2vec2_tf.utils.files import whole_folder

    from .source import head_to_export, open_source

    head = head or head_to_export(source, **hub)
    with (
        whole_folder(out, replace=force) as beside,
        tempfile.TemporaryDirectory() as scratch,
        ProgressBar("convert saved-model", 3, "step", leave=False) as bar,
    ):
        opened = open_source(
            source, out, head, dictionary=dictionary, target_lang=target_lang, **hub
        )
        shortest = opened.config.samples_of(1)
        if length is not None and length < shortest:
            raise UserError(f"--length {length}: one frame of speech takes {shortest} samples")
        model, processor = opened.load(), opened.processor
        bar.update(note="weights loaded")
        saved_model.export(model, processor, beside, length=length, log_softmax=log_softmax)
        opened.provenance.save(beside / SAVED_MODEL_FACTS)
        bar.update(note="SavedModel written")
        expected = Path(scratch) / "expected.npz"
        write_expected(model, processor, length, log_softmax, expected)
        return check.in_fresh_process(beside, expected)


def write_expected(
    model: keras.Model, processor: Processor, length: int | None, log_softmax: bool, path: Path
) -> None:
    """What the Keras model makes of two rows, one of them padded with noise from its middle on."""
    import numpy as np
    import tensorflow as tf

    from wav2vec2_tf.audio import SAMPLE_RATE
    from wav2vec2_tf.export.saved_model import outputs
    from wav2vec2_tf.models.families import CTC
    from wav2vec2_tf.transcription.recognizer import Recognizer

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
    if config.log_mel_input:
        frames = config.encoder_frames(samples)
        shape = (2, frames, config.feature_channels)
        arrays["input_features"] = random.normal(size=shape).astype(np.float32)
        arrays["frames"] = np.array([frames, (frames + 1) // 2], np.int32)
        expect("features", arrays["input_features"], arrays["frames"])
    if model.head == CTC and processor.tokenizer is not None:
        recognizer = Recognizer(config, processor.tokenizer, processor.normalizes, model)
        cut = [row[:count] for row, count in zip(raw, lengths, strict=True)]
        texts = [transcript.text for transcript in recognizer.transcribe(cut, length=samples)]
        arrays["raw"], arrays["text"] = raw, np.char.encode(texts, "utf-8")
    with path.open("wb") as file:
        np.savez(file, **arrays)
