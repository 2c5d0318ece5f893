"""transformers' Conformer encoders and adapters as the reference: configs, weights, outputs."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import torch
import transformers

from wav2vec2_tf.config import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig

HIDDEN = 24
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "conv_depthwise_kernel_size": 5,
    "layer_norm_eps": 1e-3,  # not what Wav2Vec2-Conformer's blocks use
}
FAMILIES: dict[str, tuple[type, type, dict[str, Any]]] = {
    "conformer": (
        transformers.Wav2Vec2ConformerConfig,
        Wav2Vec2ConformerConfig,
        {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4},
    ),
    "bert": (
        transformers.Wav2Vec2BertConfig,
        Wav2Vec2BertConfig,
        {"left_max_position_embeddings": 4, "right_max_position_embeddings": 2},
    ),
}


def configs(family: str, **changes: Any) -> tuple[Any, Any]:
    """transformers' config and ours."""
    theirs, ours, sizes = FAMILIES[family]
    fields = {**SIZES, **sizes, **changes}
    config = theirs(**fields)
    config._attn_implementation = "eager"
    return config, ours(**fields)


def perturbed(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """No parameter, and no buffer that a checkpoint holds, has its initial value."""
    torch.manual_seed(seed)
    state = module.state_dict()
    for name, values in state.items():
        before = values.clone()
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)
        elif values.is_floating_point():
            values += torch.randn_like(values) * max(0.1, float(values.std()))
        else:
            values += 7
        assert (values != before).all(), name
    return module.eval()


def key_of(path: str) -> str:
    """transformers' key for a variable's path below the module."""
    key = re.sub(r"layers_(\d+)", r"layers.\1", path).replace("/", ".")
    key = key.replace("pos_conv_embed.", "pos_conv_embed.conv.")
    key = re.sub(r"conv\.([gv])$", r"conv.parametrizations.weight.\1", key)
    endings = {
        "weight.g": "weight.original0",
        "weight.v": "weight.original1",
        "gamma": "weight",
        "beta": "bias",
        "kernel": "weight",
        "embeddings": "weight",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    for ours, theirs in endings.items():
        key = re.sub(rf"\b{re.escape(ours)}$", theirs, key)
    return key


def copy_weights(module: torch.nn.Module, layer: keras.layers.Layer) -> None:
    """Every tensor of the one to the other; none is left on either side."""
    state = module.state_dict()
    for variable in layer.variables:
        path = variable.path.removeprefix(f"{layer.name}/")
        if "seed_generator" in path:
            continue
        values = state.pop(key_of(path)).numpy()
        turned = re.search(r"/(kernel|[gv])$", path)
        variable.assign(values.T if turned else values)
    assert not state, state.keys()


def run(
    module: torch.nn.Module, hidden_states: np.ndarray, mask: np.ndarray | None = None
) -> dict[str, Any]:
    """The last state, and what went through the layers and their attention."""
    seen: dict[str, Any] = {"hidden_states": [], "attentions": []}

    def keep(layer: Any, arguments: Any, output: Any) -> None:
        if not seen["hidden_states"]:
            seen["hidden_states"].append(arguments[0].numpy().copy())
        seen["hidden_states"].append(output.numpy().copy())

    def keep_attention(layer: Any, arguments: Any, output: Any) -> None:
        seen["attentions"].append(output[1].numpy().copy())

    handles = []
    for layer in module.layers:
        handles.append(layer.register_forward_hook(keep))
        handles.append(layer.self_attn.register_forward_hook(keep_attention))
    try:
        with torch.inference_mode():
            states = torch.from_numpy(hidden_states.copy())
            output = module(states, None if mask is None else torch.from_numpy(mask))
    finally:
        for handle in handles:
            handle.remove()
    last = output if isinstance(output, torch.Tensor) else output.last_hidden_state
    return {"last_hidden_state": last.numpy(), **seen}
