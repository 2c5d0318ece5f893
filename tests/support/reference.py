"""transformers' PyTorch models as the reference: configs, perturbed weights, checkpoints."""

from __future__ import annotations

import copy
import json
import re
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
XLARGE = {**LARGE, "num_hidden_layers": 48, "hidden_size": 1280, "intermediate_size": 5120}
CONFORMER = {**LARGE, **LAYER_STYLE, "hidden_act": "swish", "vocab_size": 32}
ROTARY, NO_POSITIONS = {"position_embeddings_type": "rotary"}, {"position_embeddings_type": None}
XLS_R = {**LARGE, **LAYER_STYLE, "codevector_dim": 768, "proj_codevector_dim": 768}
XLS_R_1B = {**XLARGE, **LAYER_STYLE, "codevector_dim": 1024, "proj_codevector_dim": 1024}
XLS_R_2B = {**XLS_R_1B, "hidden_size": 1920, "intermediate_size": 7680}
PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    # the family, and the fields that differ from transformers' defaults
    "base": ("Wav2Vec2", {}),
    "large-960h": ("Wav2Vec2", LARGE),
    "large-lv60": ("Wav2Vec2", {**LARGE, **LAYER_STYLE}),
    "large-robust": ("Wav2Vec2", {**LARGE, **LAYER_STYLE}),
    "large-xlsr-53": ("Wav2Vec2", XLS_R),
    "xls-r-300m": ("Wav2Vec2", XLS_R),
    "xls-r-1b": ("Wav2Vec2", XLS_R_1B),
    "xls-r-2b": ("Wav2Vec2", XLS_R_2B),
    "mms-300m": ("Wav2Vec2", XLS_R),
    "mms-1b": ("Wav2Vec2", XLS_R_1B),
    "mms-1b-all": ("Wav2Vec2", {**XLS_R_1B, "adapter_attn_dim": 16, "vocab_size": 154}),
    "hubert-base": ("Hubert", {}),
    "hubert-large": ("Hubert", {**LARGE, **LAYER_STYLE}),
    "hubert-xlarge": ("Hubert", {**XLARGE, **LAYER_STYLE}),
    "w2v-bert-2.0": ("Wav2Vec2Bert", {"vocab_size": 32, "add_adapter": True}),
    "conformer-rel-pos-large": ("Wav2Vec2Conformer", CONFORMER),
    "conformer-rope-large": ("Wav2Vec2Conformer", {**CONFORMER, **ROTARY}),
    "wavlm-base": ("WavLM", {}),
    "wavlm-large": ("WavLM", {**LARGE, **LAYER_STYLE, "conv_bias": False}),
    "data2vec-audio-base": ("Data2VecAudio", {}),
    "data2vec-audio-large": ("Data2VecAudio", LARGE),
    "unispeech-large": ("UniSpeech", {**LARGE, **LAYER_STYLE}),
    "unispeech-sat-base": ("UniSpeechSat", {}),
    "unispeech-sat-base-plus": ("UniSpeechSat", {}),
    "unispeech-sat-large": ("UniSpeechSat", {**LARGE, **LAYER_STYLE}),
}  # fmt: skip
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    # every switch of every family that changes the computation
    "wav2vec2-group": ("Wav2Vec2", {}),
    "wav2vec2-layer": ("Wav2Vec2", LAYER_STYLE),
    "wav2vec2-adapter": ("Wav2Vec2", {"add_adapter": True, "output_hidden_size": 20}),
    "mms": ("Wav2Vec2", {**LAYER_STYLE, "adapter_attn_dim": 5}),
    "hubert-group": ("Hubert", {}),
    "hubert-layer": ("Hubert", LAYER_STYLE),
    "hubert-batch-norm": ("Hubert", {"conv_pos_batch_norm": True, "feat_proj_layer_norm": False}),
    "wavlm-group": ("WavLM", {"num_buckets": 20, "max_bucket_distance": 30}),
    "wavlm-layer": ("WavLM", {**LAYER_STYLE, "num_buckets": 20, "max_bucket_distance": 30}),
    "data2vec-audio": ("Data2VecAudio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}),
    "data2vec-audio-adapter": (
        "Data2VecAudio",
        {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 4, "add_adapter": True},
    ),
    "unispeech": ("UniSpeech", LAYER_STYLE),
    "unispeech-sat": ("UniSpeechSat", {}),
    "unispeech-sat-layer": ("UniSpeechSat", LAYER_STYLE),
    "conformer-relative": ("Wav2Vec2Conformer", {}),
    "conformer-rotary": ("Wav2Vec2Conformer", ROTARY),
    "conformer-adapter": ("Wav2Vec2Conformer", {**NO_POSITIONS, "add_adapter": True}),
    "bert": ("Wav2Vec2Bert", {}),
    "bert-relative": ("Wav2Vec2Bert", {"position_embeddings_type": "relative"}),
    "bert-rotary": ("Wav2Vec2Bert", ROTARY),
    "bert-adapter": (
        "Wav2Vec2Bert",
        {
            "add_adapter": True,
            "num_adapter_layers": 2,
            "use_intermediate_ffn_before_adapter": True,
            "output_hidden_size": 18,
        },
    ),
}
BASE, CTC = "Model", "ForCTC"
TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")  # base-960h's
STRIDE, FIRST_FRAME = 320, 400  # samples
TINY: dict[str, Any] = {
    "vocab_size": len(TOKENS),
    "hidden_size": 24,
    "output_hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "mask_time_prob": 0.3,
    "mask_time_length": 3,
    "classifier_proj_size": 10,
    "tdnn_dim": (12, 12, 16),
    "tdnn_kernel": (3, 2, 1),
    "tdnn_dilation": (1, 2, 1),
    "xvector_output_dim": 7,
}
TINY_WAVEFORM: dict[str, Any] = {
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "num_codevectors_per_group": 6,
    "codevector_dim": 8,
    "proj_codevector_dim": 10,
    "num_clusters": 9,
    "num_ctc_classes": 11,
    "layer_norm_eps": 1e-4,  # not the default, and not what the feature encoder's norms use
}
TINY_CONFORMER = {"conv_depthwise_kernel_size": 7}
TINY_BERT = {"left_max_position_embeddings": 5, "right_max_position_embeddings": 2}


