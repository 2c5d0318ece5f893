"""Reads fairseq's checkpoints (`.pt`): tensors and settings under Hugging Face's names.

fairseq saves a dictionary: `model` holds the tensors; `args` (an `argparse.Namespace`) or `cfg`
(omegaconf's, or a plain dictionary) the settings; the state of the training beside them is
ignored. A fine-tuned model holds the pre-trained one below `w2v_encoder.w2v_model.` and its
settings in `w2v_args`.

References: fairseq's `models/wav2vec/wav2vec2.py`, `wav2vec2_asr.py`, `models/hubert/hubert.py`,
`examples/data2vec/models/data2vec_audio.py`; transformers' `convert_…_original_…_checkpoint…`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from wav2vec2_tf.checkpoint.fairseq_settings import (
    Fault,
    SettingsGroup,
    convolutions,
    shown,
)
from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted
from wav2vec2_tf.utils.errors import UserError


@dataclass(frozen=True)
class Settings:
    """The settings of a fairseq checkpoint, in Hugging Face's terms."""

    config: Mapping[str, Any]
    """The values of Hugging Face's `config.json`."""
    preprocessor: Mapping[str, Any]
    """The values of Hugging Face's `preprocessor_config.json`."""
    ignored: tuple[str, ...]
    """Keys in `model` that the Hugging Face model does not have, as the file names them."""
    proven: bool
    """Whether the names were tested on files that fairseq wrote; otherwise they are those of
    transformers' conversion script."""


Rows = tuple[tuple[str, str], ...]
"""fairseq's key below the pre-trained model, and Hugging Face's below the base model. `#` stands
for a number, `@` for weight or bias."""

BASE: Rows = (
    ("mask_emb", "masked_spec_embed"),
    ("feature_extractor.conv_layers.#.0.@", "feature_extractor.conv_layers.#.conv.@"),
    ("feature_extractor.conv_layers.#.2.@", "feature_extractor.conv_layers.#.layer_norm.@"),
    # as 2, between two transpositions
    ("feature_extractor.conv_layers.#.2.1.@", "feature_extractor.conv_layers.#.layer_norm.@"),
    ("layer_norm.@", "feature_projection.layer_norm.@"),
    ("post_extract_proj.@", "feature_projection.projection.@"),
    ("encoder.layer_norm.@", "encoder.layer_norm.@"),
    ("encoder.layers.#.self_attn.k_proj.@", "encoder.layers.#.attention.k_proj.@"),
    ("encoder.layers.#.self_attn.v_proj.@", "encoder.layers.#.attention.v_proj.@"),
    ("encoder.layers.#.self_attn.q_proj.@", "encoder.layers.#.attention.q_proj.@"),
    ("encoder.layers.#.self_attn.out_proj.@", "encoder.layers.#.attention.out_proj.@"),
    ("encoder.layers.#.self_attn_layer_norm.@", "encoder.layers.#.layer_norm.@"),
    ("encoder.layers.#.fc1.@", "encoder.layers.#.feed_forward.intermediate_dense.@"),
    ("encoder.layers.#.fc2.@", "encoder.layers.#.feed_forward.output_dense.@"),
    ("encoder.layers.#.final_layer_norm.@", "encoder.layers.#.final_layer_norm.@"),
)
_POSITIONS = "encoder.pos_conv_embed"
POSITIONS: Rows = (
    ("encoder.pos_conv.0.bias", f"{_POSITIONS}.conv.bias"),
    ("encoder.pos_conv.0.weight_g", f"{_POSITIONS}.conv.parametrizations.weight.original0"),
    ("encoder.pos_conv.0.weight_v", f"{_POSITIONS}.conv.parametrizations.weight.original1"),
)
POSITIONS_BATCH_NORM: Rows = (
    ("encoder.pos_conv.0.@", f"{_POSITIONS}.batch_norm.@"),
    ("encoder.pos_conv.0.running_mean", f"{_POSITIONS}.batch_norm.running_mean"),
    ("encoder.pos_conv.0.running_var", f"{_POSITIONS}.batch_norm.running_var"),
    ("encoder.pos_conv.0.num_batches_tracked", f"{_POSITIONS}.batch_norm.num_batches_tracked"),
    ("encoder.pos_conv.1.@", f"{_POSITIONS}.conv.@"),
)
POSITIONS_STACK: Rows = (("encoder.pos_conv.#.0.@", f"{_POSITIONS}.layers.#.conv.@"),)
CTC_HEAD: Rows = (("w2v_encoder.proj.@", "lm_head.@"),)
PRETRAINING_HEAD: Rows = (
    ("quantizer.vars", "quantizer.codevectors"),
    ("quantizer.weight_proj.@", "quantizer.weight_proj.@"),
    ("project_q.@", "project_q.@"),
    ("final_proj.@", "project_hid.@"),
)


