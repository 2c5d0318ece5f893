"""transformers' PyTorch model as the reference: configs, perturbed weights, folders, parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

transformers.logging.set_verbosity_error()

STYLES = ("group", "layer")
LAYER_STYLE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
PUBLISHED: dict[str, dict[str, Any]] = {  # what differs from transformers' defaults
    "base": {},
    "large-960h": LARGE,
    "large-lv60": {**LARGE, **LAYER_STYLE},
}
TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")  # base-960h's
STRIDE, FIRST_FRAME = 320, 400  # samples


def tiny_config(style: str, **changes: Any) -> transformers.Wav2Vec2Config:
    """A model of under 100,000 parameters with the published convolutions' kernels and strides."""
    sizes: dict[str, Any] = {
        "vocab_size": len(TOKENS),
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "conv_dim": (16,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "mask_time_prob": 0.3,
        "mask_time_length": 3,
        "layer_norm_eps": 1e-4,  # not the default, and not what the feature encoder's norms use
    }
    norms = LAYER_STYLE if style == "layer" else {}
    return transformers.Wav2Vec2Config(**{**sizes, **norms, **changes})


def published_config(name: str) -> transformers.Wav2Vec2Config:
    return transformers.Wav2Vec2Config(**PUBLISHED[name])


def perturbed_model(
    config: transformers.Wav2Vec2Config, *, head: bool = True, seed: int = 0, least: float = 0.1
) -> torch.nn.Module:
    """A random model in which no parameter or buffer has its initial value.

    Initial biases are 0 and norms 1 and 0: with those, a swapped or forgotten one is not seen.

    Args:
        least: standard deviation of what is added to weights of less. At the published sizes 0.1
            would saturate every attention; at the tiny ones less would hardly be felt.
    """
    torch.manual_seed(seed)
    kind = transformers.Wav2Vec2ForCTC if head else transformers.Wav2Vec2Model
    model = kind(config).eval()
    with torch.no_grad():
        for name, values in [*model.named_parameters(), *model.named_buffers()]:
            before = values.clone()
            spread = float(values.std()) if values.numel() > 1 else 0.0
            if not values.is_floating_point():
                raise AssertionError(f"{name}: an integer buffer that this does not perturb")
            # constant ones (biases, norms) always get 0.1
            values += torch.randn_like(values) * (max(spread, least) if spread else 0.1)
            assert (values != before).float().mean() > 0.99, name
    return model


def save_checkpoint(model: torch.nn.Module, folder: Path, *, tokenizer: bool = True) -> Path:
    """A folder as on the Hugging Face Hub: weights, config, processor files."""
    model.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=16_000,
        padding_value=0.0,
        do_normalize=True,
        return_attention_mask=model.config.feat_extract_norm == "layer",
    )
    extractor.save_pretrained(folder)
    if tokenizer:
        write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """vocab.json and tokenizer_config.json as base-960h has them."""
    vocabulary = {token: index for index, token in enumerate(TOKENS)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    settings = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "word_delimiter_token": "|",
        "do_lower_case": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def torch_model(folder: Path, *, head: bool = True) -> torch.nn.Module:
    kind = transformers.AutoModelForCTC if head else transformers.AutoModel
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


def run(model: torch.nn.Module, speech: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Logits, or the last hidden state, of (batch, samples) speech."""
    with torch.inference_mode():
        result = model(torch.from_numpy(speech), None if mask is None else torch.from_numpy(mask))
        return (result.logits if "logits" in result else result.last_hidden_state).numpy()


def parts(model: torch.nn.Module, speech: np.ndarray) -> dict[str, np.ndarray]:
    """Every part's output, by hooks on one forward pass; (batch, frames, channels) each."""
    base = model.base_model
    modules = {
        "feature_encoder": base.feature_extractor,
        "feature_projection": base.feature_projection,
        "pos_conv_embed": base.encoder.pos_conv_embed,
        "layers_0": base.encoder.layers[0],
    }
    seen: dict[str, np.ndarray] = {}

    def keep(part: str) -> Any:
        def hook(module: torch.nn.Module, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            seen[part] = first.clone().numpy()  # the encoder adds to its tensors in place

        return hook

    handles = [module.register_forward_hook(keep(part)) for part, module in modules.items()]
    try:
        with torch.inference_mode():
            seen["last_hidden_state"] = base(torch.from_numpy(speech)).last_hidden_state.numpy()
    finally:
        for handle in handles:
            handle.remove()
    seen["feature_encoder"] = seen["feature_encoder"].transpose(0, 2, 1)
    return seen


def padded(speeches: Sequence[np.ndarray], width: int, fill: float) -> np.ndarray:
    """(batch, width): each utterance, and `fill` after it."""
    batch = np.full((len(speeches), width), fill, np.float32)
    for row, speech in zip(batch, speeches, strict=True):
        row[: len(speech)] = speech
    return batch


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def frames(samples: int) -> int:
    """Frames of the published convolutions, by the counting of whole windows."""
    return max(0, (samples - FIRST_FRAME) // STRIDE + 1)


def argmax_flips(reference: np.ndarray, got: np.ndarray, tolerance: float) -> int:
    """Frames whose best token differs although the reference's is ahead by twice the tolerance."""
    second, best = np.moveaxis(np.sort(reference, axis=-1)[..., -2:], -1, 0)
    differs = reference.argmax(-1) != got.argmax(-1)
    return int((differs & (best - second > 2 * tolerance)).sum())
