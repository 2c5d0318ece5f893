"""The sizes and switches of a model: the fields of a checkpoint's `config.json`.

One frozen dataclass for each family, with the fields and defaults of transformers' class of the
same name. Class-level facts (`ClassVar`) are what distinguishes a family where only its config is
at hand; the layers, heads and papers of the families are in `families.py`.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

from wav2vec2_tf.models.config_checks import (
    check_conformer,
    check_convolutions,
    check_extra,
    check_lists,
    check_spelling,
    check_values,
    checked_value,
    types_of,
)
from wav2vec2_tf.models.frame_counts import (
    MEL_HOP,
    MEL_STACK,
    MEL_WINDOW,
    FrameCounts,
    convolved_length,
    mel_windows,
)
from wav2vec2_tf.utils.errors import UserError, brief, did_you_mean

PUBLISHED_LENGTH = 246_000  # samples (15.4 s): the fixed length of the published SavedModels
DEFAULT_LABELS = 2  # labels of a classifier whose config names none
HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")


@dataclass(frozen=True, kw_only=True)
class Config(FrameCounts):
    """The fields and facts that every family has.

    Attributes:
        model_type: the family, as `config.json` names it.
        log_mel_input: whether the model computes log-mel features from the waveform, and also
            takes such features as input; otherwise it convolves the waveform.
        extra: what `config.json` holds beyond the family's fields, written back unchanged.

    Raises:
        UserError: a field has the wrong type, is out of range, or contradicts another.
    """

    model_type: ClassVar[str]
    classes: ClassVar[dict[str, type[Config]]] = {}  # every family's, by model_type
    log_mel_input: ClassVar[bool] = False
    feat_extract_norm: ClassVar[str | None] = None  # None without convolutions
    feat_proj_layer_norm: ClassVar[bool] = True
    use_intermediate_ffn_before_adapter: ClassVar[bool] = False

    vocab_size: int | None = 32  # None without a CTC head
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02

    hidden_dropout: float = 0.1
    activation_dropout: float = 0.1
    attention_dropout: float = 0.1
    feat_proj_dropout: float = 0.0
    final_dropout: float = 0.1
    layerdrop: float = 0.1
    apply_spec_augment: bool = True
    mask_time_prob: float = 0.05
    mask_time_length: int = 10
    mask_time_min_masks: int = 2
    mask_feature_prob: float = 0.0
    mask_feature_length: int = 10
    mask_feature_min_masks: int = 0

    add_adapter: bool = False  # strided convolutions after the encoder
    adapter_kernel_size: int = 3
    adapter_stride: int = 2
    num_adapter_layers: int = 3
    output_hidden_size: int | None = None  # of the adapter; None means hidden_size

    num_labels: int = DEFAULT_LABELS  # of the classifiers; in the file it is the size of id2label
    use_weighted_layer_sum: bool = False
    classifier_proj_size: int = 256
    tdnn_dim: tuple[int, ...] = (512, 512, 512, 512, 1500)
    tdnn_kernel: tuple[int, ...] = (5, 3, 3, 1, 1)
    tdnn_dilation: tuple[int, ...] = (1, 2, 3, 1, 1)
    xvector_output_dim: int = 512

    pad_token_id: int = 0  # the blank of CTC
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "model_type" in cls.__dict__:
            Config.classes[cls.model_type] = cls

    def __post_init__(self) -> None:
        for name, kinds in self.field_kinds().items():
            object.__setattr__(self, name, checked_value(name, getattr(self, name), kinds))
        if self.output_hidden_size is None:
            object.__setattr__(self, "output_hidden_size", self.hidden_size)
        self._check()

    def _check(self) -> None:
        check_values(self)
        if self.hidden_size % self.num_attention_heads:
            raise UserError(
                "config: num_attention_heads must divide hidden_size, got "
                f"{self.num_attention_heads} and {self.hidden_size}"
            )
        check_lists(self, "tdnn_dim", "tdnn_kernel", "tdnn_dilation")
        check_extra(self.extra)

    @classmethod
    @functools.cache
    def field_kinds(cls) -> dict[str, tuple[type, ...]]:
        """Returns the fields by name, and the types that each may have."""
        hints = typing.get_type_hints(cls)
        return {
            field.name: types_of(hints[field.name])
            for field in dataclasses.fields(cls)
            if field.name != "extra"
        }

    @property
    def has_mask_embedding(self) -> bool:
        """Whether the model has the vector that SpecAugment replaces masked frames by."""
        return self.mask_time_prob > 0 or self.mask_feature_prob > 0

    @property
    def feature_channels(self) -> int:
        """Channels of the features that are projected to `hidden_size`."""
        raise NotImplementedError

    @property
    def last_hidden_size(self) -> int:
        """Channels of the last hidden state, the input of a head."""
        assert self.output_hidden_size is not None
        return self.output_hidden_size if self.add_adapter else self.hidden_size

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Returns the config with the values of a `config.json`.

        Args:
            values: fields by name. Null means the default, unless the field may be null. Unknown
                fields are kept in `extra`.

        Raises:
            UserError: a field has the wrong type, contradicts another or is misspelled.
        """
        kinds = cls.field_kinds()
        known = {
            name: values[name]
            for name, kind in kinds.items()
            if name in values and (values[name] is not None or type(None) in kind)
        }
        extra = {k: v for k, v in values.items() if k not in kinds and k != "model_type"}
        check_extra(extra)
        check_spelling(extra, kinds)
        labels = extra.get("id2label")
        if isinstance(labels, dict):
            count = known.setdefault("num_labels", len(labels))
            if count != len(labels):
                raise UserError(
                    f"config: num_labels must be the {len(labels)} labels of id2label, "
                    f"got {brief(count)}"
                )
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Returns the content of `config.json`; `config_from_dict` is the inverse."""
        values = {name: getattr(self, name) for name in self.field_kinds()}
        count, labels = values.pop("num_labels"), self.extra.get("id2label")
        if count != (len(labels) if labels else DEFAULT_LABELS):
            names = [f"LABEL_{index}" for index in range(count)]
            values["id2label"] = {str(index): name for index, name in enumerate(names)}
            values["label2id"] = {name: index for index, name in enumerate(names)}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        return {**self.extra, **values, "model_type": self.model_type}

    @classmethod
    def from_pretrained(cls, source: str | PathLike[str], **options: Any) -> Self:
        """Reads the config of a checkpoint; on `Config` itself (`AutoConfig`), of any family.

        Args:
            source: as for the `from_pretrained` of models.
            options: `revision`, `token`, `cache_dir` and `local_files_only` for the hub; any other
                is a config field to change.

        Raises:
            UserError: no such source, an invalid config, or one of another family.
        """
        from wav2vec2_tf.models.pretrained import load_config

        hub = {name: options.pop(name) for name in HUB_OPTIONS if name in options}
        config = load_config(source, options, **hub)
        if not isinstance(config, cls):
            raise UserError(
                f"{source}: model_type must be {cls.model_type} for {cls.__name__}, got "
                f"{config.model_type}: use {type(config).__name__} or AutoConfig"
            )
        return config

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Writes `config.json`, which `from_pretrained`, here and in transformers, reads."""
        from wav2vec2_tf.models.pretrained import write_config

        Path(folder).mkdir(parents=True, exist_ok=True)
        write_config(Path(folder), self)