# In old versions of fairseq, a fine-tuned model keeps the head for pre-training.
UNUSED_WHEN_FINE_TUNED = (
    *("quantizer.", "project_q.", "final_proj.", "target_glu."),
    *("label_embs_concat", "_ema"),
)
FINE_TUNED = {"wav2vec_ctc": "wav2vec2", "hubert_ctc": "hubert"}  # for settings without a name
ENCODER = "w2v_encoder.w2v_model."

# Settings that change the computation in ways that the Hugging Face model has no field for, with
# the one value that does not.
NEUTRAL: Mapping[str, object] = {
    "layer_type": "transformer",
    "quantize_input": False,
    "crop_seq_to_multiple": 1,
    "pos_conv_depth": 1,
    "conv_pos_batch_norm": False,
}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "relu": "relu",
    "swish": "swish",
}
EXTRACTOR_NORMS = {"default": "group", "layer_norm": "layer"}

# config.json's field → fairseq's
REQUIRED = {
    "hidden_size": "encoder_embed_dim",
    "num_hidden_layers": "encoder_layers",
    "num_attention_heads": "encoder_attention_heads",
    "intermediate_size": "encoder_ffn_embed_dim",
    "conv_bias": "conv_bias",
}
OPTIONAL = {
    "hidden_dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "feat_proj_dropout": "dropout_input",
    "layerdrop": "encoder_layerdrop",
    "mask_time_prob": "mask_prob",
    "mask_time_length": "mask_length",
    "mask_feature_prob": "mask_channel_prob",
    "mask_feature_length": "mask_channel_length",
}
FINE_TUNING = {
    "final_dropout": "final_dropout",
    "apply_spec_augment": "apply_mask",
    "layerdrop": "layerdrop",
}
PRETRAINING = {
    "feat_quantizer_dropout": "dropout_features",
    "num_codevectors_per_group": "latent_vars",
    "num_codevector_groups": "latent_groups",
    "contrastive_logits_temperature": "logit_temp",
    "num_negatives": "num_negatives",
}
MAX_KEYS = 20_000  # 25 times those of the largest model


def _extractor_norm(group: SettingsGroup) -> str:
    """Returns `feat_extract_norm`."""
    mode = group.required("extractor_mode")
    if mode not in EXTRACTOR_NORMS:
        known = ", ".join(EXTRACTOR_NORMS)
        raise Fault(f"has the extractor_mode {quoted(mode)}, which is unknown; known: {known}")
    return EXTRACTOR_NORMS[mode]


def _wav2vec2_fields(group: SettingsGroup) -> dict[str, Any]:
    """Returns the fields of norms and positions."""
    return {
        "feat_extract_norm": _extractor_norm(group),
        "do_stable_layer_norm": group.required("layer_norm_first"),
        "num_conv_pos_embeddings": group.required("conv_pos"),
        "num_conv_pos_embedding_groups": group.required("conv_pos_groups"),
    }


def _hubert_fields(group: SettingsGroup) -> dict[str, Any]:
    """Returns the fields of norms and positions."""
    batch_norm = group.optional("conv_pos_batch_norm") or False
    own = {"feat_proj_layer_norm": True, "conv_pos_batch_norm": batch_norm}
    return _wav2vec2_fields(group) | own


