"""Training on several devices: the same as on one, stopped by a killed worker, and resumed.

Two processes on this machine are two workers; a process with two logical CPUs has two devices.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.training import (
    CORPUS,
    PATIENCE,
    Workers,
    address,
    killed_at,
    log_lines,
    losses,
    make_model,
    run_program,
)

STEPS = 24
LOST = "error: another worker was lost, so this one stops: start all workers again to resume"
UNITS = 20  # of a layer with dropout: float32 can represent each mask
DROPOUT = {"hidden_dropout": 0.1, "attention_dropout": 0.1, "layerdrop": 0.3}
SPEC_AUGMENT = {"mask_time_prob": 0.2, "mask_time_length": 2}

pytestmark = pytest.mark.xdist_group("two-devices")


def flags(model: Path, output: Path, *others: object) -> list[str]:
    """Returns the flags of a run whose batches are not divisible: 22 utterances, 5 at a time."""
    line = ["finetune", "--model", model, "--output", output, "--train", CORPUS]
    line += ["--longest-seconds", 6, "--batch-seconds", 30, "--most-rows", 5, "--rate", 3e-3]
    return [str(word) for word in (*line, *others)]


def weights(output: Path) -> bytes:
    return (output / "last" / "model.safetensors").read_bytes()


# One process, two devices


def set_two_devices() -> None:
    import tensorflow as tf

    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)


def killed_run(line: Sequence[str], step: int) -> None:
    """Starts a run that dies before step `step` (0-based)."""
    with killed_at(step):
        run_program(line)


def masks_of_replicas(output: str, steps: Sequence[int], jit_compile: bool) -> list[list[int]]:
    """Returns which units each replica keeps of a dropped-out layer in these steps, as bits."""
    import keras
    import tensorflow as tf

    from wav2vec2_tf.training.distribution import make_strategy, per_replica_seeds
    from wav2vec2_tf.training.settings import TrainingOptions
    from wav2vec2_tf.training.trainer import Trainer

    strategy = make_strategy("mirrored")
    with strategy.scope(), per_replica_seeds():
        model = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        model.build((1, UNITS))

    class Masks:
        def __init__(self) -> None:
            self.model = model

        def at_step(self, step: int) -> None:
            pass

        def sums(self, inputs: Any, labels: Any, training: bool) -> dict[str, Any]:
            kept = model.layers[0](tf.ones((1, UNITS)), training=training)[0] > 0
            code = tf.reduce_sum(tf.where(kept, 2.0 ** tf.range(UNITS, dtype=tf.float32), 0.0))
            own = tf.distribute.get_replica_context().replica_id_in_sync_group
            found = {
                f"mask {replica}": tf.where(tf.equal(own, replica), code, 0.0)
                for replica in range(strategy.num_replicas_in_sync)
            }
            return {"loss": tf.constant(0.0), "weight": tf.constant(0.5), **found}

    options = TrainingOptions(
        model="",
        output=output,
        train=("",),
        steps=100,
        strategy="mirrored",
        jit_compile=jit_compile,
    )
    trainer = Trainer(options, Masks(), None, model.trainable_variables, strategy=strategy)
    row = {"speech": tf.zeros((2, 1)), "lengths": tf.zeros(2, tf.int32)}
    data = tf.data.Dataset.from_tensors((row, tf.zeros((2, 1), tf.int32))).unbatch().batch(2)
    found = []
    for step in steps:
        trainer.progress.step = step
        figures = trainer.step(iter(strategy.experimental_distribute_dataset(data)), [np.arange(2)])
        found.append([int(figures[f"mask {replica}"]) for replica in range(2)])
    return found


@pytest.fixture(scope="module")
def in_process() -> Iterator[Callable[..., Any]]:
    """Calls functions of this module in a process of two devices."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=set_two_devices) as pool:
        yield lambda function, *args: pool.submit(function, *args).result(PATIENCE)