@dataclass(frozen=True, kw_only=True)
class WaveformConfig(Config):
    """The families that convolve the waveform (arXiv:2006.11477, section 2)."""

    feat_extract_norm: ClassVar[str]
    do_stable_layer_norm: ClassVar[bool] = False
    adapter_attn_dim: ClassVar[int | None] = None

    feat_extract_activation: str = "gelu"
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128  # kernel size of the positional convolution
    num_conv_pos_embedding_groups: int = 16

    def _check(self) -> None:
        super()._check()
        check_convolutions(self)

    @property
    def feature_channels(self) -> int:
        """Channels of the features that are projected to `hidden_size`."""
        return self.conv_dim[-1]

    def layer_lengths(self, length: Any) -> list[Any]:
        """See `Config.layer_lengths`."""
        lengths = []
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            length = convolved_length(length, kernel, stride)
            lengths.append(length)
        return lengths

    def samples_of(self, frames: int) -> int:
        """See `Config.samples_of`."""
        for kernel, stride in zip(
            reversed(self.conv_kernel), reversed(self.conv_stride), strict=True
        ):
            frames = (frames - 1) * stride + kernel
        return frames


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2Config(WaveformConfig):
    """wav2vec 2.0 (arXiv:2006.11477), XLS-R and MMS; transformers' `Wav2Vec2Config`."""

    model_type: ClassVar[str] = "wav2vec2"

    # "group": only the first convolution is normalized, over time; "layer": all, over channels
    feat_extract_norm: str = "group"  # type: ignore[misc]
    # layer norm before attention and feed-forward instead of after them
    do_stable_layer_norm: bool = False  # type: ignore[misc]
    # width of the adapter for a language in each layer (MMS, arXiv:2305.13516)
    adapter_attn_dim: int | None = None  # type: ignore[misc]

    # pre-training: arXiv:2006.11477, sections 2 and 3
    num_codevectors_per_group: int = 320
    num_codevector_groups: int = 2
    contrastive_logits_temperature: float = 0.1
    feat_quantizer_dropout: float = 0.0
    num_negatives: int = 100
    codevector_dim: int = 256
    proj_codevector_dim: int = 256
    diversity_loss_weight: float = 0.1

    def _check(self) -> None:
        super()._check()
        if not self.contrastive_logits_temperature > 0:
            raise UserError(
                "config: contrastive_logits_temperature must be above 0, "
                f"got {self.contrastive_logits_temperature}"
            )
        if self.codevector_dim % self.num_codevector_groups:
            raise UserError(
                "config: num_codevector_groups must divide codevector_dim, got "
                f"{self.num_codevector_groups} and {self.codevector_dim}"
            )