def _data2vec_fields(group: SettingsGroup) -> dict[str, Any]:
    """Returns the fields of positions; the norms are fixed."""
    norm, first = _extractor_norm(group), group.required("layer_norm_first")
    width, groups = group.required("conv_pos"), group.required("conv_pos_groups")
    if norm != "layer" or first:
        raise Fault("has norms (extractor_mode, layer_norm_first) that data2vec never has")
    depth = group.required("pos_conv_depth")
    if depth < 1:
        raise Fault(f"has the setting pos_conv_depth = {depth}, which must be at least 1")
    return {
        "num_conv_pos_embeddings": depth,
        # fairseq: `make_conv_block(e, max(3, conv_pos // depth), groups, depth)`
        "conv_pos_kernel_size": max(3, width // depth),
        "num_conv_pos_embedding_groups": groups,
    }


@dataclass(frozen=True, kw_only=True)
class Family:
    """The particulars of a family in the conversion."""

    model_type: str
    class_name: str
    """The beginning of the names of transformers' classes."""
    fields: Callable[[SettingsGroup], dict[str, Any]]
    """Returns the fields of config.json that depend on the family."""
    own_settings: tuple[str, ...] = ()
    """Those of `NEUTRAL` that the family has fields for."""
    positions: Rows = POSITIONS
    pretraining_head: Rows = ()
    unused: tuple[str, ...] = ()
    """Keys, or their beginnings up to a dot, that only pre-training needs."""
    mask_time_min_masks: int = 2
    """fairseq's `compute_mask_indices(…, min_masks=…)` over time."""
    proven: bool = False
    """See `Settings`."""

    @property
    def prefix(self) -> str:
        """The prefix of the base model's keys in a checkpoint that has a head."""
        return self.model_type.replace("-", "_") + "."


FAMILIES: Mapping[str, Family] = {
    "wav2vec2": Family(
        model_type="wav2vec2",
        class_name="Wav2Vec2",
        fields=_wav2vec2_fields,
        pretraining_head=PRETRAINING_HEAD,
        proven=True,
    ),
    "hubert": Family(
        model_type="hubert",
        class_name="Hubert",
        fields=_hubert_fields,
        own_settings=("conv_pos_batch_norm",),
        unused=("final_proj.", "label_embs_concat", "target_glu."),
    ),
    "data2vec_audio": Family(
        model_type="data2vec-audio",
        class_name="Data2VecAudio",
        fields=_data2vec_fields,
        own_settings=("pos_conv_depth",),
        positions=POSITIONS_STACK,
        unused=("final_proj.", "_ema"),
        mask_time_min_masks=1,
    ),
}
"""By fairseq's name."""


def is_fairseq(value: object) -> TypeGuard[dict]:
    """Returns whether the content of a PyTorch file is a fairseq checkpoint."""
    return isinstance(value, dict) and "model" in value and ("args" in value or "cfg" in value)


def read(path: Path, value: dict) -> tuple[dict[str, LazyTensor], Settings]:
    """Returns the tensors of a fairseq checkpoint under Hugging Face's names, and its settings.

    Keys are those of `…ForCTC` for a fine-tuned model, of `Wav2Vec2ForPreTraining` for a
    pre-trained wav2vec 2.0, and of the base model for a pre-trained HuBERT or data2vec.

    Args:
        path: the file, for errors.
        value: its content, as `torch_pickle` reads it.

    Raises:
        UserError: the Hugging Face model has no such tensor, or a setting is missing, of the wrong
            type, or not supported by the Hugging Face model.
    """
    try:
        return _converted(value)
    except Fault as fault:
        raise UserError(f"{path}: {fault}") from fault


def _converted(value: dict) -> tuple[dict[str, LazyTensor], Settings]:
    model = value["model"]
    if not isinstance(model, dict) or not any(isinstance(t, LazyTensor) for t in model.values()):
        raise Fault("its 'model' holds no tensors; take the file that fairseq's training saved")
    if len(model) > MAX_KEYS:
        raise Fault(f"its 'model' has {len(model)} entries, more than any model of fairseq's")
    # fairseq: `args` before `cfg`
    whole = value.get("args") if value.get("args") is not None else value.get("cfg")
    if whole is None:
        raise Fault("holds neither 'args' nor 'cfg', so the model's sizes are not known")
    outer = SettingsGroup.of(whole)
    fine_tuned = any(type(key) is str and key.startswith(ENCODER) for key in model)
    inner = SettingsGroup.of(outer.model.get("w2v_args"), "w2v_args") if fine_tuned else outer
    family = _family(outer, inner)

    config = _config(family, outer, inner, fine_tuned)
    batch_norm = config.get("conv_pos_batch_norm", False)
    tensors, ignored = _renamed(model, family, batch_norm, fine_tuned)
    if fine_tuned:
        config["architectures"] = [f"{family.class_name}ForCTC"]
        if "lm_head.weight" not in tensors or len(tensors["lm_head.weight"].shape) != 2:
            raise Fault("is fine-tuned, but has no CTC head (w2v_encoder.proj)")
        config["vocab_size"] = tensors["lm_head.weight"].shape[0]
    elif family.pretraining_head:
        config["architectures"] = [f"{family.class_name}ForPreTraining"]
    else:
        config["architectures"] = [f"{family.class_name}Model"]
    preprocessor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": outer.optional("sample_rate", in_task=True) or 16_000,
        "padding_value": 0.0,
        "padding_side": "right",
        # fairseq's default: as it is
        "do_normalize": outer.optional("normalize", in_task=True) or False,
        "return_attention_mask": _extractor_norm(inner) == "layer",
    }
    return tensors, Settings(config, preprocessor, tuple(ignored), family.proven)


