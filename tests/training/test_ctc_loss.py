"""The CTC loss and its gradient against PyTorch's in float64, and in Keras's compile and fit."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2vec2_tf import AutoModelForCTC, AutoProcessor, CTCLoss, UserError, Wav2Vec2Config
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.training.ctc_loss import ctc_loss


def theirs(
    labels: np.ndarray, logits: np.ndarray, counts: np.ndarray, frames: np.ndarray, blank: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns PyTorch's losses and gradients in float64; 0 where the labels do not fit."""
    tensor = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    losses = torch.nn.functional.ctc_loss(
        tensor.log_softmax(-1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(frames),
        torch.tensor(counts),
        blank=blank,
        reduction="none",
        zero_infinity=True,
    )
    losses.sum().backward()
    return losses.detach().numpy(), tensor.grad.numpy()


def ours(
    labels: np.ndarray, logits: np.ndarray, counts: np.ndarray, frames: np.ndarray, blank: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    with tf.GradientTape() as tape:
        watched = tf.constant(logits)
        tape.watch(watched)
        losses = ctc_loss(labels, watched, counts, frames, blank, zero_infinity=True)
    return losses.numpy(), tape.gradient(losses, watched).numpy()


def drawn(
    seed: int, rows: int, frames: int, labels: int, vocab: int, blank: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    tokens = [token for token in range(vocab) if token != blank]
    return (
        random.choice(tokens, (rows, labels)).astype(np.int32),
        random.normal(0, 3, (rows, frames, vocab)).astype(np.float32),
        random.integers(0, labels + 1, rows).astype(np.int32),
        random.integers(0, frames + 1, rows).astype(np.int32),
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 8),
    st.integers(2, 5),
    st.sampled_from([0, 1]),
)
def test_loss_and_gradient_are_torchs(
    seed: int, rows: int, frames: int, labels: int, vocab: int, blank: int
) -> None:
    case = drawn(seed, rows, frames, labels, vocab, blank)
    # without a frame, torch gives a loss of 0 for labels, and NaN without labels
    case[3][:] = np.maximum(case[3], 1)
    losses, gradients = ours(*case, blank)
    wanted_losses, wanted_gradients = theirs(*case, blank)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradients, wanted_gradients, rtol=0, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_long_utterances_lose_no_digits(jit_compile: bool) -> None:
    """At 30 s and 400 letters, PyTorch in float32 differs from float64 by 9e-3."""
    labels, logits, _, _ = drawn(0, 2, 1500, 400, 32)
    counts, frames = np.array([400, 100], np.int32), np.array([1500, 700], np.int32)
    wanted_losses, wanted_gradients = theirs(labels, logits, counts, frames)

    @tf.function(jit_compile=jit_compile)
    def run(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = ctc_loss(labels, logits, counts, frames)
        return losses, tape.gradient(losses, logits)

    losses, gradients = run(tf.constant(logits))
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-6)
    np.testing.assert_allclose(gradients, wanted_gradients, rtol=0, atol=1e-4)


def test_a_case_by_hand() -> None:
    """With two frames and one label, "a_", "_a" and "aa" are three of four equally likely paths."""
    losses, gradients = ours(
        np.array([[1]]), np.zeros((1, 2, 2), np.float32), np.array([1]), np.array([2])
    )
    np.testing.assert_allclose(losses, [-np.log(3 / 4)], rtol=1e-6)
    # softmax 1/2 minus the posterior: at each frame two of three paths have the label
    np.testing.assert_allclose(gradients[0], [[1 / 6, -1 / 6]] * 2, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "frames", "fits"),
    [([1, 2], 2, True), ([1, 1], 2, False), ([1, 1], 3, True), ([1], 0, False), ([], 0, True)],
)
def test_labels_need_frames(labels: list[int], frames: int, fits: bool) -> None:
    case = (
        np.array([labels + [1] * (3 - len(labels))]),
        np.random.default_rng(0).normal(size=(1, 3, 4)).astype(np.float32),
        np.array([len(labels)]),
        np.array([frames]),
    )
    assert np.isfinite(ctc_loss(*case)).all() == fits
    losses, gradients = ours(*case)
    assert np.isfinite(losses).all() and np.isfinite(gradients).all()
    assert fits or (not losses.any() and not gradients.any())


def test_what_is_padded_has_no_influence() -> None:
    labels, logits, counts, frames = drawn(1, 3, 20, 6, 5)
    frames[:] = (20, 13, 9)
    counts[:] = (6, 3, 0)
    alone = [
        ours(labels[row : row + 1, :count], logits[row : row + 1, :length], *last)
        for row, (count, length) in enumerate(zip(counts, frames, strict=True))
        for last in [(counts[row : row + 1], frames[row : row + 1])]
    ]
    for row, (count, length) in enumerate(zip(counts, frames, strict=True)):
        labels[row, count:] = -100
        logits[row, length:] = np.nan
    losses, gradients = ours(labels, logits, counts, frames)
    for row, (loss, gradient) in enumerate(alone):
        np.testing.assert_allclose(losses[row], loss[0], rtol=1e-6)
        np.testing.assert_allclose(gradients[row, : frames[row]], gradient[0], atol=1e-6)
        assert not gradients[row, frames[row] :].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_summed_in_float32(dtype: str) -> None:
    labels, logits, counts, frames = drawn(2, 2, 50, 8, 10)
    frames[:], counts[:] = 50, 8
    narrow = tf.cast(logits, dtype)
    wanted, _ = theirs(labels, tf.cast(narrow, tf.float32).numpy(), counts, frames)
    found = ctc_loss(labels, narrow, counts, frames)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_all_spellings_of_all_texts_add_up_to_one() -> None:
    logits = np.random.default_rng(3).normal(size=(1, 4, 3)).astype(np.float32)
    total = 0.0
    for length in range(5):
        for text in itertools.product([1, 2], repeat=length):
            labels = np.array([[*text, 0]], np.int32)
            total += float(tf.exp(-ctc_loss(labels, logits, np.array([length]), np.array([4])))[0])
    assert total == pytest.approx(1, abs=1e-5)


def ragged() -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(4)
    speech = random.normal(size=(4, 8000)).astype(np.float32)
    labels = random.integers(5, 30, (4, 9)).astype(np.int32)
    labels[1, 4:] = labels[2, 1:] = labels[3] = -100
    return {"speech": speech, "lengths": np.array([8000, 6000, 700, 0], np.int32)}, labels


def test_compiled_models_know_the_frames_that_count() -> None:
    inputs, labels = ragged()
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    logits = model(inputs)
    frames = model.config.frame_length(inputs["lengths"])
    wanted, _ = theirs(labels, logits.numpy(), (labels >= 0).sum(1), np.maximum(frames, 1))
    wanted[3] = 0  # no speech and no text
    for reduction, value in (("sum", wanted.sum()), ("sum_over_batch_size", wanted.mean())):
        loss = CTCLoss(reduction=reduction)
        assert float(loss(labels, logits)) == pytest.approx(value, rel=1e-4)
        model.compile(loss=loss)
        found = model.evaluate(tf.data.Dataset.from_tensors((inputs, labels)), verbose=0)
        assert found == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(CTCLoss(reduction=None)(labels, logits), wanted, rtol=1e-4)
    # without the mask, all frames count
    unmasked, _ = theirs(labels, logits.numpy(), (labels >= 0).sum(1), np.full(4, logits.shape[1]))
    assert float(CTCLoss()(labels, logits.numpy())) == pytest.approx(unmasked.mean(), rel=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_learns_a_batch_by_heart(jit_compile: bool) -> None:
    inputs, labels = ragged()
    labels[2:] = -100
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    model.compile(keras.optimizers.Adam(1e-3), CTCLoss(), jit_compile=jit_compile)
    batches = tf.data.Dataset.from_tensors((inputs, labels)).repeat(12)
    history = model.fit(batches, verbose=0, epochs=3, shuffle=False)
    first, *_, last = history.history["loss"]
    assert last < 0.5 * first


def test_the_mask_goes_on_through_layers_on_top() -> None:
    inputs, labels = ragged()
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    named = {
        "speech": keras.Input((None,), name="speech"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    stacked = keras.Model(named, keras.layers.Dense(32)(model.base_model(named)))
    stacked.compile(loss=CTCLoss(reduction="sum"))
    found = stacked.evaluate(tf.data.Dataset.from_tensors((inputs, labels)), verbose=0)
    frames = model.config.frame_length(inputs["lengths"])
    wanted, _ = theirs(labels, stacked(inputs).numpy(), (labels >= 0).sum(1), np.maximum(frames, 1))
    assert found == pytest.approx(wanted[:3].sum(), rel=1e-4)


# Padding of labels


def torch_mean(labels: np.ndarray, counts: list[int], logits: np.ndarray, blank: int) -> float:
    frames = np.full(len(logits), logits.shape[1])
    return float(theirs(labels, logits, np.array(counts), frames, blank)[0].mean())


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize(
    ("padding", "dtype"),
    [("blank", "int32"), ("blank", "uint8"), (-100, "int64"), (-100, "float32"), (-1, "int32")],
)
def test_padding_with_the_blank_or_negative_numbers_is_padding(
    blank: int, padding: int | str, dtype: str
) -> None:
    """The processor and the published notebook pad with the blank, transformers with -100."""
    value = blank if padding == "blank" else int(padding)
    labels, logits, _, _ = drawn(6, 3, 20, 6, 5, blank)
    counts = [6, 4, 0]
    wanted = torch_mean(labels, counts, logits, blank)
    for row, count in enumerate(counts):
        labels[row, count:] = value
    found = CTCLoss(blank=blank)(labels.astype(dtype), logits)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize("form", ["ragged", "sparse"])
def test_ragged_and_sparse_labels_need_no_padding(form: str, dtype: str) -> None:
    labels, logits, _, _ = drawn(6, 3, 20, 6, 5)
    counts = [4, 6, 0]
    wanted = torch_mean(labels, counts, logits, 0)
    rows = [row[:count] for row, count in zip(labels, counts, strict=True)]
    given: Any = tf.RaggedTensor.from_row_lengths(np.concatenate(rows).astype(dtype), counts)
    if form == "sparse":
        given = given.to_sparse()
    for loss in (CTCLoss(), tf.function(CTCLoss())):
        assert float(loss(given, logits)) == pytest.approx(wanted, rel=1e-5)
    model = keras.Sequential([keras.layers.Identity()])
    model.compile(loss=CTCLoss())
    batches = tf.data.Dataset.from_tensors((logits, given))
    assert model.evaluate(batches, verbose=0) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("blank_at", [0, 1])
def test_a_blank_within_ragged_labels_is_refused(blank_at: int) -> None:
    labels = [2, 1, 2]
    labels[blank_at] = 0
    with pytest.raises(UserError, match=r"labels must be tokens .* other than the blank, 0"):
        CTCLoss()(tf.ragged.constant([[1, 2], labels]), np.zeros((2, 9, 4), np.float32))


def test_labels_as_the_processor_pads_them() -> None:
    processor = AutoProcessor.from_pretrained(BUNDLED_MODEL)
    texts = ["HE SAID UNTO THEM", "GO"]
    labels = processor(text=texts, padding=True, return_tensors="np").labels
    assert (labels[1] == processor.tokenizer.pad_token_id).sum() > 5
    logits = np.random.default_rng(7).normal(size=(2, 40, 32)).astype(np.float32)
    wanted = torch_mean(labels, [len(text) for text in texts], logits, 0)
    model = AutoModelForCTC.from_pretrained(BUNDLED_MODEL)
    model.compile(loss=CTCLoss())
    for loss in (CTCLoss()(labels, logits), model.compute_loss(y=labels, y_pred=logits)):
        assert float(loss) == pytest.approx(wanted, rel=1e-5)


WRONG = [[0, 1, 2], [1, 0, 2], [1, -100, 2], [1, 2, 4], [1, 2.5, 3], [1, np.nan, 3]]


@pytest.mark.parametrize("labels", WRONG)
def test_what_is_no_label_is_refused_where_that_can_be_seen(labels: list[float]) -> None:
    rows = np.array([[1, 2, 0], labels], np.float32)
    logits = np.random.default_rng(8).normal(size=(2, 9, 4)).astype(np.float32)
    with pytest.raises(UserError, match=r"labels must be tokens .* other than the blank, 0"):
        CTCLoss()(rows, logits)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be tokens"):
        tf.function(CTCLoss())(rows, logits)
    # XLA knows no errors
    each = tf.function(CTCLoss(reduction=None), jit_compile=True)(rows, logits).numpy()
    wanted = torch_mean(np.array([[1, 2]]), [2], logits[:1], 0)
    assert each[0] == pytest.approx(wanted, rel=1e-5) and np.isnan(each[1])


def test_lengths_of_any_type_and_half_precision() -> None:
    """In bfloat16 the token 257 would be 256, and 301 frames 302."""
    labels = np.array([[257, 259, 301]])
    logits = np.random.default_rng(9).normal(size=(1, 301, 310)).astype(np.float32)
    wanted = torch_mean(labels, [3], logits, 0)
    keras.config.set_floatx("bfloat16")
    try:
        found = CTCLoss(dtype="bfloat16")(labels, logits)
    finally:
        keras.config.set_floatx("float32")
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    for dtype in ("int64", "float32", "uint8"):
        found = ctc_loss(labels, logits[:, :200], tf.cast([3], dtype), tf.cast([200], dtype))
        assert float(found[0]) == pytest.approx(
            torch_mean(labels, [3], logits[:, :200], 0), rel=1e-5
        )


def test_a_config_in_place_of_the_blank_is_refused() -> None:
    with pytest.raises(UserError, match="blank must be the index of a token, got Wav2Vec2Config"):
        CTCLoss(Wav2Vec2Config(), (2, 50000))  # type: ignore[arg-type]


def test_sample_weights_and_serialization() -> None:
    labels, logits, counts, frames = drawn(5, 2, 12, 3, 6)
    counts[:], frames[:] = 3, 12
    loss = keras.losses.deserialize(keras.losses.serialize(CTCLoss(blank=0, zero_infinity=True)))
    assert isinstance(loss, CTCLoss) and loss.zero_infinity and loss.blank == 0
    each = ctc_loss(labels, logits, counts, frames).numpy()
    found = loss(labels, logits, sample_weight=np.array([1.0, 0.5], np.float32))
    assert float(found) == pytest.approx((each[0] + 0.5 * each[1]) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "logits"),
    [(np.zeros(3), np.zeros((1, 2, 3))), (np.zeros((1, 2)), np.zeros((1, 3)))],
)
def test_other_shapes_are_refused(labels: np.ndarray, logits: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"CTCLoss takes \(batch, labels\)"):
        CTCLoss()(labels, logits.astype(np.float32))


def test_rows_of_several_lengths_are_no_tensor() -> None:
    with pytest.raises(UserError, match=r"got rows of several lengths .* tf\.ragged\.constant"):
        CTCLoss()([[1, 2], [1]], np.zeros((2, 9, 4), np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("blank", [-1, 3])
def test_the_blank_is_a_token_of_the_logits(blank: int) -> None:
    with pytest.raises(UserError, match=f"blank must be a token .* 0 to 2, got {blank}"):
        CTCLoss(blank=blank)(np.zeros((1, 1)), np.zeros((1, 2, 3), np.float32))
