"""The wav2vec 2.0 family: one row a member, found by its checkpoint's `model_type`.

A new member is a row here, a config in `config.py`, the layers it truly adds, and rows of the
weight table where its names follow no rule; and what it says of itself: its work in `info.py`, its
paper in `convert/package.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import keras

from wav2vec2_tf.models import config as configs
from wav2vec2_tf.models.adapters import ConvolutionalAdapter
from wav2vec2_tf.models.bert_adapter import BertAdapter
from wav2vec2_tf.models.conformer import ConformerEncoder
from wav2vec2_tf.models.data2vec import PositionalConvStack
from wav2vec2_tf.models.hubert import hubert_positions
from wav2vec2_tf.models.transformer import Encoder
from wav2vec2_tf.models.wavlm import GatedAttention
from wav2vec2_tf.utils.errors import UserError

BASE, CTC, PRE_TRAINING = "Model", "ForCTC", "ForPreTraining"
SEQUENCE, FRAME = "ForSequenceClassification", "ForAudioFrameClassification"
X_VECTOR = "ForXVector"

Layer = Callable[..., keras.layers.Layer]


class Family(NamedTuple):
    name: str
    """What transformers' classes begin with: `Hubert` of `HubertForCTC`."""
    config: type[configs.Config]
    heads: tuple[str, ...]
    """Those that transformers has; every member has the base model and CTC."""
    encoder: Layer
    adapter: Layer | None = None
    """What `add_adapter` puts after the encoder."""

    @property
    def prefix(self) -> str:
        """Before every key of the base model in a checkpoint that has a head."""
        return self.config.model_type.replace("-", "_") + "."

    def architecture(self, head: str) -> str:
        """transformers' name of the class."""
        return self.name + head


CLASSIFIERS = (SEQUENCE, FRAME, X_VECTOR)
MEMBERS = (
    Family(
        "Wav2Vec2",
        configs.Wav2Vec2Config,
        (PRE_TRAINING, *CLASSIFIERS),
        Encoder,
        ConvolutionalAdapter,
    ),
    Family(
        "Hubert",
        configs.HubertConfig,
        (SEQUENCE,),
        partial(Encoder, positions=hubert_positions),
    ),
    Family(
        "WavLM",
        configs.WavLMConfig,
        CLASSIFIERS,
        partial(Encoder, attention=GatedAttention),
        ConvolutionalAdapter,
    ),
    Family(
        "Data2VecAudio",
        configs.Data2VecAudioConfig,
        CLASSIFIERS,
        partial(Encoder, positions=PositionalConvStack),
        ConvolutionalAdapter,
    ),
    Family("UniSpeech", configs.UniSpeechConfig, (PRE_TRAINING, SEQUENCE), Encoder),
    Family("UniSpeechSat", configs.UniSpeechSatConfig, (PRE_TRAINING, *CLASSIFIERS), Encoder),
    Family(
        "Wav2Vec2Conformer",
        configs.Wav2Vec2ConformerConfig,
        (PRE_TRAINING, *CLASSIFIERS),
        ConformerEncoder,
        ConvolutionalAdapter,
    ),
    Family(
        "Wav2Vec2Bert",
        configs.Wav2Vec2BertConfig,
        CLASSIFIERS,
        ConformerEncoder,
        BertAdapter,
    ),
)
FAMILIES = {family.config.model_type: family for family in MEMBERS}


def family_of(config: configs.Config) -> Family:
    """`UserError` where the config asks for an adapter that its family does not have."""
    family = FAMILIES[config.model_type]
    if config.add_adapter and family.adapter is None:
        raise UserError(f"config: {config.model_type} has no adapter, and add_adapter is set")
    return family


def head_named(config: configs.Config) -> str | None:
    """The head of the class that a config names under `architectures`; None where it names none."""
    name = family_of(config).name
    for architecture in config.extra.get("architectures") or ():
        if architecture.removeprefix(name) in (BASE, CTC, PRE_TRAINING, *CLASSIFIERS):
            return architecture.removeprefix(name)
    return None


def config_of(values: Mapping[str, Any]) -> configs.Config:
    """The config in the values of a `config.json`; `UserError` for an unknown `model_type`."""
    config = configs.config_from_dict(values)
    family_of(config)  # refuses what the family lacks
    return config