@pytest.fixture(scope="module")
def model(in_process: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose training has no randomness."""
    folder = tmp_path_factory.mktemp("model")
    in_process(make_model, str(folder), {})
    return folder


@pytest.fixture(scope="module")
def one_device(
    in_process: Callable[..., Any], model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The output of a run on one device."""
    output = tmp_path_factory.mktemp("one") / "run"
    assert in_process(run_program, flags(model, output, "--dev", CORPUS, "--steps", STEPS)) == 0
    return output


def test_two_devices_equal_one(
    in_process: Callable[..., Any], model: Path, one_device: Path, tmp_path: Path
) -> None:
    line = flags(model, tmp_path / "run", "--dev", CORPUS, "--steps", STEPS)
    assert in_process(run_program, [*line, "--strategy", "mirrored"]) == 0
    assert_alike(tmp_path / "run", one_device)


def assert_alike(run: Path, other: Path) -> None:
    assert len(losses(run)) == STEPS
    np.testing.assert_allclose(losses(run), losses(other), rtol=0, atol=1e-4)
    assert dev_figures(run) == pytest.approx(dev_figures(other), abs=0.02)


def dev_figures(output: Path) -> list[float]:
    return [line["dev_cer"] for line in log_lines(output) if "dev_cer" in line]


@pytest.mark.slow
def test_two_devices_equal_one_compiled(
    in_process: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    options = ["--steps", 1, "--jit-compile", "--longest-seconds", 2]
    for name in ("one", "mirrored"):
        line = flags(model, tmp_path / name, *options, "--strategy", name)
        assert in_process(run_program, line) == 0
    found, wanted = losses(tmp_path / "mirrored"), losses(tmp_path / "one")
    assert len(found) == 1
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_dropout_of_replicas_follows_from_the_step(
    in_process: Callable[..., Any], tmp_path: Path, jit_compile: bool
) -> None:
    first, second, again = in_process(masks_of_replicas, str(tmp_path), [3, 4, 3], jit_compile)
    assert len({*first, *second}) == 4  # masks differ between replicas and steps
    assert again == first
    assert all(0 < mask.bit_count() < UNITS for mask in (*first, *second))


@pytest.mark.slow
def test_two_devices_with_dropout_resume_bit_for_bit(
    in_process: Callable[..., Any], tmp_path: Path
) -> None:
    in_process(make_model, str(tmp_path / "model"), {**DROPOUT, **SPEC_AUGMENT})
    options = ["--steps", 8, "--save-every", 3, "--strategy", "mirrored"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert in_process(run_program, flags(tmp_path / "model", whole, *options)) == 0
    in_process(killed_run, flags(tmp_path / "model", parts, *options), 5)
    assert not (parts / "last").exists()
    assert in_process(run_program, flags(tmp_path / "model", parts, *options)) == 0
    assert losses(parts) == losses(whole)
    assert weights(parts) == weights(whole)


# Two processes, a device each


@pytest.fixture(scope="module")
def two_workers(
    model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, list[str]]:
    """The output folders of the workers of a run, and hashes of their weights at the end.

    Each has its own, to see who writes; a real run shares one.
    """
    folder = tmp_path_factory.mktemp("two")
    own = folder / "chief", folder / "other"
    lines = [flags(model, output, "--dev", CORPUS, "--steps", STEPS) for output in own]
    with Workers(folder / "output", *lines) as workers:
        assert workers.wait() == [0, 0], workers.errors()
        return *own, workers.hashes()


@pytest.mark.slow
def test_two_workers_equal_one_device(
    two_workers: tuple[Path, Path, list[str]], one_device: Path
) -> None:
    assert_alike(two_workers[0], one_device)


@pytest.mark.slow
def test_all_workers_end_with_the_same_weights_and_the_chief_writes(
    two_workers: tuple[Path, Path, list[str]],
) -> None:
    chief, other, hashes = two_workers
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]
    written = {path.name for path in chief.iterdir()}
    assert {"best", "last", "checkpoints", "log.jsonl", "settings.yaml"} <= written
    assert not other.exists()


@pytest.mark.slow
def test_killed_workers_stop_the_others_and_all_resume_bit_for_bit(
    model: Path, two_workers: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    output = tmp_path / "run"
    options = ["--dev", CORPUS, "--steps", STEPS, "--save-every", 3]
    lines = [flags(model, output, *options)] * 2
    for killed, steps, how in ((1, 4, signal.SIGKILL), (0, 12, signal.SIGTERM)):
        with Workers(tmp_path / f"killed-{killed}", *lines) as workers:
            workers.end_after(steps, output / "log.jsonl", killed, how)
            statuses = workers.wait()
            left = workers.errors()[1 - killed]
        assert (statuses[killed], statuses[1 - killed]) == (-how, 1), left
        assert left.splitlines()[-1].startswith(LOST), left
        assert "Traceback" not in left
        assert not (output / "last").exists()
    with Workers(tmp_path / "again", *lines) as workers:
        assert workers.wait() == [0, 0], workers.errors()
        assert all("resuming from step" in text for text in workers.errors())
        hashes = workers.hashes()
    assert hashes == two_workers[2]
    assert losses(output) == losses(two_workers[0])
    assert weights(output) == weights(two_workers[0])


@pytest.mark.slow
def test_workers_that_do_not_share_their_output_stop(
    model: Path, two_workers: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    options = ["--dev", CORPUS, "--steps", STEPS]
    lines = [flags(model, output, *options) for output in two_workers[:2]]
    with Workers(tmp_path / "output", *lines) as workers:
        assert workers.wait() == [1, 1]
        errors = workers.errors()
    assert all("the workers find different checkpoints" in text.splitlines()[-1] for text in errors)


# Missing devices


@pytest.mark.parametrize(
    "config",
    [
        None,
        "no JSON",
        "[]",
        '{"cluster": {"worker": ["localhost:1"]}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": ["localhost:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_workers_need_a_cluster(monkeypatch: pytest.MonkeyPatch, config: str | None) -> None:
    from wav2vec2_tf.training.distribution import make_strategy
    from wav2vec2_tf.utils.errors import UserError

    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=r"needs the environment variable TF_CONFIG .*\{"):
        make_strategy("multi-worker")


@pytest.mark.slow
def test_a_taken_port_is_one_line(model: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        task = {"cluster": {"worker": [address(taken)]}, "task": {"type": "worker", "index": 0}}
        line = flags(model, tmp_path / "run", "--strategy", "multi-worker")
        done = subprocess.run(
            [sys.executable, "-m", "wav2vec2_tf.cli", *line],
            env={**os.environ, "TF_CONFIG": json.dumps(task)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(r"error: 127.0.0.1:\d+: the workers did not connect \(.+\): start", last)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_no_tpu_is_one_line(
    in_process: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert re.fullmatch(r"no TPU was found \([^\n]+\): [^\n]+", in_process(without_tpu))


def without_tpu() -> str:
    """Returns the error without a TPU."""
    from wav2vec2_tf.training.distribution import make_strategy
    from wav2vec2_tf.utils.errors import UserError

    with pytest.raises(UserError) as caught:
        make_strategy("tpu")
    return str(caught.value)


def test_a_pipeline_feeds_the_replicas_of_its_machine() -> None:
    import tensorflow as tf

    from wav2vec2_tf.training.distribution import own_replicas

    contexts = [
        tf.distribute.InputContext(
            num_input_pipelines=4, input_pipeline_id=number, num_replicas_in_sync=8
        )
        for number in range(4)
    ]
    assert [list(own_replicas(context)) for context in contexts] == [[0, 1], [2, 3], [4, 5], [6, 7]]
