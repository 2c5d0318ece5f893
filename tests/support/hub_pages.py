"""The code of the published TensorFlow Hub pages, unchanged, and a process that runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FINE_TUNED_PAGE = """
import tensorflow as tf
import tensorflow_hub as hub

model = hub.KerasLayer("https://tfhub.dev/vasudevgupta7/wav2vec2-960h/1")
# For using this model, it's important to set `jit_compile=True` on GPUs/CPUs
# as some operations in this model (i.e. group-convolutions) are unsupported without it
model = tf.function(model, jit_compile=True)
"""

PRETRAINED_PAGE = """
import tensorflow as tf
import tensorflow_hub as hub

# For using this pre-trained model for training, pass `trainable=True` in `hub.KerasLayer`
pretrained_layer = hub.KerasLayer("https://tfhub.dev/vasudevgupta7/wav2vec2/1", trainable=True)

VOCAB_SIZE = 32

# Let's wrap all the layers into `tf.keras.Model` using TensorFlow's Functional API
inputs = tf.keras.Input(shape=(246000,))
hidden_states = pretrained_layer(inputs)
outputs = tf.keras.layers.Dense(VOCAB_SIZE)(hidden_states)
model = tf.keras.Model(inputs=inputs, outputs=outputs)

# For using this model, it's important to set `jit_compile=True` on GPUs/CPUs
# as some operations in this model (i.e. group-convolutions) are unsupported without it
@tf.function(jit_compile=True)
def forward(speech):
    return model(speech, training=True)

# Now, this model can trained like any other TensorFlow model
"""

MASKED_PAGE = """
import tensorflow as tf
import tensorflow_hub as hub

# For using this pre-trained model for training, pass `trainable=True` in `hub.KerasLayer`
pretrained_layer = hub.KerasLayer("https://tfhub.dev/vasudevgupta7/wav2vec2-robust/1", trainable=True)

VOCAB_SIZE = 32
# model signature expects sequences of constant length of 246000
WAV_DATA_POINTS = 246000

# Let's wrap all the layers into `tf.keras.Model` using TensorFlow's Functional API
speech = tf.keras.Input(shape=(WAV_DATA_POINTS,))
attention_mask = tf.keras.Input(shape=(WAV_DATA_POINTS,))
hidden_states = pretrained_layer((speech, attention_mask))
outputs = tf.keras.layers.Dense(VOCAB_SIZE)(hidden_states)
model = tf.keras.Model(inputs=(speech, attention_mask), outputs=outputs)

# For using this model, it's important to set `jit_compile=True` on GPUs/CPUs
# as some operations in this model (i.e. group-convolutions) are unsupported without it
@tf.function(jit_compile=True)
def forward(speech, attention_mask):
    return model((speech, attention_mask), training=True)

# Now, this model can trained like any other TensorFlow model
"""  # noqa: E501
"""The page of wav2vec2-robust/1. That of wav2vec2-xlsr-53/1 differs in the address alone."""

TRAINING_STEP = """
import json, sys
import numpy as np

speech = tf.constant(np.random.default_rng(0).normal(size=(1, 246000)).astype(np.float32))
variables = model.trainable_variables
before = [v.numpy() for v in variables]

with tf.GradientTape() as tape:
    logits = forward(speech)
    loss = tf.reduce_mean(tf.square(logits - 1.0))
gradients = tape.gradient(loss, variables)
report = {
    "variables": len(variables),
    "shape": logits.shape.as_list(),
    "none": [v.name for v, g in zip(variables, gradients) if g is None],
    "not finite": [v.name for v, g in zip(variables, gradients) if not np.isfinite(g).all()],
}
report["fresh"] = float(np.abs(forward(speech) - logits).max())
model.compile(tf.keras.optimizers.SGD(0.01), "mse", jit_compile=True)
model.fit(speech, tf.ones([1, 768, 32]), verbose=0)
report["moved"] = sum(bool((v.numpy() != b).any()) for v, b in zip(variables, before))
report["still"] = [v.name for v, b in zip(variables, before) if not (v.numpy() != b).any()]
"""


def run_with_hub(code: str, *arguments: Path, **environment: str) -> str:
    """Runs code in a process where `tf.keras` is Keras 2; returns the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]
