"""What a config.json may say, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import reference
import transformers

from wav2vec2_tf import UserError, Wav2Vec2Config
from wav2vec2_tf.files import read_json


def config_of(values: dict[str, Any]) -> Wav2Vec2Config:
    return Wav2Vec2Config.from_dict({"model_type": "wav2vec2", **values})


def test_defaults_are_those_of_transformers() -> None:
    theirs = transformers.Wav2Vec2Config().to_dict()
    ours = Wav2Vec2Config().to_dict()
    assert {name: theirs[name] for name in ours} == ours


@pytest.mark.parametrize("name", reference.PUBLISHED)
def test_published_configs_survive_the_round_trip(name: str) -> None:
    values = json.loads(reference.published_config(name).to_json_string(use_diff=False))
    config = Wav2Vec2Config.from_dict(values)
    assert config.to_dict() == values
    for field in dataclasses.fields(config):
        if field.name != "extra":
            wanted = values[field.name]
            assert getattr(config, field.name) == (
                tuple(wanted) if isinstance(wanted, list) else wanted
            )
    assert config.extra["codevector_dim"] == 256  # not ours to know, kept all the same
    again = Wav2Vec2Config.from_dict(config.to_dict())
    assert again == config
    assert again.extra == config.extra


def test_null_means_the_default() -> None:
    """Configs written by old versions hold null where a field did not apply."""
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
        ({"conv_dim": [512] * 6}, "must be of one length"),
        ({"conv_dim": [], "conv_kernel": [], "conv_stride": []}, "must be of one length"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 0]}, "must be positive"),
        ({"vocab_size": 0}, "vocab_size must be at least 1"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is negative"),
        ({"num_attention_heads": 7}, "num_attention_heads does not divide hidden_size"),
        ({"num_conv_pos_embedding_groups": 5}, "num_conv_pos_embedding_groups does not divide"),
        ({"feat_extract_norm": "batch"}, "'group' or 'layer', got 'batch'"),
        ({"hidden_act": "gelu2"}, "hidden_act 'gelu2' is unknown; known: gelu,"),
        ({"feat_extract_activation": "x"}, "feat_extract_activation 'x' is unknown"),
        ({"add_adapter": True}, "add_adapter=True is not supported"),
        ({"adapter_attn_dim": 16}, "adapter_attn_dim=16 is not supported"),
        ({"layerdrop": 1.1}, "layerdrop must be from 0 to 1"),
        ({"hidden_dropout": -0.1}, "hidden_dropout must be from 0 to 1"),
        ({"mask_time_prob": float("nan")}, "mask_time_prob must be from 0 to 1"),
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
    path.write_text(text)
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
