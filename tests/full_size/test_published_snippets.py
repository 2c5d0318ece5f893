"""The code on the published TensorFlow Hub pages at the models' real sizes and length."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support import reference
from tests.support.hub_pages import FINE_TUNED_PAGE, MASKED_PAGE, PRETRAINED_PAGE, run_with_hub
from wav2vec2_tf import AutoModel, AutoModelForCTC, Processor
from wav2vec2_tf.export import saved_model

pytestmark = pytest.mark.full_size

TRAINING_STEP = """
import json
import numpy as np

speech = tf.constant(np.random.default_rng(0).normal(size=(1, 246000)).astype(np.float32))
variables = model.trainable_variables
optimizer = tf.keras.optimizers.SGD(1e-4)
losses = []
for _ in range(2):
    with tf.GradientTape() as tape:
        logits = forward(speech)
        loss = tf.reduce_mean(tf.square(logits - 1.0))
    gradients = tape.gradient(loss, variables)
    losses.append(float(loss))
    optimizer.apply_gradients(zip(gradients, variables))
print(json.dumps({
    "shape": logits.shape.as_list(),
    "variables": len(variables),
    "missing": [v.name for v, g in zip(variables, gradients) if g is None],
    "finite": all(bool(np.isfinite(g).all()) for g in gradients),
    "losses": losses,
}))
"""

INFERENCE = """
import sys
import numpy as np

expected = np.load(sys.argv[1])
print(float(np.abs(model(tf.constant(expected["speech"])) - expected["logits"]).max()))
"""


MASKED_CALL = """
import sys
import numpy as np

expected = np.load(sys.argv[1])
batch = tuple(tf.constant(expected[name]) for name in ("speech", "mask"))
assert np.isfinite(forward(*batch)).all() and len(model.trainable_variables) > 400
states = pretrained_layer(batch, training=False)
print(float(np.abs(states - expected["states"]).max()))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    model = reference.perturbed_model(reference.published_config("base"), least=0.01)
    reference.save_checkpoint(model, folder)
    del model
    gc.collect()
    return folder


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_training_step_through_all_variables(checkpoint: Path, tmp_path: Path) -> None:
    # without LayerDrop every gradient is nonzero
    model = AutoModel.from_pretrained(checkpoint, layerdrop=0.0)
    count, weights = len(model.trainable_variables), 4 * model.count_params()
    saved_model.export(model, None, tmp_path / "saved")
    del model
    gc.collect()
    assert size(tmp_path / "saved") <= 1.05 * weights
    page = PRETRAINED_PAGE.replace(
        "https://tfhub.dev/vasudevgupta7/wav2vec2/1", str(tmp_path / "saved")
    )
    report = json.loads(run_with_hub(page + TRAINING_STEP))
    assert report["shape"] == [1, 768, 32]
    assert report["variables"] == count + 2
    assert report["missing"] == []
    assert report["finite"]
    assert report["losses"][1] < report["losses"][0]


def test_inference(checkpoint: Path, tmp_path: Path) -> None:
    model = AutoModelForCTC.from_pretrained(checkpoint)
    weights = 4 * model.count_params()
    saved_model.export(model, Processor.from_pretrained(checkpoint), tmp_path / "saved")
    assert size(tmp_path / "saved") <= 1.05 * weights
    speech = reference.noise(1, saved_model.PUBLISHED_LENGTH)
    np.savez(tmp_path / "expected.npz", speech=speech, logits=model(tf.constant(speech)).numpy())
    del model
    gc.collect()
    page = FINE_TUNED_PAGE.replace(
        "https://tfhub.dev/vasudevgupta7/wav2vec2-960h/1", str(tmp_path / "saved")
    )
    assert float(run_with_hub(page + INFERENCE, tmp_path / "expected.npz")) <= 1e-4


def test_pages_with_a_mask(tmp_path: Path) -> None:
    """The models of both pages have 24 layers of 1024 and layer norm; the code is the same."""
    hf_model = reference.perturbed_model(reference.published_config("large-robust"), least=0.01)
    reference.save_checkpoint(hf_model, tmp_path / "checkpoint")
    del hf_model
    model = AutoModel.from_pretrained(tmp_path / "checkpoint")
    structures = [saved_model.Structure(tuple, "attention_mask", tf.float32)]
    saved_model.export(model, None, tmp_path / "saved", structures=structures)
    length = saved_model.PUBLISHED_LENGTH
    speech = reference.noise(1, length)
    mask = (np.arange(length) < 100_000).astype(np.float32)[np.newaxis]
    states = model(tf.constant(speech), tf.constant([100_000])).numpy()
    np.savez(tmp_path / "expected.npz", speech=speech, mask=mask, states=states)
    del model
    gc.collect()
    page = MASKED_PAGE.replace(
        "https://tfhub.dev/vasudevgupta7/wav2vec2-robust/1", str(tmp_path / "saved")
    )
    assert float(run_with_hub(page + MASKED_CALL, tmp_path / "expected.npz")) <= 1e-4
