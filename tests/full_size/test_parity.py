"""The published sizes with random weights, every one perturbed, against PyTorch in float32."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import reference

from convert.verify import our_parts
from wav2vec2_tf import AutoModelForCTC
from wav2vec2_tf.audio import load, normalize

pytestmark = pytest.mark.full_size
TOLERANCE = 1e-4


class Pair(NamedTuple):
    theirs: Any
    ours: Any
    layer_norm: bool


@pytest.fixture(scope="module", params=reference.PUBLISHED)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A model of one published size, in PyTorch and here; freed before the next is made."""
    folder = tmp_path_factory.mktemp(request.param)
    config = reference.published_config(request.param)
    theirs = reference.perturbed_model(config, least=0.01)
    reference.save_checkpoint(theirs, folder)
    theirs.set_attn_implementation("eager")
    ours = AutoModelForCTC.from_pretrained(folder)
    for path in folder.iterdir():
        path.unlink()
    yield Pair(theirs, ours, config.feat_extract_norm == "layer")
    del theirs, ours
    gc.collect()


@pytest.fixture(scope="module")
def speeches(audio_folder: Path) -> list[np.ndarray]:
    """Real and random speech of several lengths, each normalised."""
    real = [load(audio_folder / name) for name in ("librispeech_sample.flac", "jfk.flac")]
    return [
        normalize(real[0]),
        normalize(real[1][:50_001]),
        reference.noise(400),
        reference.noise(30_480),
    ]


def assert_equal(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal within the tolerance, to the token where the reference is sure; prints the figure."""
    assert got.shape == wanted.shape
    largest = np.abs(got.astype(np.float64) - wanted).max()
    print(f"max |Δ| {largest:.1e} over {wanted.size} logits of at most {np.abs(wanted).max():.1f}")
    assert largest <= TOLERANCE
    assert reference.argmax_flips(wanted, got, TOLERANCE) == 0


def test_one_utterance_at_a_time(pair: Pair, speeches: list[np.ndarray]) -> None:
    for speech in speeches:
        wanted = reference.run(pair.theirs, speech[np.newaxis])
        assert wanted.std() > 0.1
        assert_equal(pair.ours(speech[np.newaxis]).numpy(), wanted)


def test_parts(pair: Pair, speeches: list[np.ndarray]) -> None:
    for speech in (speeches[1], speeches[3]):
        wanted = reference.parts(pair.theirs, speech[np.newaxis])
        got = our_parts(pair.ours.wav2vec2, speech[np.newaxis])
        assert set(got) == set(wanted)
        for part, values in wanted.items():
            scale = max(1.0, float(np.abs(values).max()))
            assert np.abs(got[part] - values).max() <= TOLERANCE * scale, part


def test_ragged_batch(pair: Pair, speeches: list[np.ndarray]) -> None:
    """With lengths: PyTorch on each utterance alone, and with its mask where that is exact."""
    lengths = np.array([len(speech) for speech in speeches])
    width = int(lengths.max()) + 5000
    batch = reference.padded(speeches, width, 0.0)
    noisy = reference.padded(speeches, width, np.nan)
    got = pair.ours(noisy, lengths).numpy()
    assert np.isfinite(got).all()
    masked = None
    if pair.layer_norm:
        mask = (np.arange(width) < lengths[:, np.newaxis]).astype(np.int64)
        masked = reference.run(pair.theirs, batch, mask)
    for index, speech in enumerate(speeches):
        count = reference.frames(len(speech))
        assert_equal(got[index, :count], reference.run(pair.theirs, speech[np.newaxis])[0])
        if masked is not None:
            assert_equal(got[index, :count], masked[index, :count])


def test_padded_batch_without_lengths(pair: Pair, speeches: list[np.ndarray]) -> None:
    """As the published fixed-length models run: padding counts."""
    batch = reference.padded([speeches[1], speeches[3]], 80_000, 0.0)
    assert_equal(pair.ours(batch).numpy(), reference.run(pair.theirs, batch))