def tiny_config(variant: str, **changes: Any) -> Any:
    """Returns a config of under 100,000 parameters, with the published kernels and strides."""
    family, own = VARIANTS[f"wav2vec2-{variant}" if variant in STYLES else variant]
    sizes = dict(TINY)
    sizes |= TINY_BERT if family == "Wav2Vec2Bert" else TINY_WAVEFORM
    if family in ("Wav2Vec2Conformer", "Wav2Vec2Bert"):
        sizes |= TINY_CONFORMER
    if family == "Wav2Vec2Bert":  # an even number of channels in every head, for rotation
        sizes |= {"num_attention_heads": 2, "layer_norm_eps": 1e-4}
    if family == "Wav2Vec2Conformer":
        sizes |= {"num_attention_heads": 2}
    return getattr(transformers, f"{family}Config")(**{**sizes, **own, **changes})


def published_config(name: str, **changes: Any) -> Any:
    """Returns transformers' config of a published checkpoint."""
    family, own = PUBLISHED[name]
    return getattr(transformers, f"{family}Config")(**{**own, **changes})


def family_name(config: Any) -> str:
    """Returns the beginning of the names of transformers' classes for a config."""
    return type(config).__name__.removesuffix("Config")


def perturbed_model(
    config: Any, *, head: str = CTC, seed: int = 0, least: float = 0.1
) -> torch.nn.Module:
    """Returns a random model, all of whose values differ from their initial ones.

    Initial biases are 0 and norms are 1 and 0, which would hide swapped or missing tensors.

    Args:
        head: suffix of the name of transformers' class.
        least: lower limit of the standard deviation of the noise added to weights. At the
            published sizes 0.1 would saturate attention; at tiny ones less has little effect.
    """
    torch.manual_seed(seed)
    model = getattr(transformers, family_name(config) + head)(config).eval()
    with torch.no_grad():
        for name, values in model.state_dict().items():
            before = values.clone()
            if not values.is_floating_point():  # a batch norm's number of steps
                values += 17
                continue
            spread = float(values.std()) if values.numel() > 1 else 0.0
            # constant ones (biases, norms) always get 0.1
            noise = torch.randn_like(values) * (max(spread, least) if spread else 0.1)
            if name.endswith("running_var"):
                noise = noise.abs()
            if name.endswith("inv_freq"):
                noise = noise.abs() * 0.01
            values += noise
            assert (values != before).float().mean() > 0.99, name
    return model


