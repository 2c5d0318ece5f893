"""Pre-training on speech without transcripts lowers the error rate of fine-tuning.

Two models are fine-tuned alike on a few minutes of transcribed speech, one of them pre-trained.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from convert.small_model import SAMPLE_RATE, VOICES, speak
from tests.support.paths import ROOT
from wav2vec2_tf.models.config import Wav2Vec2Config
from wav2vec2_tf.models.feature_extractor import FeatureExtractor
from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
from wav2vec2_tf.models.processor import Processor

pytestmark = [
    pytest.mark.full_size,
    pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite: apt install flite"),
]
PLOT = ROOT / "build" / "pre-training.png"
DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
UTTERANCES = {"dev": 50, "transcribed": 150, "untranscribed": 1000}
"""Number of utterances by split: three to seven digits each; 1.7, 5 and 33 minutes in all."""
CONFIG = {  # 0.8 M parameters, frames of 20 ms
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "conv_dim": (64, 96, 128),
    "conv_kernel": (20, 8, 4),
    "conv_stride": (10, 8, 4),
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 32,
    "num_codevectors_per_group": 64,
    "codevector_dim": 128,
    "proj_codevector_dim": 128,
    "num_negatives": 50,
    "initializer_range": 0.07,  # with so few channels, the usual 0.02 is too small
    **dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0.0),
    **dict.fromkeys(("feat_proj_dropout", "feat_quantizer_dropout", "final_dropout"), 0.0),
    "layerdrop": 0.0,
}
BATCHES = {"batch_seconds": 20, "save_every": 10_000}
PRE_TRAINING = {
    **BATCHES,
    "steps": 500,
    "rate": 1.5e-3,
    "temperature_decay": 0.997,
    "shortest_seconds": 0.5,
}
FINE_TUNING = {
    **BATCHES,
    "vocabulary": "transcripts",
    "steps": 450,
    "rate": 1e-3,
    "freeze": [],  # random features are not worth keeping
    "model_config": {"mask_time_prob": 0.0},
}


def synthesize(folder: Path) -> None:
    """Writes speech below `folder`, and manifests of the transcribed splits beside it."""
    random = np.random.default_rng(1)
    drawn: dict[str, None] = {}
    while len(drawn) < sum(UTTERANCES.values()):
        drawn[" ".join(random.choice(DIGITS, random.integers(3, 8)))] = None
    texts = list(drawn)
    voices = random.choice(list(VOICES), len(texts)).tolist()
    with ThreadPoolExecutor() as pool:
        spoken = zip(texts, pool.map(speak, texts, voices), strict=True)
        for part, count in UTTERANCES.items():
            (folder / part).mkdir()
            rows = ["audio\ttext"]
            for number in range(count):
                text, speech = next(spoken)
                name = f"{part}/{number:04}.flac"
                soundfile.write(folder / name, speech, SAMPLE_RATE)
                rows.append(f"{name}\t{text}")
            if part != "untranscribed":
                (folder / f"{part}.tsv").write_text("\n".join(rows) + "\n")


def random_weights(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    model = Wav2Vec2ForPreTraining(Wav2Vec2Config(**CONFIG))
    model.build()
    model.save_pretrained(folder)
    Processor(FeatureExtractor(), None).save_pretrained(folder)


def measured(program: str, output: Path, settings: dict[str, Any]) -> list[dict[str, float]]:
    """Runs a program; returns its figures on dev after each epoch."""
    file = output.with_suffix(".yaml")
    file.write_text(json.dumps({**settings, "output": str(output)}))  # JSON is YAML
    command = [sys.executable, "-m", "wav2vec2_tf.cli", program, str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" not in line]


def draw(
    pretraining: list[dict[str, float]], finetuning: dict[str, list[dict[str, float]]], path: Path
) -> None:
    """Plots the figures of pre-training, and of fine-tuning with and without it."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    accuracy, perplexity, errors = figure.subplots(1, 3)
    steps = [figures["step"] for figures in pretraining]
    accuracy.plot(steps, [figures["dev_accuracy"] for figures in pretraining], marker=".")
    chance = 1 / (CONFIG["num_negatives"] + 1)
    accuracy.axhline(chance, linestyle=":", color="grey", label="chance")
    accuracy.set(title="contrastive accuracy", xlabel="step of pre-training", ylim=0)
    accuracy.legend()
    perplexity.plot(steps, [figures["dev_perplexity"] for figures in pretraining], marker=".")
    perplexity.set(title="perplexity of the codebooks", xlabel="step of pre-training", ylim=0)
    for start, lines in finetuning.items():
        wer = [figures["dev_wer"] for figures in lines]
        errors.plot([figures["step"] for figures in lines], wer, label=f"from {start} weights")
    errors.set(title="word error rate", xlabel="step of fine-tuning", ylim=0)
    errors.legend()
    figure.savefig(path, dpi=100)


def test_a_pretrained_model_reads_better(tmp_path: Path, record: Callable[..., None]) -> None:
    synthesize(tmp_path)
    random_weights(tmp_path / "random")
    began = time.monotonic()
    pretraining = measured(
        "pretrain",
        tmp_path / "pretrained",
        {
            **PRE_TRAINING,
            "model": str(tmp_path / "random"),
            "train": str(tmp_path / "untranscribed"),
            "dev": str(tmp_path / "dev"),
        },
    )
    record(table="pre-training", seconds=time.monotonic() - began, dev=pretraining)
    accuracy = [figures["dev_accuracy"] for figures in pretraining]
    assert accuracy[-1] > accuracy[0]
    assert accuracy[-1] > 5 / (CONFIG["num_negatives"] + 1)  # five times chance
    starts = {"random": tmp_path / "random", "pretrained": tmp_path / "pretrained" / "last"}
    finetuning = {
        start: measured(
            "finetune",
            tmp_path / f"tuned-{start}",
            {
                **FINE_TUNING,
                "model": str(folder),
                "train": str(tmp_path / "transcribed.tsv"),
                "dev": str(tmp_path / "dev.tsv"),
            },
        )
        for start, folder in starts.items()
    }
    record(table="fine-tuning after pre-training", dev=finetuning)
    draw(pretraining, finetuning, PLOT)
    for rate in ("dev_wer", "dev_cer"):
        assert finetuning["pretrained"][-1][rate] < finetuning["random"][-1][rate]
