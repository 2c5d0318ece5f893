"""Compares one of our layers with its PyTorch module: copied weights, and `check_layer`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from tests.support import reference
from tests.support.reference import difference

TOLERANCE = 1e-5
RAGGED = (7, 1, 0, 12, 4)  # frames
SPECIAL = {"kernel": "weight", "gamma": "weight", "beta": "bias", "embeddings": "weight"}
SPECIAL |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
WEIGHT_NORM = "conv.parametrizations.weight.original"
SPECIAL |= {"g": f"{WEIGHT_NORM}0", "v": f"{WEIGHT_NORM}1"}
TRANSPOSED = ("kernel", "g", "v")

Call = Callable[[tf.Tensor, tf.Tensor | None], Any]
TheirCall = Callable[[torch.Tensor], Any]
MODES = ("eager", "tf.function", "jit_compile")


def compiled(call: Call, mode: str, channels: int, masked: bool) -> Call:
    """Returns a call on (batch, frames, channels) and a mask, compiled for any batch and frames."""
    if mode == "eager":
        return lambda values, mask: call(tf.constant(values), tf.constant(mask) if masked else None)
    values = tf.TensorSpec((None, None, channels), tf.float32)
    options = {"jit_compile": mode == "jit_compile"}
    if masked:
        return tf.function(call, [values, tf.TensorSpec((None, None), tf.bool)], **options)
    unmasked = tf.function(lambda values: call(values, None), [values], **options)
    return lambda values, mask: unmasked(values)


def perturbed(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Returns the module for inference, after a change to every value of its state."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in module.state_dict().values():
            if values.is_floating_point():
                values += torch.rand(values.shape, generator=generator) * 0.5 + 0.05
                values -= 0.25 * (values.dim() > 1)
            else:
                values += 1234567890123
    return module.eval()


def torch_name(layer: keras.layers.Layer, variable: Any) -> str:
    """Returns the name in PyTorch's module of the tensor that holds a layer's variable."""
    *path, name = variable.path.removeprefix(f"{layer.name}/").split("/")
    path = [re.sub(r"^layers_(\d+)$", r"layers.\1", part) for part in path]
    if path[-1:] == ["pos_conv_embed"] and name == "bias":
        path.append("conv")
    return ".".join([*path, SPECIAL.get(name, name)])


def in_our_layout(variable: Any, tensor: torch.Tensor) -> np.ndarray:
    """Returns a PyTorch tensor with its axes in the order of our variable."""
    values: np.ndarray = tensor.detach().numpy()
    return values.transpose() if variable.path.rsplit("/", 1)[-1] in TRANSPOSED else values


def copy_weights(layer: keras.layers.Layer, module: torch.nn.Module) -> None:
    """Copies the module's tensors to our variables of the same paths; asserts that all match."""
    tensors = module.state_dict()
    for variable in layer.variables:
        if not variable.path.endswith("seed_generator_state"):
            tensor = tensors.pop(torch_name(layer, variable))
            variable.assign(in_our_layout(variable, tensor))
    assert not tensors, f"not in our layer: {', '.join(tensors)}"


def pair(layer: keras.layers.Layer, module: torch.nn.Module) -> tuple[Any, Any]:
    """Returns both with the same perturbed weights."""
    layer.build()
    copy_weights(layer, perturbed(module))
    return layer, module


def run(module: TheirCall, values: np.ndarray) -> np.ndarray:
    """Returns the module's hidden states for an input."""
    with torch.inference_mode():
        return hidden_states(module(torch.from_numpy(values.copy()))).numpy()


def hidden_states(output: Any) -> Any:
    """Returns the hidden states in the output of a layer or module."""
    output = getattr(output, "last_hidden_state", output)
    return output[0] if isinstance(output, tuple) else output


def ragged(channels: int, fill: float, frames: tuple[int, ...] = RAGGED) -> tuple[Any, Any]:
    """Returns noise with a number of frames for each row, padded with `fill`, and its mask."""
    mask = np.arange(max(frames)) < np.array(frames)[:, np.newaxis]
    noise = reference.noise(len(frames), max(frames), channels)
    return np.where(mask[..., np.newaxis], noise, np.float32(fill)), mask