@dataclass(frozen=True, kw_only=True)
class HubertConfig(Wav2Vec2Config):
    """HuBERT (arXiv:2106.07447); transformers' `HubertConfig`."""

    model_type: ClassVar[str] = "hubert"

    feat_proj_layer_norm: bool = True  # type: ignore[misc]
    conv_pos_batch_norm: bool = False  # batch norm before the positional convolution


@dataclass(frozen=True, kw_only=True)
class WavLMConfig(Wav2Vec2Config):
    """WavLM (arXiv:2110.13900); transformers' `WavLMConfig`."""

    model_type: ClassVar[str] = "wavlm"

    num_buckets: int = 320  # of distances: half of them for keys before the query, half after
    max_bucket_distance: int = 800

    def _check(self) -> None:
        super()._check()
        if self.num_buckets < 4 or self.max_bucket_distance <= self.num_buckets // 4:
            raise UserError(
                "config: num_buckets must be at least 4, and max_bucket_distance above a quarter "
                f"of it, got {self.num_buckets} and {self.max_bucket_distance}"
            )


@dataclass(frozen=True, kw_only=True)
class UniSpeechConfig(Wav2Vec2Config):
    """UniSpeech (arXiv:2101.07597); transformers' `UniSpeechConfig`."""

    model_type: ClassVar[str] = "unispeech"

    num_ctc_classes: int = 80
    replace_prob: float = 0.5


@dataclass(frozen=True, kw_only=True)
class UniSpeechSatConfig(Wav2Vec2Config):
    """UniSpeech-SAT (arXiv:2110.05752); transformers' `UniSpeechSatConfig`."""

    model_type: ClassVar[str] = "unispeech-sat"

    num_clusters: int = 504

    @property
    def has_mask_embedding(self) -> bool:
        """Always true: published checkpoints hold the vector."""
        return True