def _family(outer: SettingsGroup, inner: SettingsGroup) -> Family:
    name = inner.optional("_name") or inner.optional("arch")
    if name is None and inner is not outer:
        name = FINE_TUNED.get(outer.optional("_name") or outer.optional("arch"))
    if name not in FAMILIES:
        raise Fault(
            f"is a fairseq model of the kind {quoted(name)}, which is not supported; "
            f"supported are {', '.join(FAMILIES)} and their fine-tuned CTC models"
        )
    return FAMILIES[name]


def _renamed(
    model: Mapping[object, object], family: Family, batch_norm: bool, fine_tuned: bool
) -> tuple[dict[str, LazyTensor], list[str]]:
    """Returns the tensors under Hugging Face's names, and the keys that are ignored."""
    base = BASE + (POSITIONS_BATCH_NORM if batch_norm else family.positions)
    head = CTC_HEAD if fine_tuned else family.pretraining_head
    unused = UNUSED_WHEN_FINE_TUNED if fine_tuned else family.unused
    with_head = fine_tuned or bool(head)
    prefix = family.prefix if with_head else ""

    tensors: dict[str, LazyTensor] = {}
    ignored: list[str] = []
    unknown: list[str] = []
    for key, tensor in model.items():
        if type(key) is not str:
            raise Fault("has an entry in 'model' named by a number, not by text")
        inside = key.startswith(ENCODER) == fine_tuned
        below = key.removeprefix(ENCODER)
        name = _match(base, below) if inside else None
        name = _match(head, key) if name is None else prefix + name
        if name is None and inside and _begins(below, unused):
            ignored.append(key)
        elif name is None or not isinstance(tensor, LazyTensor):
            unknown.append(key)
        elif name in tensors:
            raise Fault(f"has two tensors for Hugging Face's {name}, {quoted(key)} is one of them")
        else:
            tensors[name] = tensor
    if unknown:
        shown_keys = ", ".join(quoted(key) for key in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise Fault(
            f"{len(unknown)} of its tensors have no place in a {family.model_type} model of "
            f"Hugging Face's: {shown_keys}{more}; convert a checkpoint without added layers"
        )
    return tensors, ignored


def _match(rows: Rows, key: str) -> str | None:
    """Returns Hugging Face's name of a key; None if no row matches."""
    for theirs, ours in rows:
        pattern = re.escape(theirs).replace(r"\#", "([0-9]+)").replace("@", "(weight|bias)")
        match = re.fullmatch(pattern, key)
        if match:
            return re.sub("[#@]", "{}", ours).format(*match.groups())
    return None


def _begins(key: str, beginnings: tuple[str, ...]) -> bool:
    return any(key.startswith(b) if b.endswith(".") else key == b for b in beginnings)


def _config(
    family: Family, outer: SettingsGroup, inner: SettingsGroup, fine_tuned: bool
) -> dict[str, Any]:
    config: dict[str, Any] = {"model_type": family.model_type}
    config |= {name: inner.required(field) for name, field in REQUIRED.items()}
    activation = inner.optional("activation_fn") or "gelu"
    if activation not in ACTIVATIONS:
        raise Fault(
            f"has the activation {quoted(activation)}, which Hugging Face's model does not have"
        )
    config |= {"hidden_act": ACTIVATIONS[activation], "feat_extract_activation": "gelu"}
    layers = convolutions(inner.required("conv_feature_layers"))
    for place, name in enumerate(("conv_dim", "conv_kernel", "conv_stride")):
        config[name] = [layer[place] for layer in layers]

    config |= family.fields(inner)
    for field, neutral in NEUTRAL.items():
        setting = inner.optional(field)
        if field not in family.own_settings and setting is not None and setting != neutral:
            raise Fault(
                f"has the setting {field} = {shown(setting)}, which must be {shown(neutral)}: "
                "Hugging Face's model has no such option"
            )

    config |= inner.chosen(OPTIONAL)
    if fine_tuned:  # fairseq: these override the pre-trained model's
        config |= outer.chosen(OPTIONAL) | outer.chosen(FINE_TUNING)
    config["mask_time_min_masks"] = family.mask_time_min_masks
    config["mask_feature_min_masks"] = 0  # fairseq's over channels
    if family.pretraining_head:
        config |= inner.chosen(PRETRAINING) | _quantizer(config["hidden_size"], inner)
    return {**config, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _quantizer(hidden_size: int, group: SettingsGroup) -> dict[str, Any]:
    final = group.optional("final_dim") or hidden_size
    result: dict[str, Any] = {
        "proj_codevector_dim": final,
        "codevector_dim": group.optional("latent_dim") or final,
    }
    if group.diversity_weight is not None:
        result["diversity_loss_weight"] = group.diversity_weight
    return result
