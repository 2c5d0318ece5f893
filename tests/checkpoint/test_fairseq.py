"""Conversion of fairseq's checkpoints to Hugging Face's: names, values, config, vocabulary."""

from __future__ import annotations

import json
import re
import sys
import types
from argparse import Namespace
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tests.support.paths import FAIRSEQ
from tests.support.torch_files import CONTAINERS, assert_equal, fails, save
from wav2vec2_tf.checkpoint import open_checkpoint
from wav2vec2_tf.checkpoint.fairseq import Settings
from wav2vec2_tf.checkpoint.fairseq_dictionary import vocabulary
from wav2vec2_tf.utils.errors import UserError

GENUINE = ("pretrained_group_norm", "finetuned_ctc_group_norm", "finetuned_ctc_layer_norm_cfg")
OMEGACONF = {
    "omegaconf.dictconfig": ["DictConfig"],
    "omegaconf.listconfig": ["ListConfig"],
    "omegaconf.nodes": ["AnyNode", "StringNode"],
    "omegaconf.base": ["ContainerMetadata", "Metadata"],
    "fairseq.data.dictionary": ["Dictionary"],
    "fairseq.meters": ["AverageMeter"],
}
LAYERS = "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] * 2"


@pytest.fixture(autouse=True)
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty classes by the names that fairseq's files hold, so that torch can read and write."""
    for module in OMEGACONF:
        parent = module.split(".")[0]
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    for module, names in OMEGACONF.items():
        stub = types.ModuleType(module)
        monkeypatch.setitem(sys.modules, module, stub)
        for name in names:
            setattr(stub, name, type(name, (), {"__module__": module}))


def omegaconf(value: Any) -> Any:
    """Returns what OmegaConf.create(value) would, to be pickled: nodes refer to their parent."""

    def made(kind: str, **attributes: Any) -> Any:
        module = next(module for module, names in OMEGACONF.items() if kind in names)
        instance = getattr(sys.modules[module], kind)()
        vars(instance).update(_metadata=None, **attributes)
        return instance

    if isinstance(value, dict):
        node = made("DictConfig", _content={key: omegaconf(item) for key, item in value.items()})
        children = node._content.values()
    elif isinstance(value, list):
        node = made("ListConfig", _content=[omegaconf(item) for item in value])
        children = node._content
    else:
        return made("StringNode" if isinstance(value, str) else "AnyNode", _val=value)
    for child in children:
        child._parent = node
    return node


# Files written by fairseq


def hugging_face_name(key: str, *, prefix: str, batch_norm: bool = False) -> str:
    """Returns the name by replacing its parts, independently of the reader's table."""
    if key.startswith("w2v_encoder.proj."):
        return key.replace("w2v_encoder.proj", "lm_head")
    key = key.removeprefix("w2v_encoder.w2v_model.")
    for head, name in [("quantizer.", "quantizer."), ("project_q.", "project_q.")]:
        if key.startswith(head):
            return key.replace(head, name).replace("vars", "codevectors")
    if key.startswith("final_proj."):
        return key.replace("final_proj", "project_hid")
    if key.startswith("layer_norm."):
        key = "feature_projection." + key
    for old, new in [
        ("post_extract_proj", "feature_projection.projection"),
        ("mask_emb", "masked_spec_embed"),
        (r"conv_layers\.(.)\.0", r"conv_layers.\1.conv"),
        (r"conv_layers\.(.)\.2(\.1)?", r"conv_layers.\1.layer_norm"),
        ("pos_conv.0.weight_g", "pos_conv_embed.conv.parametrizations.weight.original0"),
        ("pos_conv.0.weight_v", "pos_conv_embed.conv.parametrizations.weight.original1"),
        (r"pos_conv\.0\.(?!0)", f"pos_conv_embed.{'batch_norm' if batch_norm else 'conv'}."),
        (r"pos_conv\.1\.(?!0)", "pos_conv_embed.conv."),
        (r"pos_conv\.(.)\.0", r"pos_conv_embed.layers.\1.conv"),
        ("self_attn_layer_norm", "layer_norm"),
        ("self_attn", "attention"),
        ("fc1", "feed_forward.intermediate_dense"),
        ("fc2", "feed_forward.output_dense"),
    ]:
        key = re.sub(old, new, key)
    return prefix + key


