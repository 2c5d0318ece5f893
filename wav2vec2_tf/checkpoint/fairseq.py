"""fairseq's checkpoints (`.pt`): their tensors and settings, as Hugging Face names them.

fairseq saves a dictionary: `model` holds the tensors; `args` (an `argparse.Namespace`) or `cfg`
(omegaconf's, or a plain dictionary) the settings; beside them lies the state of the training,
which is left out. A fine-tuned model holds the pre-trained one below `w2v_encoder.w2v_model.` and
its settings in `w2v_args`.

References: fairseq's `models/wav2vec/wav2vec2.py`, `wav2vec2_asr.py`, `models/hubert/hubert.py`,
`examples/data2vec/models/data2vec_audio.py`; transformers' `convert_…_original_…_checkpoint…`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from wav2vec2_tf.checkpoint.lazy_tensor import LazyTensor, quoted
from wav2vec2_tf.checkpoint.torch_pickle import Record
from wav2vec2_tf.utils.errors import UserError


@dataclass(frozen=True)
class Settings:
    """What a fairseq checkpoint says beside its tensors."""

    config: Mapping[str, Any]
    """The values of Hugging Face's `config.json`."""
    preprocessor: Mapping[str, Any]
    """The values of Hugging Face's `preprocessor_config.json`."""
    ignored: tuple[str, ...]
    """Keys in `model` that have no place in the Hugging Face model, in the file's words."""
    proven: bool
    """Whether the names were tried on files that fairseq wrote; else they are those of
    transformers' conversion."""


# fairseq's key below the pre-trained model → Hugging Face's below the base model. `#` stands for a
# number, `@` for weight or bias.
Rows = tuple[tuple[str, str], ...]

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


@dataclass(frozen=True)
class Family:
    """What is a family's own in the conversion."""

    model_type: str
    class_name: str  # of transformers' classes, before "Model" and "ForCTC"
    pretraining_head: Rows
    unused: tuple[str, ...]  # keys, or their beginnings up to a dot, that only pre-training needs
    proven: bool


FAMILIES: Mapping[str, Family] = {  # by fairseq's name
    "wav2vec2": Family(
        "wav2vec2",
        "Wav2Vec2",
        PRETRAINING_HEAD,
        unused=(),
        proven=True,
    ),
    "hubert": Family(
        "hubert",
        "Hubert",
        (),
        unused=("final_proj.", "label_embs_concat", "target_glu."),
        proven=False,
    ),
    "data2vec_audio": Family(
        "data2vec-audio",
        "Data2VecAudio",
        (),
        unused=("final_proj.", "_ema"),
        proven=False,
    ),
}
# A fine-tuned model keeps the pre-training head of old versions of fairseq, of no use to it.
UNUSED_WHEN_FINE_TUNED = (
    *("quantizer.", "project_q.", "final_proj.", "target_glu."),
    *("label_embs_concat", "_ema"),
)
FINE_TUNED = {"wav2vec_ctc": "wav2vec2", "hubert_ctc": "hubert"}  # the family, if unnamed inside
ENCODER = "w2v_encoder.w2v_model."

# Settings that change the computation in ways that the Hugging Face model has no field for, and
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
FIELD_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("conv_bias", "layer_norm_first", "apply_mask", "normalize"), bool),
    **dict.fromkeys(("quantize_input", "conv_pos_batch_norm"), bool),
    **dict.fromkeys(("activation_fn", "extractor_mode", "conv_feature_layers"), str),
    **dict.fromkeys(("layer_type", "arch", "_name"), str),
    **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), float),
    **dict.fromkeys(("dropout_input", "dropout_features", "final_dropout"), float),
    **dict.fromkeys(("encoder_layerdrop", "layerdrop", "logit_temp"), float),
    **dict.fromkeys(("mask_prob", "mask_channel_prob"), float),
}  # int, if not here

MAX_KEYS = 20_000  # 25 times those of the largest model
MAX_LAYERS_TEXT = 1000
MAX_CONVOLUTIONS = 64
# What comes before a dictionary, as Hugging Face calls it; fairseq: <s>, <pad>, </s>, <unk>.
SPECIAL_SYMBOLS = ("<pad>", "<s>", "</s>", "<unk>")
MAX_DICTIONARY_LENGTH = 16 * 2**20  # characters


def is_fairseq(value: object) -> TypeGuard[dict]:
    """Whether a file of torch's holds a fairseq checkpoint."""
    return isinstance(value, dict) and "model" in value and ("args" in value or "cfg" in value)


