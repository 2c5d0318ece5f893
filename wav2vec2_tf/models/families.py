"""The wav2vec 2.0 family: one row for each member, found by its checkpoint's `model_type`.

To add a member, add a config in `config.py`, the layers that no other member has, a row here, and
rows of `checkpoint.weight_names` where its names follow no rule. Everything that other code needs
to know of a member is a field of its row or a class-level fact of its config.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from wav2vec2_tf.models import config as configs
from wav2vec2_tf.models import operations
from wav2vec2_tf.models.adapters import ConvolutionalAdapter
from wav2vec2_tf.models.bert_adapter import BertAdapter
from wav2vec2_tf.models.conformer import ConformerEncoder
from wav2vec2_tf.models.feature_encoder import FeatureEncoder
from wav2vec2_tf.models.positions import PositionalConvStack, hubert_positions
from wav2vec2_tf.models.transformer import Encoder
from wav2vec2_tf.models.wavlm import GatedAttention
from wav2vec2_tf.utils.errors import UserError

BASE, CTC, PRE_TRAINING = "Model", "ForCTC", "ForPreTraining"
SEQUENCE, FRAME = "ForSequenceClassification", "ForAudioFrameClassification"
X_VECTOR = "ForXVector"
CLASSIFIERS = (SEQUENCE, FRAME, X_VECTOR)

Layer = Callable[..., keras.layers.Layer]
"""Makes a layer from a config and keyword arguments: a class, or a partial one."""
Operations = Callable[[Any, int], int]
"""Counts multiply-adds from a config and a number of samples or frames."""


class Objective(enum.Enum):
    """The objective of pre-training, which decides on the layers and outputs of that head."""

    CONTRASTIVE = "contrastive"
    """Projected states predict projected quantized features (arXiv:2006.11477)."""
    PHONETIC = "phonetic"
    """States predict quantized features, which also replace them for CTC (arXiv:2101.07597)."""
    SPEAKER_AWARE = "speaker-aware"
    """States predict clusters, and speakers within a batch (arXiv:2110.05752)."""


@dataclass(frozen=True)
class Paper:
    """The paper of a member, for the card of an export."""

    name: str
    """The member, as the paper calls it."""
    title: str
    number: str
    """On arXiv."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A member: its names, layers, heads, and what its layers cost."""

    name: str
    """The beginning of the names of transformers' classes: `Hubert` in `HubertForCTC`."""
    config: type[configs.Config]
    paper: Paper
    classifiers: tuple[str, ...] = CLASSIFIERS
    """Those of `CLASSIFIERS` that transformers has."""
    objective: Objective | None = None
    """None where transformers has no head for pre-training."""

    feature_encoder: Layer | None = FeatureEncoder
    """None where features are log-mel features, which have no weights."""
    encoder: Layer = Encoder
    adapter: Layer | None = ConvolutionalAdapter
    """The layer that `add_adapter` puts after the encoder; None where there is none."""
    block: str = "Transformer"
    """The kind of the encoder's layers, in words."""
    compared_layers: tuple[str, ...] = ("encoder.pos_conv_embed",)
    """Inner layers, below the base model, that `convert verify` compares with PyTorch."""

    feature_operations: Operations | None = operations.waveform_convolutions
    """Counts the feature encoder's, from samples; None without one."""
    position_operations: Operations | None = operations.convolutional_positions
    """Counts those of positions, from frames; None without such a layer."""
    layer_operations: Operations = operations.transformer_layer
    """Counts those of one layer of the encoder, from frames."""
    adapter_operations: Operations = operations.adapter_convolution
    """Counts those of one layer of the adapter, from its frames of output."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that transformers has beside CTC, which every member has."""
        return (*((PRE_TRAINING,) if self.objective else ()), *self.classifiers)

    @property
    def prefix(self) -> str:
        """The prefix of the base model's keys in a checkpoint that has a head."""
        return self.config.model_type.replace("-", "_") + "."

    def architecture(self, head: str) -> str:
        """Returns the name of transformers' class."""
        return self.name + head