@pytest.mark.parametrize("name", GENUINE)
def test_every_tensor_of_a_genuine_file_has_its_place_and_value(name: str) -> None:
    """torch reads the same bits; transformers' model has exactly these names and shapes."""
    path = FAIRSEQ / f"{name}.pt"
    checkpoint = open_checkpoint(path)
    model = torch.load(path, weights_only=False)["model"]
    expected = {hugging_face_name(key, prefix="wav2vec2."): model[key] for key in model}
    assert_equal(checkpoint, expected)
    assert checkpoint.path == path and checkpoint.files == (path,)
    settings = checkpoint.settings
    assert settings is not None and settings.proven and settings.ignored == ()

    reference = reference_model(settings)
    assert {key: tuple(value.shape) for key, value in reference.state_dict().items()} == {
        key: lazy.shape for key, lazy in checkpoint.items()
    }


def reference_model(settings: Settings) -> torch.nn.Module:
    """transformers' model of the config and the architecture that the settings give."""
    config = json.loads(json.dumps(settings.config))  # types that config.json can hold
    (architecture,) = config["architectures"]
    kind = getattr(transformers, architecture)
    return kind(kind.config_class(**config)).eval()


@pytest.mark.parametrize("name", GENUINE)
def test_transformers_computes_what_fairseq_computed(name: str) -> None:
    checkpoint = open_checkpoint(FAIRSEQ / f"{name}.pt")
    assert checkpoint.settings is not None
    model = reference_model(checkpoint.settings)
    model.load_state_dict({key: torch.from_numpy(t.read()) for key, t in checkpoint.items()})
    recorded = np.load(FAIRSEQ / f"{name}.npz")
    speech = torch.from_numpy(recorded["speech"])
    with torch.inference_mode():
        hidden = model.wav2vec2(speech).last_hidden_state.numpy()
        np.testing.assert_allclose(hidden, recorded["hidden_states"], atol=1e-4)
        if "logits" in recorded:
            logits = model(speech).logits.numpy()
            np.testing.assert_allclose(logits, recorded["logits"], atol=1e-4)


