"""Small models to train, runs that end early, and clusters of workers on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.paths import CORPUS as CORPORA
from tests.support.paths import ROOT

CORPUS = CORPORA / "1001"
BUNDLED = ROOT / "wav2vec2_tf" / "data" / "bundled" / "model"
PATIENCE = 900  # seconds; a busy machine is slow to start TensorFlow
SHALLOW: dict[str, Any] = {  # the published frame rate by three convolutions, and one layer
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (10, 8, 4),
    "num_hidden_layers": 1,
}
START = "import sys\nfrom tests.support.training import work\nsys.exit(work())"


def without_determinism(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the command line from TensorFlow's determinism.

    It cannot be undone, and would disable XLA in later tests.
    """
    import tensorflow as tf

    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)


def make_model(folder: str, changes: dict[str, float]) -> None:
    """Writes a shallow model whose training is deterministic, and the bundled processor."""
    import keras

    from wav2vec2_tf import Processor, Wav2Vec2Config, Wav2Vec2ForCTC

    keras.utils.set_random_seed(0)
    still = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0.0)
    still |= dict.fromkeys(("feat_proj_dropout", "final_dropout", "layerdrop"), 0.0)
    config = Wav2Vec2Config(
        **{
            "vocab_size": 32,
            "hidden_size": 24,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            **SHALLOW,
            "num_conv_pos_embeddings": 4,
            "num_conv_pos_embedding_groups": 2,
            "mask_time_prob": 0.0,
            "pad_token_id": 0,
            **still,
            **changes,
        }
    )
    model = Wav2Vec2ForCTC(config)
    model.build()
    model.save_pretrained(folder)
    Processor.from_pretrained(BUNDLED).save_pretrained(folder)


# Output of a run


def log_lines(output: Path | str) -> list[dict[str, Any]]:
    """Returns the lines of a run's log."""
    text = (Path(output) / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def losses(output: Path | str) -> list[float]:
    """Returns the loss of each step, in order."""
    steps = [line for line in log_lines(output) if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    return [line["loss"] for line in steps]


# Runs that end early


class Killed(BaseException):
    """Stands for a kill signal: no code of the run catches it."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Stops the training inside before step `step` (0-based), without saving anything."""
    from wav2vec2_tf.training.trainer import Trainer

    whole = Trainer.step

    def stopped(self: Trainer, *args: Any) -> dict[str, float]:
        if self.progress.step == step:
            raise Killed
        return whole(self, *args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "step", stopped)
        yield


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Sends SIGINT during step `step` (0-based) of the training inside."""
    from wav2vec2_tf.training.trainer import Trainer

    whole = Trainer.step

    def interrupted(self: Trainer, *args: Any) -> dict[str, float]:
        if self.progress.step == step:
            signal.raise_signal(signal.SIGINT)
        return whole(self, *args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", interrupted)
        yield


# Workers


def run_program(line: Sequence[str]) -> int:
    """Runs `wav2vec2-tf` with these arguments in this process."""
    from wav2vec2_tf.cli.main import main

    return main(list(line))


def work() -> int:
    """Runs the program of a worker's process, then prints a hash of its weights."""
    from wav2vec2_tf.training.trainer import Trainer, TrainingResult

    whole = Trainer.fit

    def fit(self: Trainer, **options: Any) -> TrainingResult:
        result = whole(self, **options)
        values = b"".join(np.array(variable).tobytes() for variable in self.model.weights)
        print("weights", hashlib.sha256(values).hexdigest())
        return result

    Trainer.fit = fit
    return run_program(sys.argv[1:])


def address(held: socket.socket) -> str:
    """Returns the host:port of a socket."""
    host, port = held.getsockname()
    return f"{host}:{port}"


class Workers:
    """A cluster on this machine, a command line for each worker.

    Their output goes to files, since a pipe that nobody reads would block them.

    Args:
        folder: where the files go.
        lines: arguments of `wav2vec2-tf` for each worker.
        pinned: whether each worker gets a core of its own, by the program `taskset`.
    """

    def __init__(self, folder: Path, *lines: Sequence[str], pinned: bool = False) -> None:
        folder.mkdir(parents=True)
        self.paths = [folder / str(number) for number in range(len(lines))]
        held = [socket.create_server(("127.0.0.1", 0)) for _ in lines]
        cluster = {"worker": [address(taken) for taken in held]}
        for taken in held:
            taken.close()
        settings = {**os.environ, "PYTHONPATH": str(ROOT)}
        settings |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
        self.processes = []
        for number, (line, path) in enumerate(zip(lines, self.paths, strict=True)):
            task = {"cluster": cluster, "task": {"type": "worker", "index": number}}
            core = ["taskset", "--cpu-list", str(number)] if pinned else []
            with (
                path.with_suffix(".out").open("w") as out,
                path.with_suffix(".err").open("w") as err,
            ):
                self.processes.append(
                    subprocess.Popen(
                        [*core, sys.executable, "-c", START, *line, "--strategy", "multi-worker"],
                        env={**settings, "TF_CONFIG": json.dumps(task)},
                        stdout=out,
                        stderr=err,
                    )
                )

    def wait(self) -> list[int]:
        """Waits for the workers; returns their exit statuses."""
        end = time.monotonic() + PATIENCE
        return [process.wait(end - time.monotonic()) for process in self.processes]

    def end_after(self, steps: int, log: Path, number: int, how: signal.Signals) -> None:
        """Sends the signal `how` to a worker as soon as the log has this number of steps."""
        end = time.monotonic() + PATIENCE
        while not log.exists() or log.read_bytes().count(b"loss") < steps:
            assert time.monotonic() < end
            assert all(process.poll() is None for process in self.processes), self.errors()
            time.sleep(0.01)
        self.processes[number].send_signal(how)

    def errors(self) -> list[str]:
        """Returns the standard error of each worker."""
        return [path.with_suffix(".err").read_text(encoding="utf-8") for path in self.paths]

    def hashes(self) -> list[str]:
        """Returns a hash of the final weights of each worker."""
        texts = [path.with_suffix(".out").read_text(encoding="utf-8") for path in self.paths]
        return [found for text in texts for found in re.findall(r"weights (\w{64})", text)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