CONFORMER: dict[str, Any] = {
    "encoder": ConformerEncoder,
    "block": "Conformer",
    "compared_layers": tuple(
        f"encoder.layers.0.{part}" for part in ("ffn1", "self_attn", "conv_module")
    ),
    "position_operations": None,
    "layer_operations": operations.conformer_layer,
}
MEMBERS = (
    Family(
        name="Wav2Vec2",
        config=configs.Wav2Vec2Config,
        paper=Paper(
            "wav2vec 2.0",
            "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations",
            "2006.11477",
        ),
        objective=Objective.CONTRASTIVE,
    ),
    Family(
        name="Hubert",
        config=configs.HubertConfig,
        paper=Paper(
            "HuBERT",
            "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden "
            "Units",
            "2106.07447",
        ),
        classifiers=(SEQUENCE,),
        encoder=partial(Encoder, positions=hubert_positions),
        adapter=None,
    ),
    Family(
        name="WavLM",
        config=configs.WavLMConfig,
        paper=Paper(
            "WavLM",
            "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing",
            "2110.13900",
        ),
        encoder=partial(Encoder, attention=GatedAttention),
        layer_operations=operations.gated_transformer_layer,
    ),
    Family(
        name="Data2VecAudio",
        config=configs.Data2VecAudioConfig,
        paper=Paper(
            "data2vec",
            "data2vec: A General Framework for Self-supervised Learning in Speech, Vision and "
            "Language",
            "2202.03555",
        ),
        encoder=partial(Encoder, positions=PositionalConvStack),
        position_operations=operations.stacked_positions,
    ),
    Family(
        name="UniSpeech",
        config=configs.UniSpeechConfig,
        paper=Paper(
            "UniSpeech",
            "UniSpeech: Unified Speech Representation Learning with Labeled and Unlabeled Data",
            "2101.07597",
        ),
        classifiers=(SEQUENCE,),
        objective=Objective.PHONETIC,
        adapter=None,
    ),
    Family(
        name="UniSpeechSat",
        config=configs.UniSpeechSatConfig,
        paper=Paper(
            "UniSpeech-SAT",
            "UniSpeech-SAT: Universal Speech Representation Learning with Speaker Aware "
            "Pre-Training",
            "2110.05752",
        ),
        objective=Objective.SPEAKER_AWARE,
        adapter=None,
    ),
    Family(
        name="Wav2Vec2Conformer",
        config=configs.Wav2Vec2ConformerConfig,
        paper=Paper(
            "wav2vec 2.0 with Conformer blocks",
            "fairseq S2T: Fast Speech-to-Text Modeling with fairseq",
            "2010.05171",
        ),
        objective=Objective.CONTRASTIVE,
        **CONFORMER,
    ),
    Family(
        name="Wav2Vec2Bert",
        config=configs.Wav2Vec2BertConfig,
        paper=Paper(
            "Wav2Vec2-BERT",
            "Seamless: Multilingual Expressive and Streaming Speech Translation",
            "2312.05187",
        ),
        feature_encoder=None,
        adapter=BertAdapter,
        feature_operations=None,
        adapter_operations=operations.attending_adapter_layer,
        **CONFORMER,
    ),
)
FAMILIES = {family.config.model_type: family for family in MEMBERS}
"""The rows by `model_type`."""


def family_of(config: configs.Config) -> Family:
    """Returns the row of a config's family.

    Raises:
        UserError: the config asks for an adapter that the family does not have.
    """
    family = FAMILIES[config.model_type]
    if config.add_adapter and family.adapter is None:
        raise UserError(
            f"config: add_adapter must be false, got true: {config.model_type} has no adapter"
        )
    return family


def head_named(config: configs.Config) -> str | None:
    """Returns the head of the class that a config names under `architectures`, if it names one."""
    name = family_of(config).name
    for architecture in config.extra.get("architectures") or ():
        if architecture.removeprefix(name) in (BASE, CTC, PRE_TRAINING, *CLASSIFIERS):
            return architecture.removeprefix(name)
    return None


def config_of(values: Mapping[str, Any]) -> configs.Config:
    """Returns the config with the values of a `config.json`.

    Raises:
        UserError: what `config.config_from_dict` and `family_of` raise.
    """
    config = configs.config_from_dict(values)
    family_of(config)  # refuses an adapter that the family lacks
    return config
