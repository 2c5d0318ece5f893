"""Every layer class: `from_config(get_config())` is the same layer, with its own weights."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import reference
from wav2vec2_tf import models
from wav2vec2_tf.models import positions
from wav2vec2_tf.models.adapters import AdapterLayer, AttentionAdapter, ConvolutionalAdapter
from wav2vec2_tf.models.batch_norm import BatchNorm
from wav2vec2_tf.models.bert_adapter import BertAdapter, BertAdapterLayer
from wav2vec2_tf.models.config import (
    Data2VecAudioConfig,
    HubertConfig,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    WavLMConfig,
)
from wav2vec2_tf.models.conformer import (
    ConformerEncoder,
    ConformerLayer,
    ConvolutionModule,
    DepthwiseConv,
    PointwiseConv,
)
from wav2vec2_tf.models.conformer_attention import (
    RelativeAttention,
    RelativeKeyAttention,
    RelativeKeyPositions,
    RelativePositions,
    RotaryAttention,
    RotaryPositions,
    SelfAttention,
)
from wav2vec2_tf.models.feature_encoder import ConvLayer, FeatureEncoder, GroupNormConvLayer
from wav2vec2_tf.models.heads import AMSoftmaxLoss, TDNNLayer
from wav2vec2_tf.models.layers import ConfigLayer, Dense, LayerDrop, dtype_policy
from wav2vec2_tf.models.pretrained import Pretrained
from wav2vec2_tf.models.quantizer import GumbelVectorQuantizer
from wav2vec2_tf.models.transformer import (
    Attention,
    Encoder,
    EncoderLayer,
    FeatureProjection,
    FeedForward,
)
from wav2vec2_tf.models.wavlm import GatedAttention

HIDDEN, FRAMES = 24, 6
SIZES: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "layer_norm_eps": 1e-3,
}
CONVOLUTIONS: dict[str, Any] = {
    **SIZES,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
STYLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "adapter_attn_dim": 5}
ADAPTER = {"add_adapter": True, "output_hidden_size": 18, "num_adapter_layers": 1}
WAVEFORM = Wav2Vec2Config(**CONVOLUTIONS)
MMS = Wav2Vec2Config(**CONVOLUTIONS, **STYLE, hidden_act="gelu_new", conv_bias=True)
ADAPTED = Wav2Vec2Config(**CONVOLUTIONS, **ADAPTER)
HUBERT = HubertConfig(**CONVOLUTIONS, conv_pos_batch_norm=True, feat_proj_layer_norm=False)
WAVLM = WavLMConfig(**CONVOLUTIONS, num_buckets=8, max_bucket_distance=10)
DATA2VEC = Data2VecAudioConfig(**{**CONVOLUTIONS, "num_conv_pos_embeddings": 2})
CONFORMER = Wav2Vec2ConformerConfig(**CONVOLUTIONS, conv_depthwise_kernel_size=5)
ROTARY = Wav2Vec2ConformerConfig(**CONVOLUTIONS, position_embeddings_type="rotary")
XVECTOR = Wav2Vec2Config(
    **CONVOLUTIONS,
    tdnn_dim=(HIDDEN, 7),
    tdnn_kernel=(3, 2),
    tdnn_dilation=(1, 2),
    xvector_output_dim=HIDDEN,
)
BERT = Wav2Vec2BertConfig(**SIZES, **ADAPTER, feature_projection_input_dim=12)

STATES = reference.noise(2, FRAMES, HIDDEN)
ADAPTED_STATES = reference.noise(2, FRAMES, 18, seed=1)
FEATURES = reference.noise(2, FRAMES, 8, seed=2)
SPEECH = reference.noise(2, 100, seed=3)
DISTANCES = reference.noise(2 * FRAMES, HIDDEN, seed=4)
ROTATIONS = reference.noise(2, FRAMES, HIDDEN // 2, seed=5)
BIAS = reference.noise(2, FRAMES, FRAMES, seed=6)  # (heads, frames, frames)
ROWS = np.arange(FRAMES)[:, np.newaxis] * 73 + np.arange(FRAMES)

Make = Callable[[], keras.layers.Layer]
LAYERS: tuple[tuple[Make, tuple[Any, ...]], ...] = (
    # the layer, and its inputs
    (lambda: Dense(5, "gelu"), (STATES,)),
    (lambda: Dense(5, use_bias=False), (STATES,)),
    (lambda: LayerDrop(0.25), (STATES, STATES)),
    (lambda: BatchNorm(HIDDEN), (STATES,)),
    (lambda: positions.GroupedConv(HIDDEN, 4, 2), (STATES,)),
    (lambda: positions.PositionalConvEmbedding(WAVEFORM, trainable=False), (STATES,)),
    (lambda: positions.BatchNormPositionalConv(HUBERT), (STATES,)),
    (lambda: positions.PositionalConvLayer(DATA2VEC), (STATES,)),
    (lambda: positions.PositionalConvStack(DATA2VEC), (STATES,)),
    (lambda: ConvLayer(MMS, 1), (STATES[0, :, :8],)),
    (lambda: GroupNormConvLayer(WAVEFORM), (SPEECH, np.array([100, 60], np.int32))),
    (lambda: FeatureEncoder(WAVEFORM), (SPEECH,)),
    (lambda: FeatureEncoder(MMS), (SPEECH,)),
    (lambda: FeatureProjection(WAVEFORM), (FEATURES,)),
    (lambda: FeatureProjection(HUBERT), (FEATURES,)),
    (lambda: Attention(WAVEFORM, 1), (STATES,)),
    (lambda: FeedForward(WAVEFORM), (STATES,)),
    (lambda: FeedForward(MMS, 18, "relu"), (ADAPTED_STATES,)),
    (lambda: EncoderLayer(MMS), (STATES,)),
    (lambda: EncoderLayer(WAVLM, 1, GatedAttention), (STATES, None, BIAS)),
    (lambda: Encoder(WAVEFORM), (STATES,)),
    (lambda: Encoder(MMS, name="encoder"), (STATES,)),
    (lambda: Encoder(HUBERT, positions.hubert_positions), (STATES,)),
    (lambda: Encoder(DATA2VEC, positions.PositionalConvStack), (STATES,)),
    (lambda: Encoder(WAVLM, attention=GatedAttention), (STATES,)),
    (lambda: GatedAttention(WAVLM, 0), (STATES, None, BIAS)),
    (lambda: AttentionAdapter(MMS), (STATES,)),
    (lambda: AdapterLayer(ADAPTED), (ADAPTED_STATES,)),
    (lambda: ConvolutionalAdapter(ADAPTED), (STATES,)),
    (lambda: BertAdapterLayer(BERT), (ADAPTED_STATES,)),
    (lambda: BertAdapter(BERT), (STATES,)),
    (lambda: PointwiseConv(HIDDEN, 7), (STATES,)),
    (lambda: DepthwiseConv(HIDDEN, 5, causal=True), (STATES,)),
    (lambda: ConvolutionModule(CONFORMER), (STATES,)),
    (lambda: ConvolutionModule(BERT), (STATES,)),
    (lambda: ConformerLayer(CONFORMER), (STATES, None, None, DISTANCES)),
    (lambda: ConformerEncoder(CONFORMER), (STATES,)),
    (lambda: ConformerEncoder(ROTARY), (STATES,)),
    (lambda: ConformerEncoder(BERT), (STATES,)),
    (lambda: SelfAttention(BERT, 18), (ADAPTED_STATES,)),
    (lambda: RotaryPositions(ROTARY), (STATES,)),
    (lambda: RotaryAttention(ROTARY), (STATES, None, ROTATIONS)),
    (lambda: RelativePositions(CONFORMER), (STATES,)),
    (lambda: RelativeAttention(CONFORMER), (STATES, None, DISTANCES)),
    (lambda: RelativeKeyPositions(BERT), (STATES,)),
    (lambda: RelativeKeyAttention(BERT), (STATES, None, ROWS)),
    (lambda: GumbelVectorQuantizer(WAVEFORM), (FEATURES,)),
    (lambda: GumbelVectorQuantizer(WAVEFORM, HIDDEN), (STATES,)),
    (lambda: TDNNLayer(XVECTOR, 1), (STATES,)),
    (lambda: AMSoftmaxLoss(XVECTOR), (STATES[:, 0], np.array([0, 1], np.int32))),
)


def layer_classes() -> set[type]:
    """Returns every layer class that `models` defines, without the models themselves."""
    found = set()
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, keras.layers.Layer) and kind.__module__ == module.name:
                found.add(kind)
    return {kind for kind in found if not issubclass(kind, Pretrained) and kind is not ConfigLayer}


def test_every_layer_class_is_here() -> None:
    here = {type(make()) for make, _ in LAYERS}
    assert {kind.__name__ for kind in layer_classes() - here} == {"ConfiguredModel"}


def values_of(output: Any) -> list[np.ndarray]:
    return [np.asarray(value) for value in tf.nest.flatten(output) if value is not None]


def name_of(make: Make) -> str:
    layer = make()
    config = getattr(layer, "config", None)
    return f"{type(layer).__name__}-{config.model_type}" if config else type(layer).__name__


@pytest.mark.parametrize(("make", "inputs"), LAYERS, ids=[name_of(make) for make, _ in LAYERS])
def test_a_layer_is_made_again_from_its_config(make: Make, inputs: tuple[Any, ...]) -> None:
    layer = make()
    shape = inputs[0].shape if isinstance(layer, Dense) else None
    layer.build(shape)
    for variable in layer.weights:
        if variable.dtype == "float32":
            noise = np.random.default_rng(0).uniform(0.1, 0.3, variable.shape)
            variable.assign(variable.numpy() + noise)

    written = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(written)

    assert type(again) is type(layer)
    assert (again.name, again.trainable) == (layer.name, layer.trainable)
    assert again.get_config() == layer.get_config()
    if not again.built:  # Keras builds layers whose `build` takes no shape
        again.build(shape)
    paths = [variable.path for variable in layer.weights]
    assert [variable.path for variable in again.weights] == paths
    assert len(again.trainable_weights) == len(layer.trainable_weights)
    again.set_weights(layer.get_weights())
    call = [None if value is None else tf.constant(value) for value in inputs]
    wanted, got = values_of(layer(*call)), values_of(again(*call))
    assert len(wanted) == len(got) >= 1
    assert wanted[0].ndim == 0 or np.std(wanted[0]) > 0
    for ours, theirs in zip(got, wanted, strict=True):
        assert np.array_equal(ours, theirs)


def test_inner_layers_have_the_dtype_of_the_layer() -> None:
    with dtype_policy("mixed_bfloat16"):
        layer = Encoder(MMS)
    again = Encoder.from_config(layer.get_config())
    inner = again.layers[0].feed_forward.output_dense
    assert again.dtype_policy.name == inner.dtype_policy.name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_a_config_keeps_what_is_beyond_its_fields() -> None:
    config = Wav2Vec2Config.from_dict({**CONVOLUTIONS, "architectures": ["Wav2Vec2ForCTC"]})
    again = FeedForward.from_config(FeedForward(config).get_config())
    assert again.config == config
    assert again.config.extra == config.extra
