"""The frame-length formula against real convolutions, and the masks made of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import reference
from wav2vec2_tf import UserError, Wav2Vec2Config
from wav2vec2_tf.models import lengths as padding

PUBLISHED = Wav2Vec2Config()
layers = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=5
)  # (kernel, stride) of each


def config_of(layers: list[tuple[int, int]]) -> Wav2Vec2Config:
    kernels, strides = zip(*layers, strict=True)
    return Wav2Vec2Config(conv_dim=(1,) * len(layers), conv_kernel=kernels, conv_stride=strides)


def torch_frames(layers: list[tuple[int, int]], samples: int) -> int:
    """Returns the frames that torch's convolutions give for a number of samples."""
    values = torch.zeros(1, 1, samples)
    for kernel, stride in layers:
        if values.shape[-1] < kernel:
            return 0
        values = torch.nn.functional.conv1d(values, torch.zeros(1, 1, kernel), stride=stride)
    return values.shape[-1]


@settings(deadline=None)
@given(layers=layers, samples=st.integers(0, 3000))
@example(layers=[(2, 1), (1, 5)], samples=1)  # a layer in the middle runs out of input
def test_frames_are_those_of_convolutions(layers: list[tuple[int, int]], samples: int) -> None:
    config = config_of(layers)
    wanted = torch_frames(layers, samples)
    assert config.frame_length(samples) == wanted
    assert config.frame_length(tf.constant([samples])).numpy().tolist() == [wanted]


@given(layers=layers, frames=st.integers(1, 50))
def test_samples_of_is_the_least_that_gives_so_many_frames(
    layers: list[tuple[int, int]], frames: int
) -> None:
    config = config_of(layers)
    samples = config.samples_of(frames)
    assert config.frame_length(samples) == frames
    assert config.frame_length(samples - 1) == frames - 1
    assert config.samples_of(frames + 1) - samples == config.stride


@settings(deadline=None)
@given(samples=st.integers(400, 3_000_000))
def test_published_convolutions_agree_with_transformers(samples: int) -> None:
    wanted = transformers.Wav2Vec2PreTrainedModel._get_feat_extract_output_lengths(
        type("Model", (), {"config": transformers.Wav2Vec2Config()})(),
        torch.tensor([samples]),
        add_adapter=False,
    )
    assert PUBLISHED.frame_length(samples) == int(wanted[0]) == reference.frames(samples)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (1, 0), (399, 0), (400, 1), (719, 1), (720, 2), (30_480, 95), (246_000, 768)],
)
def test_frames_of_the_published_models(samples: int, frames: int) -> None:
    assert PUBLISHED.frame_length(samples) == frames
    assert PUBLISHED.frame_length(tf.constant(samples)).numpy() == frames


def test_stride_of_the_published_models() -> None:
    assert (PUBLISHED.stride, PUBLISHED.samples_of(1)) == (320, 400)


# Masks


def test_lengths_are_clipped_to_the_row() -> None:
    clipped = padding.clip_lengths(tf.constant([-3, 0, 5, 9], tf.int64), 7)
    assert clipped.dtype == tf.int32
    assert clipped.numpy().tolist() == [0, 0, 5, 7]


FLOATS = ("float32", "float64")
MASK_TYPES = (
    "bool",
    "int8",
    "uint8",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
)
STRUCTURES = {
    "tuple": lambda speech, mask: (speech, mask),
    "list": lambda speech, mask: [speech, mask],
    "dict": lambda speech, mask: {"speech": speech, "attention_mask": mask},
}


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("dtype", MASK_TYPES)
def test_lengths_of_a_mask(dtype: str, structure: str) -> None:
    mask = tf.cast([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], dtype)
    inputs = STRUCTURES[structure](tf.zeros([3, 4]), mask)

    def lengths(inputs: Any) -> tf.Tensor:
        return padding.unpack(inputs)[1]

    for call in (lengths, tf.function(lengths), tf.function(lengths, jit_compile=True)):
        got = call(inputs)
        assert got.dtype == tf.int32
        assert got.numpy().tolist() == [4, 2, 0]
    assert padding.lengths_of(mask.numpy()).numpy().tolist() == [4, 2, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0, 0.5, 0.0], "got 0.5 in row 1: compare it with 0 first"),
        ([1.0, np.nan, 0.0], "got nan in row 1"),
        ([-np.inf, 0.0, 0.0], "got -inf in row 1"),
        ([1.0 + 1e-6, 1.0, 1.0], r"got 1\.000001 in row 1"),
        ([2, 1, 0], "got 2 in row 1"),
        ([1, -1, 0], "got -1 in row 1"),
        ([1, 0, 1], "got 0 before 1 in row 1: pad on the right"),
        ([False, False, True], "got 0 before 1 in row 1: pad on the right"),
    ],
)
def test_a_mask_with_other_values_is_refused(row: list[float], message: str) -> None:
    mask = np.array([np.ones(3), row], np.array(row).dtype)
    with pytest.raises(UserError, match=f"must be 1 for speech and then 0.*{message}") as raised:
        padding.unpack({"speech": np.zeros((2, 3), np.float32), "attention_mask": mask})
    assert "\n" not in str(raised.value)
    in_a_graph = tf.function(padding.lengths_of, autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be 1 for speech and then 0"):
        in_a_graph(tf.constant(mask))


def test_silenced_padding_is_zero_even_if_it_was_nan() -> None:
    values = np.array([[[1.0], [np.nan]], [[np.inf], [2.0]]], np.float32)
    mask = tf.constant([[True, False], [False, True]])
    got = padding.silence_padding(tf.constant(values), mask).numpy()
    assert got.tolist() == [[[1.0], [0.0]], [[0.0], [2.0]]]
    assert padding.silence_padding(values, None) is values


@pytest.mark.parametrize(
    "dtype",
    [tf.float32, tf.float16, pytest.param(tf.bfloat16, marks=pytest.mark.bfloat16)],
)
def test_attention_bias_leaves_padding_nothing(dtype: tf.DType) -> None:
    mask = tf.constant([[True, True, False], [False, False, False]])
    bias = padding.attention_bias(mask, dtype)
    assert bias.shape == (2, 1, 1, 3)
    scores = tf.constant([-50.0, 3.0, 100.0], dtype)
    weights = tf.cast(tf.nn.softmax(scores + bias), tf.float32).numpy()[:, 0, 0]
    assert weights[0, 2] == 0.0
    assert np.isfinite(weights).all()  # a row without any frame too
    assert padding.attention_bias(None, dtype) is None


# Buckets


def test_buckets_rise_by_at_most_a_quarter() -> None:
    steps = padding.BUCKETS
    assert (steps[0], steps[-1]) == (16_000, 1_920_000)
    assert all(1 < b / a < 1.25 for a, b in itertools.pairwise(steps))
    assert all(step % 320 == 0 for step in steps)


@given(length=st.integers(0, padding.BUCKETS[-1]))
@example(length=padding.BUCKETS[3])
@example(length=padding.BUCKETS[3] + 1)
def test_a_bucket_is_the_least_that_holds_the_length(length: int) -> None:
    found = padding.bucket(length)
    assert found == min(step for step in padding.BUCKETS if step >= length)


def test_what_no_bucket_holds_is_refused() -> None:
    with pytest.raises(UserError, match=r"more than one pass takes \(120 s\)"):
        padding.bucket(padding.BUCKETS[-1] + 1)
