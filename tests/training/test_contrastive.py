"""The objective of pre-training against transformers', and the distribution of its draws."""

from __future__ import annotations

import copy
import functools
import tempfile
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tests.support import reference
from wav2vec2_tf.models.config import UniSpeechConfig, UniSpeechSatConfig, Wav2Vec2Config
from wav2vec2_tf.models.heads import Wav2Vec2ForPreTraining
from wav2vec2_tf.training import contrastive
from wav2vec2_tf.training.contrastive import PreTrainingObjective, sample_negatives
from wav2vec2_tf.utils.errors import UserError

TOLERANCE = 1e-4  # relative to the largest value of each tensor
STILL: dict[str, Any] = {
    **dict.fromkeys(("hidden_dropout", "activation_dropout", "attention_dropout"), 0.0),
    **dict.fromkeys(("feat_proj_dropout", "feat_quantizer_dropout", "layerdrop"), 0.0),
}
NEGATIVES, CODEBOOKS = 7, 2
FEW, MANY = 3, 40  # entries per codebook: few enough that some frames share entries
SHALLOW = {  # the same frames by a model that compiles faster
    "conv_dim": (16,) * 2,
    "conv_kernel": (80, 9),
    "conv_stride": (40, 8),
}
VARIANTS = ("group", "layer", "conformer-relative")
RAGGED = (6500, 400 + 4 * 320, 5000)  # samples; 20, 5 and 15 frames
ZERO_BUT_FOR_ROUNDING = ("attention/k_proj/bias", "self_attn/linear_k/bias")
"""The softmax over keys cancels a constant that all of them share."""


class Pair(NamedTuple):
    ours: Wav2Vec2ForPreTraining
    theirs: torch.nn.Module


class Drawn(NamedTuple):
    """The random draws of one batch."""

    masked: np.ndarray
    """(batch, frames) bool"""
    negatives: np.ndarray
    """(batch, frames, NEGATIVES)"""
    noise: np.ndarray
    """(batch, frames, CODEBOOKS, entries)"""


@functools.cache
def pair(variant: str, entries: int = MANY, shallow: bool = False) -> Pair:
    sizes = {"num_codevectors_per_group": entries, "num_negatives": NEGATIVES}
    still = STILL | ({"conformer_conv_dropout": 0.0} if "conformer" in variant else {})
    depth = {"num_hidden_layers": 1, **SHALLOW} if shallow else {"num_hidden_layers": 2}
    config = reference.tiny_config(variant, **still, **sizes, **depth)
    theirs = reference.perturbed_model(config, head="ForPreTraining")
    return Pair(in_our_layout(theirs), theirs)


def in_our_layout(theirs: torch.nn.Module) -> Wav2Vec2ForPreTraining:
    with tempfile.TemporaryDirectory(prefix="contrastive-") as folder:
        theirs.save_pretrained(folder)
        return Wav2Vec2ForPreTraining.from_pretrained(folder)


def their_gradients(theirs: torch.nn.Module) -> dict[str, np.ndarray]:
    """Returns gradients by our names and in our layout, converted as weights are."""
    carrier = copy.deepcopy(theirs)
    with torch.no_grad():
        for values, original in zip(carrier.parameters(), theirs.parameters(), strict=True):
            values.copy_(torch.zeros_like(values) if original.grad is None else original.grad)
    return {path_of(variable): variable.numpy() for variable in in_our_layout(carrier).weights}


def path_of(variable: keras.Variable) -> str:
    return variable.path.split("/", 1)[1]


def draw(
    frames: tuple[int, ...],
    entries: int,
    *,
    width: int = 0,
    seed: int = 0,
    targets: np.ndarray | None = None,
) -> Drawn:
    """Draws masked frames in each row, and negatives among them.

    Args:
        targets: (batch, frames, channels) of the same draw; negatives have others than their frame.
    """
    generator = np.random.default_rng(seed)
    shape = (len(frames), width or max(frames))
    noise = generator.gumbel(size=(*shape, CODEBOOKS, entries)).astype(np.float32)
    masked = generator.random(shape) < 0.6
    masked[:, :2] = True
    masked &= np.arange(shape[1]) < np.array(frames)[:, np.newaxis]
    negatives = np.zeros((*shape, NEGATIVES), np.int32)
    for row, frame in np.argwhere(masked):
        others = np.flatnonzero(masked[row])
        others = others[others != frame]
        if targets is not None:
            apart = np.abs(targets[row, others] - targets[row, frame]).max(axis=-1)
            others = others[apart > 1e-3]
        negatives[row, frame] = generator.choice(others, NEGATIVES)
    return Drawn(masked, negatives, noise)


