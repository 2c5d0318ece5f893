"""Valid and invalid fields of config.json."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.support import reference
from wav2vec2_tf import AutoModelForCTC, UserError, Wav2Vec2Config
from wav2vec2_tf.models import families
from wav2vec2_tf.models.config import Config
from wav2vec2_tf.utils.files import read_json


def config_of(values: dict[str, Any]) -> Config:
    return families.config_of({"model_type": "wav2vec2", **values})


@pytest.mark.parametrize("model_type", families.FAMILIES)
def test_defaults_are_those_of_transformers(model_type: str) -> None:
    family = families.FAMILIES[model_type]
    theirs = getattr(transformers, f"{family.name}Config")().to_dict()
    ours = family.config().to_dict()
    assert theirs["model_type"] == ours["model_type"] == model_type
    same = {name for name in ours if name in theirs}
    assert len(same) > 20
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}


@pytest.mark.parametrize("name", reference.PUBLISHED)
def test_published_configs_survive_the_round_trip(name: str) -> None:
    theirs = reference.published_config(name)
    values = json.loads(theirs.to_json_string(use_diff=False))
    config = families.config_of(values)
    written = config.to_dict()
    assert {name: written[name] for name in values} == values
    again = families.config_of(written)
    assert again == config
    assert again.extra == config.extra
    read = json.loads(type(theirs).from_dict(written).to_json_string(use_diff=False))
    assert {name: read[name] for name in values} == values


def test_null_is_a_value_where_a_field_may_have_none() -> None:
    config = config_of({"model_type": "wav2vec2-conformer", "position_embeddings_type": None})
    assert config.position_embeddings_type is None


def test_labels_are_counted_by_their_names() -> None:
    named = {"id2label": {"0": "yes", "1": "no", "2": "?"}}
    config = config_of(named)
    assert config.num_labels == 3
    assert config.to_dict()["id2label"] == named["id2label"]
    more = dataclasses.replace(config, num_labels=2).to_dict()
    assert more["label2id"] == {"LABEL_0": 0, "LABEL_1": 1}
    assert families.config_of(more).num_labels == 2


def test_a_vocabulary_of_null_is_kept_where_it_is_the_default() -> None:
    config = config_of({"model_type": "wav2vec2-bert", "vocab_size": None})
    assert config.to_dict()["vocab_size"] is None
    with pytest.raises(UserError, match="a CTC head needs vocab_size, got null"):
        AutoModelForCTC(config)


def test_null_means_the_default() -> None:
    """Configs written by old versions hold null in fields that did not apply."""
    assert config_of({"layerdrop": None, "mask_time_min_masks": None}) == Wav2Vec2Config()


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    config = config_of({"hidden_dropout": 0})
    assert config.hidden_dropout == 0.0
    assert type(config.hidden_dropout) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_size": "768"}, "hidden_size must be int"),
        ({"hidden_size": 768.0}, "hidden_size must be int"),
        ({"hidden_size": True}, "hidden_size must be int"),
        ({"conv_bias": 1}, "conv_bias must be bool"),
        ({"hidden_dropout": True}, "hidden_dropout must be float"),
        ({"hidden_dropout": "a"}, "hidden_dropout must be float"),
        ({"conv_dim": 512}, "conv_dim must be a list"),
        ({"conv_dim": [512.0] * 7}, "conv_dim must be a list"),
        ({"conv_dim": [512] * 6}, "must have the same length"),
        ({"conv_dim": [], "conv_kernel": [], "conv_stride": []}, "must have the same length"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 0]}, "must be positive"),
        ({"vocab_size": 0}, "vocab_size must be at least 1"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must not be negative"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers must be at most 200 layers"),
        ({"conv_dim": [1] * 201}, "conv_dim must be at most 200 layers, got 201"),
        (
            {"hidden_size": 4 * 10**9, "num_attention_heads": 1},
            "hidden_size must be at most 262144",
        ),
        ({"num_labels": 10**7}, "num_labels must be at most 262144"),
        ({"conv_kernel": [10**30] * 7}, "conv_dim, conv_stride and conv_kernel must be at most"),
        (
            {"model_type": "wavlm", "max_bucket_distance": 10**10},
            "max_bucket_distance must be at most 262144",
        ),
        (
            {"model_type": "wav2vec2-conformer", "rotary_embedding_base": 10**400},
            "rotary_embedding_base must be from 1 to",
        ),
        (
            {
                "model_type": "wav2vec2-bert",
                "hidden_size": 16,
                "num_attention_heads": 2,
                "add_adapter": True,
                "output_hidden_size": 19,
            },
            "num_attention_heads must divide output_hidden_size, got 2 and 19",
        ),
        ({"num_adapter_layers": -1}, "num_adapter_layers must not be negative"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be finite, got nan"),
        ({"initializer_range": -1}, "initializer_range must not be negative"),
        ({"layer_norm_eps": 10**400}, "layer_norm_eps is too large"),
        ({"pad_token_id": -1}, "pad_token_id must not be negative"),
        ({"contrastive_logits_temperature": 0}, "contrastive_logits_temperature must be above 0"),
        ({"architectures": 5}, "architectures must be a list of names"),
        ({"architectures": "Wav2Vec2ForCTC"}, "architectures must be a list of names"),
        ({"num_attention_heads": 7}, "num_attention_heads must divide hidden_size, got 7 and 768"),
        ({"num_conv_pos_embedding_groups": 5}, "num_conv_pos_embedding_groups must divide"),
        ({"feat_extract_norm": "batch"}, "'batch' is unknown; known: group, layer"),
        ({"hidden_act": "gelu2"}, "hidden_act 'gelu2' is unknown; known: gelu,"),
        ({"feat_extract_activation": "x"}, "feat_extract_activation 'x' is unknown"),
        ({"adapter_attn_dim": 0}, "adapter_attn_dim must be at least 1"),
        ({"adapter_attn_dim": "16"}, "adapter_attn_dim must be int, got '16'"),
        ({"tdnn_dim": [4, 4]}, "tdnn_dim, tdnn_kernel and tdnn_dilation must have the same length"),
        ({"codevector_dim": 255}, "num_codevector_groups must divide codevector_dim"),
        ({"num_feat_extract_layers": 6}, "num_feat_extract_layers must be the 7 layers"),
        ({"hiden_size": 768}, "'hiden_size' is not a field; did you mean hidden_size"),
        (
            {"hidden_sise": 7, "hidden_size": 768},
            "'hidden_sise' is not a field; did you mean hidden_",
        ),
        (
            {"id2label": {"0": "a", "1": "b"}, "num_labels": 3},
            "num_labels must be the 2 labels of id2label, got 3",
        ),
        ({"id2label": ["a"]}, "id2label must be an object"),
        ({"model_type": "hubert", "add_adapter": True}, "hubert has no adapter"),
        ({"model_type": "wavlm", "num_buckets": 3}, "num_buckets must be at least 4"),
        (
            {"model_type": "wav2vec2-conformer", "conv_depthwise_kernel_size": 30},
            "conv_depthwise_kernel_size must be odd",
        ),
        (
            {"model_type": "wav2vec2-conformer", "position_embeddings_type": "none"},
            "position_embeddings_type 'none' is unknown",
        ),
        (
            {"model_type": "wav2vec2-conformer", "position_embeddings_type": "relative_key"},
            "'relative_key' is unknown; known: None, relative, rotary",
        ),
        (
            {
                "model_type": "wav2vec2-bert",
                "position_embeddings_type": "rotary",
                "hidden_size": 21,
                "num_attention_heads": 3,
            },
            "rotary positions need an even number",
        ),
        ({"layerdrop": 1.1}, "layerdrop must be from 0 to 1"),
        ({"hidden_dropout": -0.1}, "hidden_dropout must be from 0 to 1"),
        ({"mask_time_prob": float("nan")}, "mask_time_prob must be finite, got nan"),
        ({"model_type": "wav2vec"}, "'wav2vec' is unknown; .*did you mean wav2vec2"),
        ({"model_type": None}, "model_type None is unknown"),
        ({"mask_time_length": 0}, "mask_time_length must be at least 1"),
    ],
)
def test_bad_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        config_of(values)
    assert "\n" not in str(caught.value)


def test_a_single_convolution_will_do() -> None:
    config = Wav2Vec2Config(conv_dim=(8,), conv_kernel=(10,), conv_stride=(5,))
    assert (config.frame_length(9), config.frame_length(10), config.stride) == (0, 1, 5)


def test_frozen_and_comparable() -> None:
    config = Wav2Vec2Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.hidden_size = 3  # type: ignore[misc]
    assert dataclasses.replace(config, hidden_size=96) != config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("[1]", "a JSON object is wanted, not a list"),
        ("[" * 100_000, "not readable as JSON"),
    ],
)
def test_files_that_hold_no_config(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(UserError, match="not readable as JSON"):
        read_json(path)


def test_no_file_and_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "config.json")
    with pytest.raises(UserError, match="not readable"):
        read_json(tmp_path)
