"""One torch module as the reference of one of our layers: its weights, and ways to run ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from tests.support import reference

TOLERANCE = 1e-5
RAGGED = (7, 1, 0, 12, 4)  # frames
SPECIAL = {"kernel": "weight", "gamma": "weight", "beta": "bias", "embeddings": "weight"}
SPECIAL |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
WEIGHT_NORM = "conv.parametrizations.weight.original"
SPECIAL |= {"g": f"{WEIGHT_NORM}0", "v": f"{WEIGHT_NORM}1"}
TRANSPOSED = ("kernel", "g", "v")

Call = Callable[[tf.Tensor, tf.Tensor | None], Any]
MODES = ("eager", "tf.function", "jit_compile")


def compiled(call: Call, mode: str, channels: int, masked: bool) -> Call:
    """A layer's call on (batch, frames, channels) and a mask, compiled for any batch and frames."""
    if mode == "eager":
        return lambda values, mask: call(tf.constant(values), tf.constant(mask) if masked else None)
    values = tf.TensorSpec((None, None, channels), tf.float32)
    options = {"jit_compile": mode == "jit_compile"}
    if masked:
        return tf.function(call, [values, tf.TensorSpec((None, None), tf.bool)], **options)
    unmasked = tf.function(lambda values: call(values, None), [values], **options)
    return lambda values, mask: unmasked(values)


def perturbed(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module for inference, no parameter or buffer left at its initial value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in (*module.parameters(), *module.buffers()):
            if values.is_floating_point():
                values += torch.rand(values.shape, generator=generator) * 0.5 + 0.05
                values -= 0.25 * (values.dim() > 1)
            else:
                values += 1234567890123
    return module.eval()


def copy_weights(layer: keras.layers.Layer, module: torch.nn.Module) -> None:
    """Each of our variables from the module's tensor of the same path; neither has one more."""
    tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    for variable in layer.variables:
        *path, name = variable.path.removeprefix(f"{layer.name}/").split("/")
        if name == "seed_generator_state":
            continue
        path = [re.sub(r"^layers_(\d+)$", r"layers.\1", part) for part in path]
        if path[-1:] == ["pos_conv_embed"] and name == "bias":
            path.append("conv")
        tensor = tensors.pop(".".join([*path, SPECIAL.get(name, name)]))
        variable.assign(tensor.transpose() if name in TRANSPOSED else tensor)
    assert not tensors, f"not in our layer: {', '.join(tensors)}"


def pair(layer: keras.layers.Layer, module: torch.nn.Module) -> tuple[Any, Any]:
    """Both with the same weights, none of them an initial one."""
    layer.build()
    copy_weights(layer, perturbed(module))
    return layer, module


def run(module: torch.nn.Module, values: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(values)).numpy()


def ragged(channels: int, fill: float, frames: tuple[int, ...] = RAGGED) -> tuple[Any, Any]:
    """Noise of so many frames a row with `fill` behind, and the mask of valid frames."""
    mask = np.arange(max(frames)) < np.array(frames)[:, np.newaxis]
    noise = reference.noise(len(frames), max(frames), channels)
    return np.where(mask[..., np.newaxis], noise, np.float32(fill)), mask


def gradients(call: Call, layer: keras.layers.Layer, values: Any, mask: Any) -> list[np.ndarray]:
    """Of the sum of a fixed function of the valid outputs, for each trainable variable."""
    with tf.GradientTape() as tape:
        output, output_mask = call(values, mask)
        weighted = tf.sin(output * 3.0)
        if output_mask is not None:
            weighted = tf.where(output_mask[..., tf.newaxis], weighted, 0.0)
        loss = tf.reduce_sum(weighted)
    wanted = [variable.value for variable in layer.trainable_variables]
    return [np.asarray(tf.convert_to_tensor(g)) for g in tape.gradient(loss, wanted)]


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Layers made inside compute as the policy says."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