def run_theirs(
    theirs: torch.nn.Module, speech: np.ndarray, drawn: Drawn, training: bool
) -> tuple[Any, Any]:
    """Returns transformers' outputs with their graph; only the noise is replaced."""
    rows, frames = drawn.masked.shape
    flat = drawn.negatives + np.arange(rows)[:, np.newaxis, np.newaxis] * frames
    flat[~drawn.masked] = 0
    exponential = torch.from_numpy(np.exp(-drawn.noise))  # transformers takes -log of such draws
    theirs.zero_grad()
    theirs.train(training)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.Tensor, "exponential_", lambda self: self.copy_(exponential.view_as(self))
        )
        outputs = theirs(
            torch.from_numpy(speech),
            mask_time_indices=torch.from_numpy(drawn.masked),
            sampled_negative_indices=torch.from_numpy(flat),
        )
    theirs.eval()
    return outputs


def run_ours(
    ours: Wav2Vec2ForPreTraining,
    speech: np.ndarray,
    lengths: np.ndarray | None,
    drawn: Drawn,
    training: bool,
    part: str = "loss",
    jit: bool = False,
) -> tuple[contrastive.PreTrainingLosses, dict[str, np.ndarray]]:
    """Returns the losses, and the gradient of one of them by variable."""
    objective, variables = PreTrainingObjective(ours), ours.trainable_variables

    def step(speech: tf.Tensor) -> tuple[contrastive.PreTrainingLosses, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            losses = objective.losses(speech, lengths, drawn.masked, drawn.negatives, training)
        values = [variable.value for variable in variables]
        return losses, tape.gradient(
            getattr(losses, part), values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours.quantizer, "gumbel_noise", lambda shape: tf.constant(drawn.noise))
        call = tf.function(step, jit_compile=True) if jit else step
        losses, gradients = call(tf.constant(speech))
    arrays = [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]
    return losses, dict(zip(map(path_of, variables), arrays, strict=True))


def assert_gradients_equal(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert set(got) <= set(wanted)
    left = [path for path in got if path.endswith(ZERO_BUT_FOR_ROUNDING)]
    assert left
    for path, gradient in got.items():
        if path in left:
            assert np.abs(gradient).max() < 1e-3
            continue
        largest = np.abs(wanted[path]).max()
        assert np.abs(gradient - wanted[path]).max() <= TOLERANCE * largest, path


# Parity with transformers


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_and_gradients_in_training_equal_pytorch(variant: str) -> None:
    """Checks draws in which no negative equals the entry of its frame.

    transformers' choice is 1 - p + p there, which is not always 1: where a negative is the same
    entry, its rounding decides whether it sees that.
    """
    ours, theirs = pair(variant)
    speech = reference.noise(3, 6500)
    frames = (reference.frames(6500),) * 3
    with torch.no_grad():
        first = run_theirs(theirs, speech, draw(frames, MANY), True)
    drawn = draw(frames, MANY, targets=first.projected_quantized_states.numpy())
    gradients = assert_equal(ours, theirs, speech, drawn, True)
    for path, values in gradients.items():
        assert np.abs(values).max() > 1e-2 or path.endswith(ZERO_BUT_FOR_ROUNDING), path


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_and_gradients_in_evaluation_equal_pytorch(variant: str) -> None:
    """Negatives that equal the entry of their frame are ignored."""
    ours, theirs = pair(variant, FEW)
    speech = reference.noise(3, 6500)
    drawn = draw((reference.frames(6500),) * 3, FEW)
    gradients = assert_equal(ours, theirs, speech, drawn, False)
    unreached = {path for path, values in gradients.items() if np.abs(values).max() < 1e-2}
    assert {path for path in unreached if not path.endswith(ZERO_BUT_FOR_ROUNDING)} == {
        "quantizer/weight_proj/kernel",  # argmax has no gradient
        "quantizer/weight_proj/bias",
    }
    targets = ours(speech, mask_time_indices=drawn.masked).projected_quantized_states.numpy()
    others = np.stack([row[chosen] for row, chosen in zip(targets, drawn.negatives, strict=True)])
    same = (others == targets[:, :, np.newaxis]).all(axis=-1)[drawn.masked]
    assert 0.05 < same.mean() < 0.9


def assert_equal(
    ours: Wav2Vec2ForPreTraining,
    theirs: torch.nn.Module,
    speech: np.ndarray,
    drawn: Drawn,
    training: bool,
) -> dict[str, np.ndarray]:
    """Compares all parts of the loss and its gradients; returns the gradients."""
    wanted = run_theirs(theirs, speech, drawn, training)
    wanted.loss.backward()
    got, gradients = run_ours(ours, speech, None, drawn, training)
    for part, whole in (
        (got.loss, wanted.loss),
        (got.contrastive, wanted.contrastive_loss),
        (got.diversity, wanted.diversity_loss),
        (got.perplexity, wanted.codevector_perplexity),
    ):
        assert float(part) == pytest.approx(whole.item(), rel=TOLERANCE)
    assert got.masked == drawn.masked.sum()
    assert_gradients_equal(gradients, their_gradients(theirs))
    return gradients


@pytest.mark.parametrize("variant", ["group", "layer"])
def test_ragged_batch_equals_pytorch_one_at_a_time(variant: str) -> None:
    """Compares the contrastive loss and its gradients; diversity is tested below."""
    ours, theirs = pair(variant)
    speeches = [reference.noise(samples, seed=samples) for samples in RAGGED]
    batch = reference.padded(speeches, 7000, np.nan)
    frames = tuple(reference.frames(samples) for samples in RAGGED)
    drawn = draw(frames, MANY, width=reference.frames(7000))
    got, gradients = run_ours(ours, batch, np.array(RAGGED), drawn, True, part="contrastive")
    total, expected = 0.0, dict.fromkeys(gradients, np.float32(0))
    for row, (speech, count) in enumerate(zip(speeches, frames, strict=True)):
        alone = Drawn(*(part[row : row + 1, :count] for part in drawn))
        outputs = run_theirs(theirs, speech[np.newaxis], alone, True)
        outputs.contrastive_loss.backward()
        total += outputs.contrastive_loss.item()
        for path, values in their_gradients(theirs).items():
            expected[path] = expected.get(path, 0) + values
    assert float(got.contrastive) == pytest.approx(total, rel=TOLERANCE)
    assert_gradients_equal(gradients, expected)
    assert got.masked == drawn.masked.sum()


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_padded_batch_is_the_sum_of_its_utterances(training: bool) -> None:
    ours, theirs = pair("layer")
    speeches = [reference.noise(samples, seed=samples) for samples in RAGGED]
    batch = reference.padded(speeches, 7000, np.nan)
    frames = tuple(reference.frames(samples) for samples in RAGGED)
    drawn = draw(frames, MANY, width=reference.frames(7000))
    together, gradients = run_ours(ours, batch, np.array(RAGGED), drawn, training)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    alone = [
        run_ours(
            ours,
            speech[np.newaxis],
            None,
            Drawn(*(part[row : row + 1, :count] for part in drawn)),
            training,
        )[0]
        for row, (speech, count) in enumerate(zip(speeches, frames, strict=True))
    ]
    for name in ("contrastive", "correct", "masked"):
        total = sum(float(getattr(losses, name)) for losses in alone)
        assert float(getattr(together, name)) == pytest.approx(total, rel=TOLERANCE)
    # The diversity loss is computed over all masked frames together.
    features = []
    with torch.no_grad():
        for speech in speeches:
            features.append(theirs.wav2vec2(torch.from_numpy(speech[np.newaxis])).extract_features)
        theirs.quantizer.train(training)
        chosen = np.concatenate(
            [masked[:count] for masked, count in zip(drawn.masked, frames, strict=True)]
        )
        _, perplexity = theirs.quantizer(
            torch.cat(features, dim=1), torch.from_numpy(chosen[np.newaxis])
        )
        theirs.quantizer.eval()
    wanted = (1 - perplexity.item() / (CODEBOOKS * MANY)) * drawn.masked.sum()
    assert float(together.diversity) == pytest.approx(wanted, rel=TOLERANCE)
    assert float(together.loss) == pytest.approx(
        float(together.contrastive) + 0.1 * wanted, rel=TOLERANCE
    )


def test_what_is_masked_beyond_a_row_does_not_count() -> None:
    ours, _ = pair("layer")
    speech = reference.padded([reference.noise(n, seed=n) for n in RAGGED], 7000, np.nan)
    frames = tuple(reference.frames(samples) for samples in RAGGED)
    drawn = draw(frames, MANY, width=reference.frames(7000))
    beyond = np.arange(drawn.masked.shape[1]) >= np.array(frames)[:, np.newaxis]
    wanted, _ = run_ours(ours, speech, np.array(RAGGED), drawn, True)
    more = drawn._replace(masked=drawn.masked | beyond)
    got, _ = run_ours(ours, speech, np.array(RAGGED), more, True)
    assert beyond.any()
    assert [float(part) for part in got] == [float(part) for part in wanted]


def test_compiled_with_its_gradient() -> None:
    ours, _ = pair("layer", shallow=True)
    speech = reference.padded([reference.noise(n, seed=n) for n in RAGGED], 6500, 0.0)
    drawn = draw(tuple(map(reference.frames, RAGGED)), MANY)
    wanted, expected = run_ours(ours, speech, np.array(RAGGED), drawn, True)
    got, gradients = run_ours(ours, speech, np.array(RAGGED), drawn, True, jit=True)
    for part, their_part in zip(got, wanted, strict=True):
        assert float(part) == pytest.approx(float(their_part), rel=TOLERANCE)
    assert_gradients_equal(gradients, expected)


# The loss by itself


def test_contrastive_loss_is_equation_3() -> None:
    targets = reference.noise(2, 6, 5)
    states = targets + reference.noise(2, 6, 5, seed=1)
    targets[0, 4] = targets[0, 1]  # the same entry: not negatives of each other
    masked = np.array([[0, 1, 0, 1, 1, 1], [1, 1, 0, 0, 0, 0]], bool)
    negatives = np.zeros((2, 6, 3), np.int32)
    negatives[0, [1, 3, 4, 5]] = [[4, 3, 3], [1, 4, 5], [1, 1, 1], [3, 1, 4]]
    negatives[1, [0, 1]] = [[1, 1, 1], [0, 0, 0]]
    total, correct = 0.0, 0
    for row, frame in np.argwhere(masked):
        mine = targets[row, frame]
        them = [targets[row, other] for other in negatives[row, frame]]
        kept = [mine, *(vector for vector in them if (vector != mine).any())]
        state = states[row, frame].astype(np.float64)
        cosines = [state @ v / np.linalg.norm(state) / np.linalg.norm(v) for v in kept]
        powers = np.exp(np.array(cosines) / 0.2)
        total -= np.log(powers[0] / powers.sum())
        correct += len(kept) > 1 and cosines[0] > max(cosines[1:])
    loss, right = contrastive.contrastive_loss(states, targets, masked, negatives, 0.2)
    assert float(loss) == pytest.approx(total, rel=1e-5)
    assert float(right) == correct
    assert 0 < correct < masked.sum()


def test_no_frame_is_correct_with_a_collapsed_codebook() -> None:
    targets = np.ones((1, 4, 3), np.float32)
    masked, negatives = np.ones((1, 4), bool), np.zeros((1, 4, 2), np.int32)
    loss, correct = contrastive.contrastive_loss(
        reference.noise(1, 4, 3), targets, masked, negatives, 0.1
    )
    assert (float(loss), float(correct)) == (0, 0)


def test_a_tie_with_a_negative_is_not_correct() -> None:
    states = np.ones((1, 2, 2), np.float32)
    targets = np.array([[[3, 4], [6, 8]]], np.float32)  # two entries of the same direction
    masked, negatives = np.ones((1, 2), bool), np.array([[[1], [0]]], np.int32)
    loss, correct = contrastive.contrastive_loss(states, targets, masked, negatives, 0.1)
    assert (float(loss), float(correct)) == (pytest.approx(2 * np.log(2)), 0)


def test_vectors_of_nothing_give_no_nan() -> None:
    states, targets = tf.zeros([1, 3, 4]), tf.constant(reference.noise(1, 3, 4))
    masked, negatives = tf.constant([[True, True, False]]), tf.constant([[[1], [0], [0]]])
    with tf.GradientTape() as tape:
        tape.watch([states, targets])
        loss, _ = contrastive.contrastive_loss(states, targets, masked, negatives, 0.1)
    assert float(loss) == pytest.approx(2 * np.log(2))
    assert all(np.isfinite(g).all() for g in tape.gradient(loss, [states, targets]))


@pytest.mark.parametrize(
    ("dtype", "rounding"), [("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 4e-3)]
)
def test_one_entry_is_the_same_wherever_it_stands(dtype: str, rounding: float) -> None:
    """A matrix product may round equal rows differently, by a unit in the last place of a value.

    At the published width.
    """
    books, weights = reference.noise(7, 256), reference.noise(256, 256, seed=1)
    codes = np.random.default_rng(0).integers(7, size=(3, 101))
    exact = (books @ weights)[codes]
    rounded = tf.cast(exact * (1 + rounding * reference.noise(*exact.shape).clip(-1, 1)), dtype)
    negatives = np.broadcast_to(np.arange(101, dtype=np.int32), (3, 101, 101))
    same = contrastive.same_entries(rounded, tf.constant(negatives))
    np.testing.assert_array_equal(same, codes[:, :, None] == codes[:, None])


@pytest.mark.parametrize(("perplexity", "wanted"), [(640.0, 0.0), (2.0, 638 / 640), (320.0, 0.5)])
def test_diversity_loss(perplexity: float, wanted: float) -> None:
    assert float(contrastive.diversity_loss(tf.constant(perplexity), 640)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("step", "options", "wanted"),
    [
        (0, {}, 2.0),
        (1, {}, 1.99999),
        (100_000, {}, 2 * np.exp(100_000 * np.log(0.999995))),
        (277_258, {}, 2 * np.exp(277_258 * np.log(0.999995))),  # the last above the least
        (277_259, {}, 0.5),
        (10**7, {}, 0.5),
        (10**7, {"end": 0.1}, 0.1),
        (3, {"start": 1.0, "end": 0.1, "decay": 0.5}, 0.125),
        (4, {"start": 1.0, "end": 0.1, "decay": 0.5}, 0.1),
    ],
)
def test_gumbel_temperature(step: int, options: dict[str, float], wanted: float) -> None:
    assert contrastive.gumbel_temperature(step, **options) == pytest.approx(wanted, rel=1e-6)


# Negatives


@pytest.mark.parametrize("jit", [False, True])
def test_negatives_are_other_masked_frames_of_the_row(jit: bool) -> None:
    masked = np.random.default_rng(0).random((6, 50)) < 0.3
    masked[2], masked[3], masked[3, 7] = False, False, True  # no masked frame, and a single one
    masked[4], masked[5], masked[5, [0, 49]] = True, False, True
    seed = keras.random.SeedGenerator(0)
    call = tf.function(lambda values: sample_negatives(values, 20, seed), jit_compile=jit)
    negatives = call(tf.constant(masked)).numpy()
    assert negatives.shape == (6, 50, 20)
    assert negatives.dtype == np.int32
    assert negatives.min() >= 0
    assert negatives.max() < 50
    for row in (0, 1, 4, 5):
        for frame in np.flatnonzero(masked[row]):
            assert masked[row, negatives[row, frame]].all()
            assert (negatives[row, frame] != frame).all()
    assert (negatives[5, 0] == 49).all()
    assert (negatives[5, 49] == 0).all()
    assert (call(tf.constant(masked)) != negatives).numpy()[4].mean() > 0.9  # drawn again


def test_negatives_are_uniform_and_independent() -> None:
    """Checks Pearson's statistic of every frame against nine equally likely places."""
    draws = 9000
    places = np.array([0, 1, 4, 5, 6, 10, 17, 18, 28, 29])
    masked = np.zeros((1, 30), bool)
    masked[0, places] = True
    negatives = sample_negatives(tf.constant(masked), draws, keras.random.SeedGenerator(3)).numpy()
    expected = draws / (len(places) - 1)
    for frame in places:
        counts = np.bincount(negatives[0, frame], minlength=30)
        assert counts[frame] == 0
        counts = counts[places[places != frame]]
        assert counts.sum() == draws
        assert ((counts - expected) ** 2 / expected).sum() < 26.1  # 8 degrees of freedom: 0.1 %
    same = (negatives[0, 0] == negatives[0, 29]).mean()  # 8 places that both may draw
    assert abs(same - 8 / 81) < 0.02


def test_equal_seeds_draw_equal_negatives() -> None:
    masked = tf.ones([2, 30], tf.bool)
    one, other = (sample_negatives(masked, 9, keras.random.SeedGenerator(4)) for _ in range(2))
    assert (one == other).numpy().all()
    assert (one[0] != one[1]).numpy().any()


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_negatives_of_nothing(shape: tuple[int, int]) -> None:
    negatives = sample_negatives(tf.zeros(shape, tf.bool), 4, keras.random.SeedGenerator(0))
    assert negatives.shape == (*shape, 4)


# The objective


def sums(ours: Wav2Vec2ForPreTraining, *rows: int, training: bool = True, **options: Any) -> Any:
    """Returns the sums of a batch of noise with these lengths, padded with NaN."""
    speech = reference.padded([reference.noise(n, seed=n) for n in rows], 9000, np.nan)
    inputs = {"speech": tf.constant(speech), "lengths": tf.constant(rows, tf.int32)}
    return PreTrainingObjective(ours, **options).sums(inputs, None, training)


def test_sums_are_of_the_masked_frames() -> None:
    ours, _ = pair("layer", FEW)
    got = {name: float(value) for name, value in sums(ours, 9000, 7000, 5000).items()}
    assert set(got) == {"loss", "weight", "contrastive", "diversity", "accuracy", "perplexity"}
    assert 0 < got["accuracy"] < got["weight"] < 27 + 21 + 15
    assert got["loss"] == pytest.approx(got["contrastive"] + 0.1 * got["diversity"])
    perplexity = got["perplexity"] / got["weight"]
    assert 2 < perplexity < CODEBOOKS * FEW
    assert got["diversity"] == pytest.approx(got["weight"] * (1 - perplexity / (2 * FEW)))


def test_temperature_falls_from_step_to_step() -> None:
    ours, _ = pair("group")
    falling = {"start_temperature": 1.0, "end_temperature": 0.3, "temperature_decay": 0.5}
    for options, step, wanted in ((falling, 1, 0.5), (falling, 2, 0.3), ({}, 0, 2.0)):
        PreTrainingObjective(ours, **options).at_step(step)
        assert float(ours.quantizer.temperature) == pytest.approx(wanted)


def test_half_of_the_frames_are_masked() -> None:
    """Section 4.2: spans of 10 that start at 6.5 % of the frames mask 49 % of them."""
    speech = tf.zeros([1, 400 + 320 * 1499])
    seen = []

    class Watched(PreTrainingObjective):
        def losses(self, speech: Any, lengths: Any, masked: Any, *others: Any) -> Any:
            seen.append(masked.numpy())
            nothing = tf.zeros(())
            return contrastive.PreTrainingLosses(*[nothing] * 6)

    objective = Watched(pair("layer")[0])
    for _ in range(40):
        objective.sums({"speech": speech, "lengths": tf.constant([480_080])}, None, True)
    assert seen[0].shape == (1, 1500)
    assert abs(np.mean(seen) - 0.49) < 0.01
    assert len({mask.tobytes() for mask in seen}) == 40


def test_training_draws_again_and_evaluation_does_not() -> None:
    ours, _ = pair("group")
    rows = (9000, 6000)
    ours.base_model.seed_generator.state.assign([1, 2])
    ours.quantizer.seed_generator.state.assign([3, 4])
    first, second = (float(sums(ours, *rows)["loss"]) for _ in range(2))
    calm = [float(sums(ours, *rows, training=False)["loss"]) for _ in range(2)]
    ours.base_model.seed_generator.state.assign([1, 2])
    ours.quantizer.seed_generator.state.assign([3, 4])
    assert first != second
    assert float(sums(ours, *rows)["loss"]) == first
    assert calm[0] == calm[1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rows", [(), (0,), (0, 0), (399,), (400,), (0, 9000, 300), (720, 0)])
def test_rows_without_negatives_add_no_loss(rows: tuple[int, ...], training: bool) -> None:
    """Covers no row, no speech, less than a frame, one frame and two frames."""
    ours, _ = pair("group", FEW)
    one_frame = {"mask_time_prob": 1.0, "mask_time_length": 1}
    objective = PreTrainingObjective(ours, **one_frame)
    speech = reference.padded([reference.noise(n, seed=n) for n in rows], 9000, np.nan)
    inputs = {"speech": tf.constant(speech), "lengths": tf.constant(rows, tf.int32)}
    with tf.GradientTape() as tape:
        got = objective.sums(inputs, None, training)
    values = [variable.value for variable in ours.trainable_variables]
    gradients = [g for g in tape.gradient(got["loss"], values) if g is not None]
    assert gradients
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients)
    assert all(np.isfinite(value) for value in got.values())
    frames = [reference.frames(samples) for samples in rows]
    assert got["weight"] == sum(count for count in frames if count > 1)
    if not got["weight"]:
        assert all(float(value) == 0 for value in got.values())
        assert all(np.abs(tf.convert_to_tensor(g)).max() == 0 for g in gradients)


def test_speech_without_a_frame() -> None:
    ours, _ = pair("group", FEW)
    inputs = {"speech": tf.zeros([2, 300]), "lengths": tf.constant([300, 0])}
    got = PreTrainingObjective(ours).sums(inputs, None, True)
    assert all(float(value) == 0 for value in got.values())


def test_an_empty_row_changes_nothing() -> None:
    ours, _ = pair("group", FEW)
    wanted = sums(ours, 9000, training=False)
    got = sums(ours, 9000, 0, training=False)
    for name, value in wanted.items():
        assert float(got[name]) == pytest.approx(float(value), rel=1e-5), name


def test_sums_in_a_graph() -> None:
    ours, _ = pair("layer", FEW)
    objective = PreTrainingObjective(ours)
    speech = reference.padded([reference.noise(n, seed=n) for n in (9000, 6000)], 9000, np.nan)
    inputs = {"speech": tf.constant(speech), "lengths": tf.constant([9000, 6000])}
    shapes = {"speech": tf.TensorSpec([None, None]), "lengths": tf.TensorSpec([None], tf.int32)}
    run = tf.function(lambda inputs: objective.sums(inputs, None, False), input_signature=[shapes])
    wanted = objective.sums(inputs, None, False)
    for name, value in run(inputs).items():
        assert float(value) == pytest.approx(float(wanted[name]), rel=TOLERANCE), name


@pytest.mark.parametrize("training", [True, False])
def test_sums_are_drawn_in_compiled_functions(training: bool) -> None:
    ours, _ = pair("layer", FEW, shallow=True)
    objective = PreTrainingObjective(ours)
    run = tf.function(lambda inputs: objective.sums(inputs, None, training), jit_compile=True)
    speech = reference.padded([reference.noise(n, seed=n) for n in (9000, 6000)], 9000, np.nan)
    inputs = {"speech": tf.constant(speech), "lengths": tf.constant([9000, 6000])}
    one, other = (run(inputs) for _ in range(2))
    assert 0 < float(one["accuracy"]) < float(one["weight"]) < 27 + 18
    assert (float(one["loss"]) == float(other["loss"])) == (not training)


@pytest.mark.bfloat16
def test_half_precision() -> None:
    whole, _ = pair("layer", FEW)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = Wav2Vec2ForPreTraining(whole.config)
        half.build()
    finally:
        keras.config.set_dtype_policy("float32")
    for variable, values in zip(half.weights, whole.weights, strict=True):
        variable.assign(values)
    got, wanted = (sums(model, 9000, 6000, training=False) for model in (half, whole))
    assert all(value.dtype == tf.float32 for value in got.values())
    assert got["weight"] == wanted["weight"]
    assert float(got["loss"]) == pytest.approx(float(wanted["loss"]), rel=0.1)


def test_the_objective_can_be_learned() -> None:
    """The corpus repeats four tones, so the frames around a masked tone determine it."""
    config = Wav2Vec2Config(
        conv_dim=(16, 16),
        conv_kernel=(20, 20),
        conv_stride=(20, 20),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=4,
        codevector_dim=8,
        proj_codevector_dim=16,
        num_codevectors_per_group=4,
        hidden_size=24,
        intermediate_size=48,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_negatives=5,
        **STILL,
    )
    keras.utils.set_random_seed(0)
    model = Wav2Vec2ForPreTraining(config)
    model.build()
    objective = PreTrainingObjective(
        model, mask_time_prob=0.3, mask_time_length=2, temperature_decay=0.99
    )
    optimizer = keras.optimizers.Adam(3e-3)
    optimizer.build(model.trainable_variables)
    tones = np.sin(np.outer([0.05, 0.2, 0.6, 1.5], np.arange(1600)))
    turns = (np.arange(8)[:, np.newaxis] + np.arange(6)) % 4
    speech = tones[turns].reshape(8, 9600)
    speech += np.random.default_rng(0).normal(0, 0.1, speech.shape)
    inputs = {"speech": tf.constant(speech, tf.float32), "lengths": tf.fill([8], 9600)}

    @tf.function
    def step() -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            got = objective.sums(inputs, None, True)
            loss = got["loss"] / got["weight"]
        values = [variable.value for variable in model.trainable_variables]
        optimizer.apply(tape.gradient(loss, values), model.trainable_variables)
        return {name: value / got["weight"] for name, value in got.items()}

    history = []
    for number in range(90):
        objective.at_step(number)
        history.append(step())
    first, last = (
        {name: np.mean([float(means[name]) for means in part]) for name in history[0]}
        for part in (history[:10], history[-10:])
    )
    assert first["accuracy"] < 0.4
    assert last["accuracy"] > 0.75
    assert last["contrastive"] < first["contrastive"] / 2
    assert first["perplexity"] < last["perplexity"] < 8


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (UniSpeechConfig(), {}, "contrastive objective of wav2vec 2.0, got unispeech"),
        (UniSpeechSatConfig(), {}, "contrastive objective of wav2vec 2.0, got unispeech-sat"),
        (Wav2Vec2Config(apply_spec_augment=False), {}, "apply_spec_augment must be true"),
        (Wav2Vec2Config(mask_time_prob=0.0), {}, "mask_time_prob above 0"),
        (Wav2Vec2Config(add_adapter=True), {}, "add_adapter must be false"),
        (Wav2Vec2Config(), {"mask_time_prob": 0.0}, "mask_time_prob must be above 0"),
        (Wav2Vec2Config(), {"mask_time_prob": 1.5}, "mask_time_prob must be above 0"),
        (Wav2Vec2Config(), {"mask_time_length": 0}, "mask_time_length must be at least 1"),
        (Wav2Vec2Config(), {"mask_time_min_masks": -1}, "mask_time_min_masks must be 0 or more"),
        (Wav2Vec2Config(), {"end_temperature": 0.0}, "at most start_temperature, got 0.0 and 2.0"),
        (
            Wav2Vec2Config(),
            {"start_temperature": 0.4},
            "start_temperature, got 0.5 and 0.4",
        ),
        (Wav2Vec2Config(), {"temperature_decay": 1.01}, "temperature_decay must be above 0"),
    ],
)
def test_what_has_no_such_objective_is_refused(
    config: Any, options: dict[str, Any], message: str
) -> None:
    model = Wav2Vec2ForPreTraining.skeleton(config)
    with pytest.raises(UserError, match=message):
        PreTrainingObjective(model, **options)