SIZES = {
    "model_type": "wav2vec2",
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "conv_dim": [32] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 4,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "feat_quantizer_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.65,
    "mask_time_length": 10,
    "mask_time_min_masks": 2,
    "mask_feature_prob": 0.0,
    "mask_feature_length": 10,
    "mask_feature_min_masks": 0,
    "num_codevectors_per_group": 12,
    "num_codevector_groups": 2,
    "codevector_dim": 24,
    "proj_codevector_dim": 24,
    "contrastive_logits_temperature": 0.1,
    "num_negatives": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUP = {"feat_extract_norm": "group", "conv_bias": False, "do_stable_layer_norm": False}
LAYER = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
CTC = {"architectures": ["Wav2Vec2ForCTC"], "vocab_size": 32, "final_dropout": 0.0}


@pytest.mark.parametrize(
    "name, own",
    [
        (GENUINE[0], {**GROUP, "architectures": ["Wav2Vec2ForPreTraining"]}),
        (GENUINE[1], {**GROUP, **CTC}),
        (GENUINE[2], {**LAYER, **CTC}),
    ],
)
def test_the_config_of_a_genuine_file(name: str, own: dict[str, object]) -> None:
    settings = open_checkpoint(FAIRSEQ / f"{name}.pt").settings
    assert settings is not None
    assert settings.config == {**SIZES, **own}
    normalized = name.endswith("cfg")
    assert settings.preprocessor == {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": 16000,
        "padding_value": 0.0,
        "padding_side": "right",
        "do_normalize": normalized,
        "return_attention_mask": normalized,
    }


# Files in fairseq's format, made here

BASE = {
    "encoder_layers": 1,
    "encoder_embed_dim": 8,
    "encoder_ffn_embed_dim": 12,
    "encoder_attention_heads": 2,
    "conv_feature_layers": "[(6, 10, 5)] + [(6, 3, 2)]",
    "extractor_mode": "layer_norm",
    "layer_norm_first": False,
    "conv_bias": True,
    "conv_pos": 4,
    "conv_pos_groups": 2,
}
FAMILIES = {
    "wav2vec2": transformers.Wav2Vec2Config,
    "hubert": transformers.HubertConfig,
    "data2vec_audio": transformers.Data2VecAudioConfig,
}


def tensors_of(
    family: str, prefix: str = "", *, batch_norm: bool = False
) -> dict[str, torch.Tensor]:
    """The encoder of `BASE`, with fairseq's names and shapes."""
    shapes: dict[str, tuple[int, ...]] = {"mask_emb": (8,), "layer_norm.weight": (6,)}
    shapes |= {"layer_norm.bias": (6,), "post_extract_proj.weight": (8, 6)}
    shapes |= {"post_extract_proj.bias": (8,)}
    for layer, (size, kernel) in enumerate([(1, 10), (6, 3)]):
        conv = f"feature_extractor.conv_layers.{layer}"
        shapes |= {f"{conv}.0.weight": (6, size, kernel), f"{conv}.0.bias": (6,)}
        shapes |= {f"{conv}.2.1.weight": (6,), f"{conv}.2.1.bias": (6,)}
    if family == "data2vec_audio":
        for layer in range(2):
            shapes[f"encoder.pos_conv.{layer}.0.weight"] = (8, 4, 3)
            shapes[f"encoder.pos_conv.{layer}.0.bias"] = (8,)
    elif batch_norm:
        parts = ("weight", "bias", "running_mean", "running_var")
        shapes |= {f"encoder.pos_conv.0.{part}": (8,) for part in parts}
        shapes |= {"encoder.pos_conv.0.num_batches_tracked": ()}
        shapes |= {"encoder.pos_conv.1.weight": (8, 4, 4), "encoder.pos_conv.1.bias": (8,)}
    else:
        shapes |= {"encoder.pos_conv.0.weight_g": (1, 1, 4)}
        shapes |= {"encoder.pos_conv.0.weight_v": (8, 4, 4), "encoder.pos_conv.0.bias": (8,)}
    for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
        shapes[f"encoder.layers.0.self_attn.{part}.weight"] = (8, 8)
        shapes[f"encoder.layers.0.self_attn.{part}.bias"] = (8,)
    for part, (rows, columns) in {"fc1": (12, 8), "fc2": (8, 12)}.items():
        shapes[f"encoder.layers.0.{part}.weight"] = (rows, columns)
        shapes[f"encoder.layers.0.{part}.bias"] = (rows,)
    for part in ("layers.0.self_attn_layer_norm", "layers.0.final_layer_norm", "layer_norm"):
        shapes |= {f"encoder.{part}.weight": (8,), f"encoder.{part}.bias": (8,)}
    return {
        prefix + name: torch.tensor(7) if name.endswith("tracked") else torch.randn(shape)
        for name, shape in shapes.items()
    }


HEAD = {"w2v_encoder.proj.weight": torch.randn(5, 8), "w2v_encoder.proj.bias": torch.randn(5)}
INSIDE = "w2v_encoder.w2v_model."
LEFT_OUT = {
    "hubert": {"final_proj.weight": torch.ones(3, 8), "label_embs_concat": torch.ones(9, 3)},
    "data2vec_audio": {"final_proj.0.bias": torch.ones(8), "_ema": {"layers.0": torch.ones(2)}},
}


@pytest.mark.parametrize("settings_in", ["args", "cfg", "omegaconf"])
@pytest.mark.parametrize("fine_tuned", [False, True])
@pytest.mark.parametrize("family", ["hubert", "data2vec_audio", "hubert with batch norm"])
def test_hubert_and_data2vec(
    tmp_path: Path, family: str, fine_tuned: bool, settings_in: str
) -> None:
    """The names are those of transformers' model, all of them."""
    family, _, batch_norm = family.partition(" with ")
    model: dict[str, Any] = {**BASE}
    if family == "data2vec_audio":
        model |= {"pos_conv_depth": 2, "conv_pos": 7}  # max(3, 7 // 2) = 3
    if batch_norm:
        model["conv_pos_batch_norm"] = True
    left_out = {(INSIDE if fine_tuned else "") + k: v for k, v in LEFT_OUT[family].items()}
    tensors = tensors_of(family, INSIDE if fine_tuned else "", batch_norm=bool(batch_norm))
    outer = "hubert_ctc" if family == "hubert" else "wav2vec_ctc"
    whole: Any
    if settings_in == "args":
        whole = Namespace(**model, arch=family, normalize=True)
        if fine_tuned:
            whole = Namespace(arch=outer, w2v_args=whole, normalize=True, dropout=0.25)
    else:
        whole = {"model": {**model, "_name": family}, "task": {"normalize": True}}
        if fine_tuned:
            head = {"_name": outer, "w2v_args": whole, "dropout": 0.25}
            whole = {"model": head, "task": {"normalize": True}}
        whole = omegaconf(whole) if settings_in == "omegaconf" else whole
    content = {
        "args" if settings_in == "args" else "cfg": whole,
        "model": {**tensors, **left_out, **(HEAD if fine_tuned else {})},
    }
    checkpoint = open_checkpoint(save(content, tmp_path / "model.pt"))

    settings = checkpoint.settings
    assert settings is not None and not settings.proven
    assert settings.ignored == tuple(left_out)
    assert settings.preprocessor["do_normalize"] and settings.preprocessor["return_attention_mask"]
    assert settings.config["mask_time_min_masks"] == (2 if family == "hubert" else 1)
    reference = reference_model(settings)
    assert isinstance(reference.config, FAMILIES[family])
    name = type(reference).__name__
    base = {"hubert": "Hubert", "data2vec_audio": "Data2VecAudio"}[family]
    assert name == f"{base}ForCTC" if fine_tuned else f"{base}Model"
    assert {key: tuple(value.shape) for key, value in reference.state_dict().items()} == {
        key: lazy.shape for key, lazy in checkpoint.items()
    }
    prefix = f"{family}." if fine_tuned else ""
    kept = {key: value for key, value in content["model"].items() if key not in left_out}
    assert_equal(
        checkpoint,
        {
            hugging_face_name(key, prefix=prefix, batch_norm=bool(batch_norm)): tensor
            for key, tensor in kept.items()
        },
    )
    if fine_tuned:
        assert settings.config["vocab_size"] == 5 and settings.config["hidden_dropout"] == 0.25


def small(family: str = "wav2vec2", **changes: Any) -> dict[str, Any]:
    """Returns a pre-trained checkpoint; settings that are None are left out."""
    settings = {**BASE, "arch": family, **changes}
    settings = {name: value for name, value in settings.items() if value is not None}
    return {"args": Namespace(**settings), "model": tensors_of(family)}


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_else_a_file_holds_is_left_out(tmp_path: Path, container: str) -> None:
    """Published files also hold training state, in known classes that are never instantiated."""
    dictionary = sys.modules["fairseq.data.dictionary"].Dictionary()
    dictionary.indices = {"<s>": 0}
    meter = sys.modules["fairseq.meters"].AverageMeter()
    meter.val = np.float64(1.5)
    addresses = {140_000_000_000_000: {"step": 3, "exp_avg": torch.ones(2)}}
    content = small() | {
        "cfg": None,
        "task_state": {"target_dictionary": dictionary},
        "extra_state": {"train_meters": OrderedDict(a=meter), "best": np.float32(2)},
        "optimizer_history": [{"lr": np.arange(3), "kinds": defaultdict(list)}],
        "last_optimizer_state": {"state": addresses, "on": torch.device("cpu")},
    }
    path = save(content, tmp_path / "model.pt", container)
    checkpoint = open_checkpoint(path)
    assert checkpoint.settings is not None and checkpoint.settings.ignored == ()
    assert len(checkpoint) == len(content["model"])
    assert "wav2vec2.masked_spec_embed" in checkpoint


def test_classes_that_are_not_known_are_refused_by_name(tmp_path: Path) -> None:
    content = small() | {"task_state": Path("x")}
    assert "pathlib" in fails(save(content, tmp_path / "model.pt"))


@pytest.mark.parametrize(
    "changes, expected",
    [
        (
            {"dropout": 0.3, "attention_dropout": 1, "mask_prob": 0.5, "mask_channel_prob": 0.25},
            {"hidden_dropout": 0.3, "attention_dropout": 1.0, "mask_time_prob": 0.5}
            | {"mask_feature_prob": 0.25},
        ),
        ({"encoder_layerdrop": 0.2, "dropout_input": 0.4}, {"layerdrop": 0.2}),
        ({"mask_length": 7, "mask_channel_length": 64}, {"mask_time_length": 7}),
        ({"activation_fn": "gelu_accurate"}, {"hidden_act": "gelu_new"}),
        ({"final_dim": 0}, {"proj_codevector_dim": 8, "codevector_dim": 8}),
        ({"final_dim": 4}, {"proj_codevector_dim": 4, "codevector_dim": 4}),
        ({"final_dim": 4, "latent_dim": 6}, {"proj_codevector_dim": 4, "codevector_dim": 6}),
        ({"loss_weights": [0.2, 10]}, {"diversity_loss_weight": 0.2}),
        ({"loss_weights": [1, 10]}, {"diversity_loss_weight": 1.0}),
        ({"layer_type": "transformer", "pos_conv_depth": 1}, {}),
    ],
)
def test_settings_become_fields(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    settings = open_checkpoint(save(small(**changes), tmp_path / "model.pt")).settings
    assert settings is not None
    assert {name: settings.config[name] for name in expected} == expected
    if "loss_weights" not in changes:
        assert "diversity_loss_weight" not in settings.config


def test_the_criterion_s_weights_in_omegaconf(tmp_path: Path) -> None:
    content = small()
    model = {**vars(content.pop("args")), "_name": "wav2vec2"}
    content["cfg"] = omegaconf({"model": model, "criterion": {"loss_weights": [0.3, 10]}})
    settings = open_checkpoint(save(content, tmp_path / "model.pt")).settings
    assert settings is not None and settings.config["diversity_loss_weight"] == 0.3


@pytest.mark.parametrize("inner_in", ["args", "cfg", "omegaconf"])
def test_fine_tuning_overrides_the_pre_trained_settings(tmp_path: Path, inner_in: str) -> None:
    """The settings may be stored in any of the supported formats."""
    values = {**BASE, "dropout": 0.1, "mask_prob": 0.65, "encoder_layerdrop": 0.05}
    inner: Any = Namespace(**values, normalize=False)
    if inner_in != "args":
        inner = {"model": values, "task": {"normalize": False}}
        inner = omegaconf(inner) if inner_in == "omegaconf" else inner
    outer = Namespace(
        **{"arch": "wav2vec_ctc", "w2v_args": inner, "mask_prob": 0.4, "layerdrop": 0.1},
        **{"apply_mask": True, "final_dropout": 0.2, "normalize": True, "sample_rate": 16000},
    )
    content = {"args": outer, "model": tensors_of("wav2vec2", INSIDE) | HEAD}
    settings = open_checkpoint(save(content, tmp_path / "model.pt")).settings
    assert settings is not None and settings.preprocessor["do_normalize"] is True
    expected = {"hidden_dropout": 0.1, "mask_time_prob": 0.4, "layerdrop": 0.1}
    expected |= {"final_dropout": 0.2, "apply_spec_augment": True, "vocab_size": 5}
    assert {name: settings.config[name] for name in expected} == expected


def without(content: dict[str, Any], part: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != part}


FINE_TUNED: dict[str, Any] = {
    "args": Namespace(arch="wav2vec_ctc", w2v_args=Namespace(**BASE)),
    "model": tensors_of("wav2vec2", INSIDE) | HEAD,
}


@pytest.mark.parametrize(
    "content, expected",
    [
        (small(encoder_layers=None), "lacks the setting 'encoder_layers'; save it"),
        (small(conv_pos=None), "lacks the setting 'conv_pos'"),
        (small(encoder_layers="12"), "encoder_layers = '12', which is not of the type int"),
        (small(encoder_layers=True), "encoder_layers = True, which is not of the type int"),
        (small(layer_norm_first=0), "layer_norm_first = 0, which is not of the type bool"),
        (small(dropout=float("nan")), "dropout = nan"),
        (small(extractor_mode="other"), "extractor_mode 'other'"),
        (small(activation_fn="tanh"), "activation 'tanh'"),
        (small(layer_type="conformer"), "layer_type = 'conformer'"),
        (small(quantize_input=True), "quantize_input = True"),
        (small(crop_seq_to_multiple=2), "crop_seq_to_multiple = 2"),
        (small(pos_conv_depth=5), "pos_conv_depth = 5"),
        (small(conv_pos_batch_norm=True), "conv_pos_batch_norm"),
        (small("data2vec_audio", pos_conv_depth=0), "pos_conv_depth = 0"),
        (small("data2vec_audio", pos_conv_depth=2, layer_norm_first=True), "norms"),
        (small("data2vec_audio", pos_conv_depth=2, extractor_mode="default"), "norms"),
        (small("data2vec_multi"), "of the kind 'data2vec_multi', which is not supported"),
        (small() | {"args": None}, "holds neither 'args' nor 'cfg'"),
        (small() | {"args": [1]}, "of the kind '<NoneType>'"),
        (small() | {"model": {}}, "holds no tensors"),
        (small() | {"model": [torch.ones(1)]}, "holds no tensors"),
        (without(small(), "args"), "'model' is a mapping with tensors, not a tensor"),
        (small() | {"model": {3: torch.ones(1)}}, "named by a number"),
        (
            small() | {"model": tensors_of("wav2vec2") | {"adapter.weight": torch.ones(1)}},
            "1 of its tensors have no place in a wav2vec2 model of Hugging Face's: 'adapter.w",
        ),
        (
            small()
            | {"model": tensors_of("wav2vec2") | {f"x.{i}": torch.ones(1) for i in range(12)}},
            "'x.9' and 2 more",
        ),
        (small() | {"model": tensors_of("wav2vec2") | {"mask_emb": 3}}, "'mask_emb'"),
        (small() | {"model": tensors_of("wav2vec2") | HEAD}, "2 of its tensors"),
        (
            small() | {"model": tensors_of("wav2vec2") | {"final_proj.0.weight": torch.ones(1)}},
            "'final_proj.0.weight'",
        ),
        (
            small()
            | {
                "model": tensors_of("wav2vec2")
                | {"feature_extractor.conv_layers.0.2.bias": torch.ones(6)}
            },
            "two tensors for Hugging Face's wav2vec2.feature_extractor.conv_layers.0.layer_norm.b",
        ),
        (FINE_TUNED | {"args": Namespace(arch="wav2vec_ctc")}, "in w2v_args"),
        (FINE_TUNED | {"args": Namespace(arch="other", w2v_args=Namespace())}, "kind"),
        (FINE_TUNED | {"model": tensors_of("wav2vec2", INSIDE)}, "has no CTC head"),
        (
            FINE_TUNED | {"model": FINE_TUNED["model"] | {"decoder.embed": torch.ones(1)}},
            "'decoder.embed'",
        ),
        (
            FINE_TUNED | {"model": FINE_TUNED["model"] | tensors_of("wav2vec2")},
            "have no place",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, content: dict[str, Any], expected: str) -> None:
    assert expected in fails(save(content, tmp_path / "model.pt"))


def test_a_fairseq_file_is_no_shard(tmp_path: Path) -> None:
    save(small(), tmp_path / "one.bin")
    index = {"weight_map": {"mask_emb": "one.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "whole fairseq checkpoint, not a shard" in fails(tmp_path)


# The expression of the convolutions


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[(512, 10, 5)]", [(512, 10, 5)]),
        (LAYERS, [(32, 10, 5), *[(32, 3, 2)] * 4, *[(32, 2, 2)] * 2]),
        ("2*[(1,2,3)]+[(4,5,6),(7,8,9)]", [(1, 2, 3), (1, 2, 3), (4, 5, 6), (7, 8, 9)]),
        (" ([(1,2,3)] + [(4,5,6)]) * 2 ", [(1, 2, 3), (4, 5, 6)] * 2),
        ("[(1,2,3)] * 0 + [(4,5,6)]", [(4, 5, 6)]),
    ],
)
def test_convolutions(tmp_path: Path, text: str, expected: list[tuple[int, ...]]) -> None:
    content = small(conv_feature_layers=text)
    settings = open_checkpoint(save(content, tmp_path / "model.pt")).settings
    assert settings is not None
    fields = (settings.config[name] for name in ("conv_dim", "conv_kernel", "conv_stride"))
    assert list(zip(*fields, strict=True)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "(1, 2, 3)",
        "[(1, 2)]",
        "[(1, 2, 3, 4)]",
        "[(1, 2, 0)]",
        "[(1, 2, 3.5)]",
        "[(1, 2, (3))] * [1]",
        "[(1, 2, -3)]",
        "[(1, 2, 3)] * 10000000000",
        "[(1, 2, 3)] * 8 * 9",
        "9 ** 9 ** 9 ** 9",
        "[(1, 2, 3)] ** 2",
        "[(1, 2, 3)](1)",
        "[(1, 2, 3)][0]",
        "__import__('os').system('true')",
        "[(1, 2, 3) for i in (1, 2)]",
        "[(1, 2, 3)",
        "(" * 900,
        "(" * 450 + ")" * 450,
        "[" * 400,
        "[(1,2,3)]" + "+[(1,2,3)]" * 99,
        "[(" + "9" * 900 + ",2,3)]" + " " * 100,
        "[(1, 2, 3)]\n",
        "[(１, 2, 3)]",
    ],
)
def test_expressions_that_are_not_convolutions(tmp_path: Path, text: str) -> None:
    path = save(small(conv_feature_layers=text), tmp_path / "model.pt")
    assert "conv_feature_layers = " in fails(path)


# Dictionaries


def test_the_vocabulary_of_a_genuine_dictionary() -> None:
    letters = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
    result = vocabulary(FAIRSEQ / "dict.ltr.txt")
    assert list(result) == ["<pad>", "<s>", "</s>", "<unk>", *letters]
    assert list(result.values()) == list(range(32))


def test_a_byte_order_mark_is_not_of_the_first_symbol(tmp_path: Path) -> None:
    """It made "|" unknown, and all text one word."""
    text = (FAIRSEQ / "dict.ltr.txt").read_text(encoding="utf-8")
    (tmp_path / "dict.ltr.txt").write_text(text, encoding="utf-8-sig")
    assert vocabulary(tmp_path / "dict.ltr.txt") == vocabulary(FAIRSEQ / "dict.ltr.txt")


def test_symbols_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "dict.txt"
    path.write_text("é 3\r\n\u2028x 2\na b 1\n# 0\n", encoding="utf-8", newline="")
    assert list(vocabulary(path))[4:] == ["é", "\u2028x", "a b", "#"]


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "is empty"),
        (b"| 1\nE\n", "line 2 is 'E'"),
        (b"| 1\n\nE 2\n", "line 2 is ''"),
        (b"| 1\n 2\n", "line 2 is ' 2'"),
        (b"| x\n", "line 1 is '| x'"),
        (b"| 1\nE 2\n| 3\n", "line 3 gives '|' again"),
        (b"<s> 1\n", "line 1 gives '<s>' again"),
        (b"\xff 1\n", "is not text in UTF-8"),
        (b"a " + b"1" * (16 * 2**20), "is too large"),
        (b'{"a": 1}', "line 1 is"),
    ],
)
def test_malformed_dictionaries(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "dict.txt").write_bytes(content)
    with pytest.raises(UserError) as caught:
        vocabulary(tmp_path / "dict.txt")
    message = str(caught.value)
    assert expected in message and message.startswith(str(tmp_path)) and "\n" not in message


def test_a_dictionary_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        vocabulary(tmp_path / "dict.txt")
    with pytest.raises(UserError, match="cannot be read"):
        vocabulary(tmp_path)