def deep_model(
    config: Any, *, head: str = CTC, seed: int = 0, least: float = 0.01
) -> torch.nn.Module:
    """Returns `perturbed_model` at a published size, fast: layers are rolled copies of the first.

    The output of attention is scaled down: random attention averages over all frames, and 24
    layers of it in post-norm give equal frames, whose comparison would prove little.
    """
    shallow = copy.deepcopy(config)
    shallow.num_hidden_layers = 1
    drawn = perturbed_model(shallow, head=head, seed=seed, least=least).state_dict()
    with transformers.initialization.no_init_weights():
        model = getattr(transformers, family_name(config) + head)(config).eval()
    with torch.no_grad():
        for name, values in model.state_dict().items():
            layer = re.search(r"encoder\.layers\.(\d+)\.", name)
            if layer is None:
                values.copy_(drawn[name])
                continue
            first = drawn[name.replace(layer[0], "encoder.layers.0.")]
            values.copy_(first.flatten().roll(1009 * int(layer[1])).reshape(first.shape))
            if name.endswith("attention.out_proj.weight"):
                values *= 0.3
    return model


def strengthen_head(model: torch.nn.Module, factor: float = 3.0) -> torch.nn.Module:
    """Enlarges the weights of a tiny classifier, whose biases would dominate its outputs."""
    heads = ("projector.", "tdnn.", "feature_extractor.", "classifier.")
    with torch.no_grad():
        for name, values in model.state_dict().items():
            if name.startswith(heads) and name.endswith("weight"):
                values *= factor
    return model


def save_checkpoint(model: torch.nn.Module, folder: Path, *, tokenizer: bool = True) -> Path:
    """Writes a checkpoint as on the Hugging Face Hub: weights, config, processor files."""
    model.save_pretrained(folder)
    if model.config.model_type == "wav2vec2-bert":
        transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)
    else:
        norm = getattr(model.config, "feat_extract_norm", "layer")
        transformers.Wav2Vec2FeatureExtractor(
            feature_size=1,
            sampling_rate=16_000,
            padding_value=0.0,
            do_normalize=True,
            return_attention_mask=norm == "layer",
        ).save_pretrained(folder)
    if tokenizer:
        write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """Writes vocab.json and tokenizer_config.json as in base-960h."""
    vocabulary = {token: index for index, token in enumerate(TOKENS)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    write_tokenizer_config(folder)


def write_tokenizer_config(folder: Path, **more: Any) -> None:
    """Writes tokenizer_config.json as in base-960h, with more settings."""
    settings = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "word_delimiter_token": "|",
        "do_lower_case": False,
        **more,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def torch_model(folder: Path, *, head: bool = True) -> torch.nn.Module:
    """Loads transformers' model of a checkpoint, with its CTC head or without a head."""
    kind = transformers.AutoModelForCTC if head else transformers.AutoModel
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


def run(model: torch.nn.Module, speech: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Returns the logits, or the last hidden state, of (batch, samples) speech."""
    with torch.inference_mode():
        result = model(torch.from_numpy(speech), None if mask is None else torch.from_numpy(mask))
        return (result.logits if "logits" in result else result.last_hidden_state).numpy()


def padded(speeches: Sequence[np.ndarray], width: int, fill: float) -> np.ndarray:
    """Returns (batch, width): each utterance, padded with `fill`."""
    batch = np.full((len(speeches), width), fill, np.float32)
    for row, speech in zip(batch, speeches, strict=True):
        row[: len(speech)] = speech
    return batch


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns float32 samples of the standard normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def difference(got: Any, wanted: Any) -> float:
    """Returns the largest absolute difference of two arrays, which must have the same shape."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    return float(np.abs(got.astype(np.float64) - wanted).max(initial=0))


def frames(samples: int) -> int:
    """Returns the number of frames of the published convolutions, by counting windows."""
    return max(0, (samples - FIRST_FRAME) // STRIDE + 1)


def argmax_flips(reference: np.ndarray, got: np.ndarray, tolerance: float) -> int:
    """Counts frames whose best token differs, though the reference's leads by 2 tolerances."""
    second, best = np.moveaxis(np.sort(reference, axis=-1)[..., -2:], -1, 0)
    differs = reference.argmax(-1) != got.argmax(-1)
    return int((differs & (best - second > 2 * tolerance)).sum())