@dataclass(frozen=True, kw_only=True)
class Data2VecAudioConfig(WaveformConfig):
    """data2vec for speech (arXiv:2202.03555); transformers' `Data2VecAudioConfig`."""

    model_type: ClassVar[str] = "data2vec-audio"
    feat_extract_norm: ClassVar[str] = "layer"

    num_conv_pos_embeddings: int = 5  # layers of the positional stack
    conv_pos_kernel_size: int = 19


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2ConformerConfig(Wav2Vec2Config):
    """wav2vec 2.0 with Conformer blocks (arXiv:2010.05171), as in fairseq.

    transformers' `Wav2Vec2ConformerConfig`. The attributes are those of `Wav2Vec2BertConfig`.
    """

    model_type: ClassVar[str] = "wav2vec2-conformer"
    position_schemes: ClassVar[tuple[str | None, ...]] = (None, "relative", "rotary")
    conv_causal: ClassVar[bool] = False
    conv_norm: ClassVar[str] = "batch"
    block_norm_eps: ClassVar[float | None] = 1e-5  # PyTorch's default
    encoder_norm: ClassVar[bool] = True
    stores_positions: ClassVar[bool] = True

    vocab_size: int | None = None
    position_embeddings_type: str | None = "relative"
    rotary_embedding_base: int = 10_000
    max_source_positions: int = 5000
    conv_depthwise_kernel_size: int = 31
    conformer_conv_dropout: float = 0.1

    def _check(self) -> None:
        super()._check()
        check_conformer(self)


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2BertConfig(Config):
    """Wav2Vec2-BERT, the speech encoder of Seamless (arXiv:2312.05187).

    It takes log-mel features, two windows of 10 ms side by side in a frame. transformers'
    `Wav2Vec2BertConfig`.

    Attributes:
        position_schemes: the values of `position_embeddings_type` that the family has.
        conv_causal: whether the depthwise convolutions see no later frame.
        conv_norm: the norm after them, "batch" or "layer".
        block_norm_eps: epsilon of the layer norms in the blocks; None means `layer_norm_eps`.
        encoder_norm: whether a layer norm follows the last block.
        stores_positions: whether checkpoints hold the weights of a positional convolution, which
            is not computed, and the frequencies of rotary positions.
    """

    model_type: ClassVar[str] = "wav2vec2-bert"
    log_mel_input: ClassVar[bool] = True
    position_schemes: ClassVar[tuple[str | None, ...]] = (
        *(None, "relative", "rotary", "relative_key"),
    )
    conv_causal: ClassVar[bool] = True
    conv_norm: ClassVar[str] = "layer"
    block_norm_eps: ClassVar[float | None] = None
    encoder_norm: ClassVar[bool] = False
    stores_positions: ClassVar[bool] = False

    vocab_size: int | None = None
    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    intermediate_size: int = 4096
    hidden_act: str = "swish"
    hidden_dropout: float = 0.0
    activation_dropout: float = 0.0
    attention_dropout: float = 0.0
    classifier_proj_size: int = 768
    num_adapter_layers: int = 1

    feature_projection_input_dim: int = 160
    position_embeddings_type: str | None = "relative_key"
    rotary_embedding_base: int = 10_000
    max_source_positions: int = 5000
    left_max_position_embeddings: int = 64
    right_max_position_embeddings: int = 8
    conv_depthwise_kernel_size: int = 31
    conformer_conv_dropout: float = 0.1
    adapter_act: str = "relu"
    use_intermediate_ffn_before_adapter: bool = False  # type: ignore[misc]

    def _check(self) -> None:
        super()._check()
        check_conformer(self)
        if self.last_hidden_size % self.num_attention_heads:
            raise UserError(
                "config: num_attention_heads must divide output_hidden_size, got "
                f"{self.num_attention_heads} and {self.last_hidden_size}"
            )

    @property
    def feature_channels(self) -> int:
        """Channels of the log-mel features."""
        return self.feature_projection_input_dim

    @property
    def adapter_padding(self) -> int:
        """See `Config.adapter_padding`."""
        return self.adapter_stride // 2

    def layer_lengths(self, length: Any) -> list[Any]:
        """See `Config.layer_lengths`."""
        return [mel_windows(length) // MEL_STACK]

    def samples_of(self, frames: int) -> int:
        """See `Config.samples_of`."""
        return MEL_WINDOW + (MEL_STACK * frames - 1) * MEL_HOP


ConformerConfig = Wav2Vec2ConformerConfig | Wav2Vec2BertConfig
"""The configs of the families whose encoder is made of Conformer blocks."""


def config_from_dict(values: Mapping[str, Any]) -> Config:
    """Returns the config that `Config.to_dict` wrote: the inverse, for any family.

    This is the serialized form of a config in `get_config` of layers and models, and the content
    of `config.json` (`pretrained.read_config` reads the file, changes fields and names the file in
    errors; `pretrained.write_config` adds the class to `architectures`).

    Raises:
        UserError: `model_type` is missing or unknown, or what `Config.from_dict` raises.
    """
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in Config.classes:
        raise UserError(
            f"config: model_type {brief(model_type)} is unknown; known: {', '.join(Config.classes)}"
            + did_you_mean(brief(model_type).strip("'"), Config.classes)
        )
    return Config.classes[model_type].from_dict(values)
