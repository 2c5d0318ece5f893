"""The sizes and switches of a model, as a checkpoint's `config.json` gives them.

One frozen dataclass a family, with the fields and defaults of transformers' class of that name.
Which class a `model_type` has is in `families.py`.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

from wav2vec2_tf.utils.errors import UserError, did_you_mean

PUBLISHED_LENGTH = 246_000  # samples (15.4 s) that the published SavedModels are fixed to
MEL_WINDOW, MEL_HOP = 400, 160  # samples of a window of log-mel features, 25 ms, and between two
MEL_STACK = 2  # such windows to a frame; the last of an odd number makes none
ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "swish")
HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")
DEFAULT_LABELS = 2  # of a classifier whose config names none
NEAR_MISS = 0.9  # likeness from which an unknown field is taken for a misspelt one
# A file that claims more is not built to see whether it fits.
MOST_LAYERS = 200  # of one kind
LARGEST_SIZE = 2**18
LARGEST_ROTARY_BASE = 2**53


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every family has.

    What the file holds beyond its family's fields is kept in `extra` and written back unchanged.
    """

    model_type: ClassVar[str]
    feat_proj_layer_norm: ClassVar[bool] = True

    vocab_size: int | None = 32  # None where there is no CTC head
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
    output_hidden_size: int | None = None  # of the adapter; hidden_size where not given

    num_labels: int = DEFAULT_LABELS  # of the classifiers; in the file it is the size of id2label
    use_weighted_layer_sum: bool = False
    classifier_proj_size: int = 256
    tdnn_dim: tuple[int, ...] = (512, 512, 512, 512, 1500)
    tdnn_kernel: tuple[int, ...] = (5, 3, 3, 1, 1)
    tdnn_dilation: tuple[int, ...] = (1, 2, 3, 1, 1)
    xvector_output_dim: int = 512

    pad_token_id: int = 0  # the blank of CTC
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, kinds in self.field_kinds().items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), kinds))
        if self.output_hidden_size is None:
            object.__setattr__(self, "output_hidden_size", self.hidden_size)
        self._check()

    def _check(self) -> None:
        for name in self.field_kinds():
            value = getattr(self, name)
            if name in _COUNTS and value is not None and value < 1:
                raise UserError(f"config: {name} must be at least 1, got {value}")
            if name in _COUNTS and value is not None and value > LARGEST_SIZE:
                raise UserError(f"config: {name} must be at most {LARGEST_SIZE}, got {value}")
            layers = len(value) if isinstance(value, tuple) else value
            if name in _LAYERS and layers > MOST_LAYERS:
                raise UserError(f"config: {name} asks for over {MOST_LAYERS} layers")
            if name in _NOT_NEGATIVE and not value >= 0:
                raise UserError(f"config: {name} must not be negative, got {value}")
            if name in _PROBABILITIES and not 0 <= value <= 1:
                raise UserError(f"config: {name} must be from 0 to 1: {value}")
            if name in _CHOICES and value not in _CHOICES[name]:
                choices = ", ".join(_CHOICES[name])
                raise UserError(f"config: {name} {value!r} is unknown; known: {choices}")
        if self.hidden_size % self.num_attention_heads:
            raise UserError("config: num_attention_heads does not divide hidden_size")
        _one_length(self, "tdnn_dim", "tdnn_kernel", "tdnn_dilation")
        labels = self.extra.get("id2label")
        if labels is not None and not isinstance(labels, dict):
            raise UserError(f"config: id2label must be an object, got {labels!r}")
        names = self.extra.get("architectures") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"config: architectures must be a list of names, got {names!r}")

    @classmethod
    @functools.cache
    def field_kinds(cls) -> dict[str, tuple[type, ...]]:
        """The fields by name, and the types each may have."""
        hints = typing.get_type_hints(cls)
        return {
            field.name: _kinds(hints[field.name])
            for field in dataclasses.fields(cls)
            if field.name != "extra"
        }

    @property
    def has_mask_embedding(self) -> bool:
        """Whether the model owns the vector that SpecAugment puts in place of masked frames."""
        return self.mask_time_prob > 0 or self.mask_feature_prob > 0

    @property
    def last_hidden_size(self) -> int:
        """Channels of the last hidden state, what a head sees."""
        assert self.output_hidden_size is not None
        return self.output_hidden_size if self.add_adapter else self.hidden_size

    @property
    def adapter_padding(self) -> int:
        """Frames of silence that the adapter's convolutions see before and after the speech."""
        return 1

    def layer_lengths(self, length: Any) -> list[Any]:
        """Steps out of each layer of the front end for `length` samples, a number or int tensor.

        Too few samples for one step give 0 or less.
        """
        raise NotImplementedError

    def encoder_frames(self, samples: Any) -> Any:
        """Frames that the encoder sees of so many samples, a number or int tensor; 0 if too few."""
        return _positive(self.layer_lengths(samples)[-1])

    def adapted_once(self, frames: Any) -> Any:
        """Frames out of one layer of the adapter, for a number or int tensor of frames in."""
        some = 1 - _positive(1 - frames)  # 0 or 1: the padding alone makes no frame
        padded = frames + 2 * self.adapter_padding
        return some * _positive(
            convolved_length(padded, self.adapter_kernel_size, self.adapter_stride)
        )

    def adapted_frames(self, frames: Any) -> Any:
        """Frames out of the adapter, where there is one, for so many of the encoder."""
        for _ in range(self.num_adapter_layers if self.add_adapter else 0):
            frames = self.adapted_once(frames)
        return frames

    def frame_length(self, samples: Any) -> Any:
        """Frames that `samples` samples give; 0 where they are too few for one."""
        return self.adapted_frames(self.encoder_frames(samples))

    def samples_of(self, frames: int) -> int:
        """The fewest samples of which the encoder sees `frames` frames, 1 or more."""
        raise NotImplementedError

    @property
    def fewest_frames(self) -> int:
        """Of the encoder, for the adapter to make one."""
        frames = 1
        for _ in range(self.num_adapter_layers if self.add_adapter else 0):
            seen = (frames - 1) * self.adapter_stride + self.adapter_kernel_size
            frames = max(1, seen - 2 * self.adapter_padding)
        return frames

    @property
    def stride(self) -> int:
        """Samples from one frame of output to the next; 320 (20 ms) for the published models."""
        stride = self.samples_of(2) - self.samples_of(1)
        return stride * self.adapter_stride**self.num_adapter_layers if self.add_adapter else stride

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of a `config.json`; null means the default where it is no value of its own.

        What is not known is kept in `extra`.

        Raises `UserError` where a field is of the wrong kind, contradicts another or is misspelt.
        """
        kinds = cls.field_kinds()
        known = {
            name: values[name]
            for name, kind in kinds.items()
            if name in values and (values[name] is not None or type(None) in kind)
        }
        extra = {k: v for k, v in values.items() if k not in kinds and k != "model_type"}
        for name in extra:
            if near := did_you_mean(name, kinds, NEAR_MISS):
                raise UserError(f"config: {name} is no field{near}")
        labels = extra.get("id2label")
        if isinstance(labels, dict):
            count = known.setdefault("num_labels", len(labels))
            if count != len(labels):
                raise UserError(
                    f"config: num_labels is {count!r}, and id2label names {len(labels)}"
                )
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """What `config.json` holds."""
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
    """Families that start from the waveform: strided convolutions, then a Transformer."""

    feat_extract_norm: ClassVar[str]
    do_stable_layer_norm: ClassVar[bool] = False
    adapter_attn_dim: ClassVar[int | None] = None

    feat_extract_activation: str = "gelu"
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128  # kernel of the positional convolution
    num_conv_pos_embedding_groups: int = 16

    def _check(self) -> None:
        super()._check()
        _one_length(self, "conv_dim", "conv_stride", "conv_kernel")
        layers = self.extra.get("num_feat_extract_layers", len(self.conv_dim))
        if layers != len(self.conv_dim):
            raise UserError(
                f"config: num_feat_extract_layers is {layers!r}, and conv_dim has "
                f"{len(self.conv_dim)} layers"
            )
        if self.hidden_size % self.num_conv_pos_embedding_groups:
            raise UserError("config: num_conv_pos_embedding_groups does not divide hidden_size")

    def layer_lengths(self, length: Any) -> list[Any]:
        lengths = []
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            length = convolved_length(length, kernel, stride)
            lengths.append(length)
        return lengths

    def samples_of(self, frames: int) -> int:
        for kernel, stride in zip(
            reversed(self.conv_kernel), reversed(self.conv_stride), strict=True
        ):
            frames = (frames - 1) * stride + kernel
        return frames


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2Config(WaveformConfig):
    model_type: ClassVar[str] = "wav2vec2"

    # "group": the first convolution alone is normalised, over time; "layer": all, over channels
    feat_extract_norm: str = "group"  # type: ignore[misc]
    # layer norm before attention and feed-forward, not after
    do_stable_layer_norm: bool = False  # type: ignore[misc]
    # width of an adapter a layer for one language each (MMS)
    adapter_attn_dim: int | None = None  # type: ignore[misc]

    # pre-training: paper sections 2 and 3
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
            raise UserError("config: num_codevector_groups does not divide codevector_dim")


@dataclass(frozen=True, kw_only=True)
class HubertConfig(Wav2Vec2Config):
    model_type: ClassVar[str] = "hubert"

    feat_proj_layer_norm: bool = True  # type: ignore[misc]
    conv_pos_batch_norm: bool = False  # before the positional convolution, not weight norm in it


@dataclass(frozen=True, kw_only=True)
class WavLMConfig(Wav2Vec2Config):
    model_type: ClassVar[str] = "wavlm"

    num_buckets: int = 320  # of distances: half before, half after, half of these of one frame
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
    model_type: ClassVar[str] = "unispeech"

    num_ctc_classes: int = 80
    replace_prob: float = 0.5


@dataclass(frozen=True, kw_only=True)
class UniSpeechSatConfig(Wav2Vec2Config):
    model_type: ClassVar[str] = "unispeech-sat"

    num_clusters: int = 504

    @property
    def has_mask_embedding(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Data2VecAudioConfig(WaveformConfig):
    model_type: ClassVar[str] = "data2vec-audio"
    feat_extract_norm: ClassVar[str] = "layer"

    num_conv_pos_embeddings: int = 5  # layers of the positional stack
    conv_pos_kernel_size: int = 19


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2ConformerConfig(Wav2Vec2Config):
    model_type: ClassVar[str] = "wav2vec2-conformer"

    vocab_size: int | None = None
    position_embeddings_type: str | None = "relative"
    rotary_embedding_base: int = 10_000
    max_source_positions: int = 5000
    conv_depthwise_kernel_size: int = 31
    conformer_conv_dropout: float = 0.1

    def _check(self) -> None:
        super()._check()
        _check_conformer(self, (None, "relative", "rotary"))


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2BertConfig(Config):
    """Starts from log-mel features, two frames of 10 ms side by side."""

    model_type: ClassVar[str] = "wav2vec2-bert"

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
    use_intermediate_ffn_before_adapter: bool = False

    def _check(self) -> None:
        super()._check()
        _check_conformer(self, (None, "relative", "rotary", "relative_key"))
        if self.last_hidden_size % self.num_attention_heads:
            raise UserError("config: num_attention_heads does not divide output_hidden_size")

    @property
    def adapter_padding(self) -> int:
        return self.adapter_stride // 2

    def layer_lengths(self, length: Any) -> list[Any]:
        return [mel_windows(length) // MEL_STACK]

    def samples_of(self, frames: int) -> int:
        return MEL_WINDOW + (MEL_STACK * frames - 1) * MEL_HOP


_COUNTS = frozenset(
    (
        *("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"),
        *("mask_time_length", "mask_feature_length"),
        *("adapter_kernel_size", "adapter_stride", "output_hidden_size"),
        *("num_labels", "classifier_proj_size", "xvector_output_dim"),
        *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "conv_pos_kernel_size"),
        *("adapter_attn_dim", "num_codevectors_per_group", "num_codevector_groups"),
        *("codevector_dim", "proj_codevector_dim", "num_negatives"),
        *("num_buckets", "max_bucket_distance", "num_ctc_classes", "num_clusters"),
        *("max_source_positions", "conv_depthwise_kernel_size", "feature_projection_input_dim"),
    )
)
_LAYERS = frozenset(
    ("num_hidden_layers", "num_adapter_layers", "num_conv_pos_embeddings", "conv_dim", "tdnn_dim")
)
_NOT_NEGATIVE = frozenset(
    (
        *("num_hidden_layers", "num_adapter_layers"),
        *("layer_norm_eps", "initializer_range", "pad_token_id"),
        *("mask_time_min_masks", "mask_feature_min_masks", "diversity_loss_weight"),
        *("left_max_position_embeddings", "right_max_position_embeddings"),
    )
)
_PROBABILITIES = frozenset(
    (
        *("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"),
        *("final_dropout", "layerdrop", "mask_time_prob", "mask_feature_prob"),
        *("feat_quantizer_dropout", "conformer_conv_dropout", "replace_prob"),
    )
)
_CHOICES: dict[str, tuple[str, ...]] = {
    "feat_extract_norm": ("group", "layer"),
    "hidden_act": ACTIVATIONS,
    "feat_extract_activation": ACTIVATIONS,
    "adapter_act": ACTIVATIONS,
}


def _kinds(hint: Any) -> tuple[type, ...]:
    """`int | None` → (int, NoneType); `tuple[int, ...]` → (tuple,)."""
    if isinstance(hint, types.UnionType):
        return typing.get_args(hint)
    return (typing.get_origin(hint) or hint,)


def _checked(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    if float in kinds and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise UserError(f"config: {name} is too large a number") from None
    if tuple in kinds:
        if not isinstance(value, list | tuple) or not all(type(v) is int for v in value):
            raise UserError(f"config: {name} must be a list of whole numbers, got {value!r}")
        return tuple(value)
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise UserError(f"config: {name} must be {wanted}, got {value!r}")
    return value


def _one_length(config: Config, *names: str) -> None:
    lists = [getattr(config, name) for name in names]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if len({len(values) for values in lists}) != 1 or not lists[0]:
        raise UserError(f"config: {listed} must be of one length")
    if max(max(values) for values in lists) > LARGEST_SIZE:
        raise UserError(f"config: {listed} must be at most {LARGEST_SIZE}")
    if min(min(values) for values in lists) < 1:
        raise UserError(f"config: {listed} must be positive")


def _check_conformer(
    config: Wav2Vec2ConformerConfig | Wav2Vec2BertConfig, schemes: tuple[str | None, ...]
) -> None:
    scheme = config.position_embeddings_type
    if scheme not in schemes:
        known = ", ".join(map(str, schemes))
        raise UserError(f"config: position_embeddings_type {scheme!r} is unknown; known: {known}")
    if config.conv_depthwise_kernel_size % 2 == 0:
        raise UserError(
            "config: conv_depthwise_kernel_size must be odd, "
            f"got {config.conv_depthwise_kernel_size}"
        )
    if not 1 <= config.rotary_embedding_base <= LARGEST_ROTARY_BASE:
        raise UserError(
            f"config: rotary_embedding_base must be from 1 to {LARGEST_ROTARY_BASE}, "
            f"got {config.rotary_embedding_base}"
        )
    if scheme == "rotary" and config.hidden_size // config.num_attention_heads % 2:
        raise UserError("config: rotary positions need an even number of channels in a head")
    if scheme == "relative" and config.hidden_size % 2:
        raise UserError("config: relative positions need an even hidden_size")


def convolved_length(length: Any, kernel: int, stride: int) -> Any:
    """The frame-length formula: steps of an unpadded convolution over `length` steps."""
    return (length - kernel) // stride + 1


def mel_windows(samples: Any) -> Any:
    """Windows of log-mel features that so many samples give, a number or integer tensor."""
    return _positive(convolved_length(samples, MEL_WINDOW, MEL_HOP))


def _positive(length: Any) -> Any:
    """max(0, length), of a number or an integer tensor alike."""
    return (length + abs(length)) // 2
