"""transformers' Conformer encoders and adapters as the reference: configs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers

from wav2vec2_tf.models.config import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig

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
    """Returns transformers' config and ours."""
    theirs, ours, sizes = FAMILIES[family]
    fields = {**SIZES, **sizes, **changes}
    config = theirs(**fields)
    config._attn_implementation = "eager"
    return config, ours(**fields)


def run(
    module: torch.nn.Module, hidden_states: np.ndarray, mask: np.ndarray | None = None
) -> dict[str, Any]:
    """Returns the last state, the states between the layers, and their attention weights."""
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