def check_layer(
    layer: keras.layers.Layer,
    module: torch.nn.Module,
    channels: int,
    *,
    call: Call | None = None,
    their_call: TheirCall | None = None,
    frames: Sequence[int] = (1, 2, 20),
    modes: Sequence[str] = MODES,
    compiled_gradients: bool = False,
    zeros: bool = False,
    training: bool = False,
) -> None:
    """Checks a layer of (batch, frames, channels) against the module with the same weights.

    Without a mask, hidden states equal the module's, those of padding too. With a mask, the hidden
    states of a batch of ragged rows with NaN as padding equal the module's of each row alone,
    eagerly and compiled, and so do the gradients of the input and of every trainable variable.

    Args:
        call: calls the layer with values and a mask; by default `layer(values, mask)`.
        their_call: calls the module with values; by default `module(values)`.
        frames: numbers of frames at which parity without a mask is checked.
        modes: modes in which the layer runs on ragged rows; see `compiled`.
        compiled_gradients: whether gradients are compared in every mode, or only in the first.
        zeros: whether padding must come out as zeros, and not only as finite values.
        training: whether the layer is called with `training=True`; nothing in it may be random.
    """
    if call is None:
        call = functools.partial(layer, training=True) if training else layer
    their_call = module if their_call is None else their_call
    for count in frames:
        values = reference.noise(2, count, channels)
        wanted = run(their_call, values)
        assert wanted.std() > 0.05  # a comparison of zeros would prove little
        assert difference(hidden_states(call(tf.constant(values), None)), wanted) < TOLERANCE
    values, _ = ragged(channels, 0.0)
    got = hidden_states(call(tf.constant(values), None))
    assert difference(got, run(their_call, values)) < TOLERANCE

    values, mask = ragged(channels, np.nan)
    wanted, their_gradients = of_each_alone(their_call, module, values)
    variables = layer.trainable_variables
    for mode in modes:
        if compiled_gradients or mode == modes[0]:
            step = compiled(with_gradients(call, variables), mode, channels, masked=True)
            got, got_mask, gradients = step(values, mask)
            check_gradients(layer, their_gradients, gradients)
        else:
            step = compiled(with_mask(call), mode, channels, masked=True)
            got, got_mask = step(values, mask)
        assert np.isfinite(got).all(), mode
        assert got_mask.shape == got.shape[:2]
        for row, valid, alone in zip(got.numpy(), got_mask.numpy(), wanted, strict=True):
            count = len(alone)
            assert valid.tolist() == [frame < count for frame in range(len(row))], mode
            assert count == 0 or difference(row[:count], alone) < TOLERANCE, mode
            assert not zeros or not row[count:].any(), mode


def with_mask(call: Call) -> Call:
    """Returns a call that gives the hidden states and their mask."""

    def states_and_mask(values: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        output = call(values, mask)
        changed = isinstance(output, tuple) and len(output) == 2 and output[1].dtype == tf.bool
        return hidden_states(output), output[1] if changed else mask

    return states_and_mask


def loss_weights(frames: int, channels: int) -> np.ndarray:
    """Returns the weights of the loss; those of a frame do not depend on the number of frames."""
    return reference.noise(frames, channels, seed=7)


def with_gradients(call: Call, variables: Sequence[Any]) -> Call:
    """Returns a call that gives states, mask, and gradients of the input and the variables."""

    def step(values: tf.Tensor, mask: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            states, states_mask = with_mask(call)(values, mask)
            weights = tf.constant(loss_weights(2 * max(RAGGED), states.shape[-1]))
            weighted = states * weights[: tf.shape(states)[1]]
            loss = tf.reduce_sum(tf.where(states_mask[..., tf.newaxis], weighted, 0.0))
        found = tape.gradient(loss, [values, *(variable.value for variable in variables)])
        return states, states_mask, [tf.convert_to_tensor(gradient) for gradient in found]

    return step


def of_each_alone(
    their_call: TheirCall, module: torch.nn.Module, values: np.ndarray
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Returns the hidden states of each row run alone, and gradients of the sum of losses."""
    module.zero_grad()
    states, inputs = [], torch.zeros(values.shape)
    for row, count in enumerate(RAGGED):
        leaf = torch.from_numpy(values[row : row + 1, :count].copy()).requires_grad_()
        output = leaf[0][:0]
        if count:
            with refusal_of_few_frames():
                output = hidden_states(their_call(leaf * 1))[0]
        if len(output):
            (output * torch.from_numpy(loss_weights(*output.shape))).sum().backward()
            inputs[row, :count] = leaf.grad[0]
        states.append(output.detach().numpy())
    gradients = {name: tensor.grad for name, tensor in module.named_parameters()}
    return states, {"input": inputs, **gradients}


def check_gradients(
    layer: keras.layers.Layer, wanted: dict[str, Any], got: Sequence[tf.Tensor]
) -> None:
    """Compares gradients of input and variables; PyTorch has none for what is fixed here."""
    wanted = dict(wanted)
    of_input, *of_variables = got
    assert difference(of_input, wanted.pop("input")) < 1e-4
    for variable, gradient in zip(layer.trainable_variables, of_variables, strict=True):
        expected = in_our_layout(variable, wanted.pop(torch_name(layer, variable)))
        largest = np.abs(expected).max()
        assert difference(gradient, expected) < 1e-4 * max(1, largest), variable.path
    assert all(gradient is None for gradient in wanted.values()), wanted


@contextmanager
def refusal_of_few_frames() -> Iterator[None]:
    """Ignores PyTorch's error for fewer frames than a convolution's kernel."""
    try:
        yield
    except RuntimeError as error:
        if "Kernel size can't be greater" not in str(error):
            raise