def read(path: Path, value: dict) -> tuple[dict[str, LazyTensor], Settings]:
    """The tensors of a fairseq checkpoint under Hugging Face's names, and its settings.

    Keys are those of `…ForCTC` for a fine-tuned model, of `Wav2Vec2ForPreTraining` for a
    pre-trained wav2vec 2.0, and of the base model alone for HuBERT and data2vec pre-trained.

    Raises:
        UserError: a key of the file has no place in that model, or a setting is missing, of the
            wrong kind, or changes the model in a way that Hugging Face's does not offer.
    """
    try:
        return _converted(value)
    except _Fault as fault:
        raise UserError(f"{path}: {fault}") from fault


def vocabulary(file: str | Path) -> dict[str, int]:
    """The values of Hugging Face's `vocab.json` from a fairseq dictionary (`dict.ltr.txt`).

    A line is a symbol, a space and a count. Four symbols come before the first: fairseq's `<s>`
    (0), which is its blank of CTC, and `<pad>` (1) change names, since Hugging Face's blank is
    `<pad>`; then `</s>` and `<unk>`.

    Raises:
        UserError: the file cannot be read, or a line is malformed or gives a symbol again.
    """
    path = Path(file)
    remedy = "give the model's own dict.ltr.txt, lines of a symbol, a space and a count"
    try:
        with path.open(encoding="utf-8") as file_:
            content = file_.read(MAX_DICTIONARY_LENGTH + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8; {remedy}") from error
    if not content or len(content) > MAX_DICTIONARY_LENGTH:
        raise UserError(f"{path}: is {'too large' if content else 'empty'}; {remedy}")

    result = {symbol: index for index, symbol in enumerate(SPECIAL_SYMBOLS)}
    for number, line in enumerate(content.removesuffix("\n").split("\n"), start=1):
        symbol, space, count = line.rstrip().rpartition(" ")
        if not (symbol and space and re.fullmatch("-?[0-9]+", count)):
            raise UserError(f"{path}: line {number} is {quoted(line)}; {remedy}")
        if symbol in result:
            raise UserError(f"{path}: line {number} gives {quoted(symbol)} again; {remedy}")
        result[symbol] = len(result)
    return result


class _Fault(Exception):
    """What is wrong with a checkpoint, and what to do, without the file's name."""


def _converted(value: dict) -> tuple[dict[str, LazyTensor], Settings]:
    model = value["model"]
    if not isinstance(model, dict) or not any(isinstance(t, LazyTensor) for t in model.values()):
        raise _Fault("its 'model' holds no tensors; take the file that fairseq's training saved")
    if len(model) > MAX_KEYS:
        raise _Fault(f"its 'model' has {len(model)} entries, more than any model of fairseq's")
    # fairseq: `args` before `cfg`
    whole = value.get("args") if value.get("args") is not None else value.get("cfg")
    if whole is None:
        raise _Fault("holds neither 'args' nor 'cfg', so the model's sizes are not known")
    outer = _Group.of(whole)
    fine_tuned = any(type(key) is str and key.startswith(ENCODER) for key in model)
    inner = _Group.of(outer.model.get("w2v_args"), "w2v_args") if fine_tuned else outer
    family = _family(outer, inner)

    config = _config(family, outer, inner, fine_tuned)
    batch_norm = config.get("conv_pos_batch_norm", False)
    tensors, ignored = _renamed(model, family, batch_norm, fine_tuned)
    if fine_tuned:
        config["architectures"] = [f"{family.class_name}ForCTC"]
        if "lm_head.weight" not in tensors or len(tensors["lm_head.weight"].shape) != 2:
            raise _Fault("is fine-tuned, but has no CTC head (w2v_encoder.proj)")
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


def _family(outer: _Group, inner: _Group) -> Family:
    name = inner.optional("_name") or inner.optional("arch")
    if name is None and inner is not outer:
        name = FINE_TUNED.get(outer.optional("_name") or outer.optional("arch"))
    if name not in FAMILIES:
        raise _Fault(
            f"is a fairseq model of the kind {quoted(name)}, which is not read; "
            f"read are {', '.join(FAMILIES)} and their fine-tuned CTC models"
        )
    return FAMILIES[name]


def _renamed(
    model: Mapping[object, object], family: Family, batch_norm: bool, fine_tuned: bool
) -> tuple[dict[str, LazyTensor], list[str]]:
    """Tensors under Hugging Face's names, and the keys that are left out."""
    if family.model_type == "data2vec-audio":
        base = BASE + POSITIONS_STACK
    else:
        base = BASE + (POSITIONS_BATCH_NORM if batch_norm else POSITIONS)
    head = CTC_HEAD if fine_tuned else family.pretraining_head
    unused = UNUSED_WHEN_FINE_TUNED if fine_tuned else family.unused
    with_head = fine_tuned or bool(head)
    prefix = f"{family.model_type.replace('-', '_')}." if with_head else ""

    tensors: dict[str, LazyTensor] = {}
    ignored: list[str] = []
    unknown: list[str] = []
    for key, tensor in model.items():
        if type(key) is not str:
            raise _Fault("has an entry in 'model' named by a number, not by text")
        inside = key.startswith(ENCODER) == fine_tuned
        below = key.removeprefix(ENCODER)
        name = _match(base, below) if inside else None
        name = _match(head, key) if name is None else prefix + name
        if name is None and inside and _begins(below, unused):
            ignored.append(key)
        elif name is None or not isinstance(tensor, LazyTensor):
            unknown.append(key)
        elif name in tensors:
            raise _Fault(f"has two tensors for Hugging Face's {name}, {quoted(key)} is one of them")
        else:
            tensors[name] = tensor
    if unknown:
        shown = ", ".join(quoted(key) for key in unknown[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise _Fault(
            f"{len(unknown)} of its tensors have no place in a {family.model_type} model of "
            f"Hugging Face's: {shown}{more}; convert it without what was added to the model"
        )
    return tensors, ignored


def _match(rows: Rows, key: str) -> str | None:
    """Hugging Face's name of a key, if a row has it."""
    for theirs, ours in rows:
        pattern = re.escape(theirs).replace(r"\#", "([0-9]+)").replace("@", "(weight|bias)")
        match = re.fullmatch(pattern, key)
        if match:
            return re.sub("[#@]", "{}", ours).format(*match.groups())
    return None


def _begins(key: str, beginnings: tuple[str, ...]) -> bool:
    return any(key.startswith(b) if b.endswith(".") else key == b for b in beginnings)


def _config(family: Family, outer: _Group, inner: _Group, fine_tuned: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"model_type": family.model_type}
    config |= {name: inner.required(field) for name, field in REQUIRED.items()}
    activation = inner.optional("activation_fn") or "gelu"
    if activation not in ACTIVATIONS:
        raise _Fault(f"has the activation {quoted(activation)}, which Hugging Face's model has not")
    config |= {"hidden_act": ACTIVATIONS[activation], "feat_extract_activation": "gelu"}
    layers = _convolutions(inner.required("conv_feature_layers"))
    for place, name in enumerate(("conv_dim", "conv_kernel", "conv_stride")):
        config[name] = [layer[place] for layer in layers]

    norm, first = _extractor_norm(inner), inner.required("layer_norm_first")
    positions = {
        "num_conv_pos_embeddings": inner.required("conv_pos"),
        "num_conv_pos_embedding_groups": inner.required("conv_pos_groups"),
    }
    offered = set()
    if family.model_type == "data2vec-audio":
        if norm != "layer" or first:
            raise _Fault("has norms (extractor_mode, layer_norm_first) that data2vec's never has")
        depth = inner.required("pos_conv_depth")
        if depth < 1:
            raise _Fault(f"has the setting pos_conv_depth = {depth}, which is not a depth")
        # fairseq: `make_conv_block(e, max(3, conv_pos // depth), groups, depth)`
        positions["conv_pos_kernel_size"] = max(3, positions["num_conv_pos_embeddings"] // depth)
        positions["num_conv_pos_embeddings"] = depth
        offered = {"pos_conv_depth"}
    else:
        config |= {"feat_extract_norm": norm, "do_stable_layer_norm": first}
    if family.model_type == "hubert":
        config["feat_proj_layer_norm"] = True
        config["conv_pos_batch_norm"] = inner.optional("conv_pos_batch_norm") or False
        offered = {"conv_pos_batch_norm"}
    config |= positions
    for field, neutral in NEUTRAL.items():
        setting = inner.optional(field)
        if field not in offered and setting is not None and setting != neutral:
            raise _Fault(f"has the setting {field} = {_shown(setting)}, which is not read")

    config |= inner.chosen(OPTIONAL)
    if fine_tuned:  # fairseq: these override the pre-trained model's
        config |= outer.chosen(OPTIONAL) | outer.chosen(FINE_TUNING)
    # fairseq: `compute_mask_indices(…, min_masks=2)` over time, in data2vec 1; 0 over channels
    config["mask_time_min_masks"] = 1 if family.model_type == "data2vec-audio" else 2
    config["mask_feature_min_masks"] = 0
    if family.pretraining_head:
        config |= inner.chosen(PRETRAINING) | _quantizer(config["hidden_size"], inner)
    return {**config, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def _quantizer(hidden_size: int, group: _Group) -> dict[str, Any]:
    final = group.optional("final_dim") or hidden_size
    result: dict[str, Any] = {
        "proj_codevector_dim": final,
        "codevector_dim": group.optional("latent_dim") or final,
    }
    if group.diversity_weight is not None:
        result["diversity_loss_weight"] = group.diversity_weight
    return result


def _extractor_norm(group: _Group) -> str:
    mode = group.required("extractor_mode")
    if mode not in EXTRACTOR_NORMS:
        raise _Fault(f"has the extractor_mode {quoted(mode)}, which is not known")
    return EXTRACTOR_NORMS[mode]


@dataclass(frozen=True)
class _Group:
    """Settings of one model: of `args`, where all lie side by side, or of `cfg`, in its parts."""

    model: Mapping[str, object]
    task: Mapping[str, object]
    criterion: Mapping[str, object]
    within: str = ""

    @classmethod
    def of(cls, value: object, within: str = "") -> _Group:
        whole = _mapping(value)
        if isinstance(whole.get("model"), dict):
            model, task, criterion = (
                _mapping(whole.get(n)) for n in ("model", "task", "criterion")
            )
            return cls(model, task, criterion, within)
        return cls(whole, whole, whole, within)

    def optional(self, field: str, *, in_task: bool = False) -> Any:
        """A setting of its type (None stays None), or None if it is not there."""
        value = self.task.get(field) if in_task else None
        if value is None:
            value = self.model.get(field)
        expected = FIELD_TYPES.get(field, int)
        number = _finite(value)
        if expected is float and number is not None:
            return number
        if value is not None and (type(value) is not expected or expected is float):
            raise _Fault(
                f"has the setting {field} = {_shown(value)}, "
                f"which is not of the type {expected.__name__}"
            )
        return value

    def required(self, field: str) -> Any:
        value = self.optional(field)
        if value is None:
            where = f" in {self.within}" if self.within else ""
            raise _Fault(
                f"lacks the setting {quoted(field)}{where}; save it with its args or cfg whole"
            )
        return value

    def chosen(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """config.json's field → value, of those that are there."""
        values = {name: self.optional(field) for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def diversity_weight(self) -> float | None:
        """The first of the criterion's weights; the second is of the features' size."""
        weights = _value(self.criterion.get("loss_weights"))
        return _finite(_value(weights[0])) if isinstance(weights, list) and weights else None


def _finite(value: object) -> float | None:
    """A floating-point number from any number, or None."""
    if type(value) is int:
        value = max(-(2**53), min(value, 2**53)) * 1.0
    return value if isinstance(value, float) and math.isfinite(value) else None


def _shown(value: object) -> str:
    return repr(value)[:100] if isinstance(value, int | float) else quoted(value)


def _mapping(value: object) -> dict[str, object]:
    """The entries of a group of settings, whatever holds it; {} if it is no group."""
    group = _value(value)
    if not isinstance(group, dict):
        return {}
    return {key: _value(item) for key, item in group.items() if type(key) is str}


def _value(value: object) -> object:
    """The content of a Namespace, or of omegaconf's container or node: one level of it."""
    for _ in range(4):  # a node may hold a Namespace; a hostile one holds itself
        if not isinstance(value, Record):
            break
        attributes = value.state if isinstance(value.state, dict) else {}
        if value.class_name == "argparse.Namespace":
            value = attributes
        elif value.class_name.startswith("omegaconf."):
            value = attributes.get("_content", attributes.get("_val"))
    return value


def _convolutions(text: str) -> list[tuple[int, int, int]]:
    """(channels, kernel, stride) a layer, from fairseq's Python expression, which is not run.

    Read are lists of triples of numbers, joined by `+` and repeated by `*`.
    """

    def evaluated(node: ast.expr) -> list[tuple[int, int, int]]:
        match node:
            case ast.List(elts=items):
                layers = [triple(item) for item in items]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                layers = evaluated(left) + evaluated(right)
            case (
                ast.BinOp(left=repeated, op=ast.Mult(), right=ast.Constant(value=int(times)))
                | ast.BinOp(left=ast.Constant(value=int(times)), op=ast.Mult(), right=repeated)
            ):
                layers = evaluated(repeated) * min(times, MAX_CONVOLUTIONS + 1)
            case _:
                raise ValueError
        if len(layers) > MAX_CONVOLUTIONS:
            raise ValueError
        return layers

    def triple(node: ast.expr) -> tuple[int, int, int]:
        match node:
            case ast.Tuple(
                elts=[
                    ast.Constant(value=int(channels)),
                    ast.Constant(value=int(kernel)),
                    ast.Constant(value=int(stride)),
                ]
            ) if min(channels, kernel, stride) > 0:
                return channels, kernel, stride
        raise ValueError

    try:
        if not re.fullmatch(r"[0-9()\[\]+*, ]+", text) or len(text) > MAX_LAYERS_TEXT:
            raise ValueError
        layers = evaluated(ast.parse(text.strip(), mode="eval").body)
        if not layers:
            raise ValueError
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise _Fault(f"has the setting conv_feature_layers = {quoted(text)}, not read") from error
    return layers
