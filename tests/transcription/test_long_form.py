"""Long recordings in windows: the joined result equals one pass, wherever the cuts are."""

from __future__ import annotations

import dataclasses
import io
import json
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval import long_form as comparison
from eval.__main__ import main as measure
from tests.support.paths import CORPUS
from wav2vec2_tf import audio
from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.text import ctc
from wav2vec2_tf.transcription import long_form
from wav2vec2_tf.transcription.long_form import Recording, Windows
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal

STRIDE, RATE = 320, 16000
VOCABULARY, BLANK, DELIMITER = 32, 0, 4


class Reader:
    """A model that reads the token of each frame from its samples, so the words are known.

    Like a real one, it is unsure of the time of a character, by a frame, otherwise in every window;
    and its tokens within `noisy` frames of a cut are random.
    """

    def __init__(self, jitter: int = 0, noisy: int = 0) -> None:
        self.jitter, self.noisy = jitter, noisy
        self.computed: list[np.ndarray] = []

    def __call__(self, speech: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        return np.stack([self.row(row, len(self.computed)) for row in speech])

    def row(self, speech: np.ndarray, seed: int) -> np.ndarray:
        self.computed.append(speech)
        random = np.random.default_rng(seed)
        frames = (len(speech) - 400) // STRIDE + 1
        tokens = speech[: frames * STRIDE : STRIDE].round().astype(int)
        moved = np.zeros(frames, int)
        for at in np.flatnonzero(tokens):
            place = at + random.integers(-self.jitter, self.jitter + 1)
            moved[min(max(place, 0), frames - 1)] = tokens[at]
        for edge in (slice(0, self.noisy), slice(frames - self.noisy, frames)):
            moved[edge] = random.integers(5, VOCABULARY, len(moved[edge]))
        logits = np.zeros((frames, VOCABULARY), np.float32)
        logits[np.arange(frames), moved] = 8
        return logits


def reading(recognizer: Recognizer, reader: Reader, **fields: Any) -> Recognizer:
    return dataclasses.replace(recognizer, logits=reader, do_normalize=False, **fields)


def spoken(seed: int, frames: int, ends: int = 0) -> tuple[np.ndarray, list[list[int]]]:
    """Returns speech in which `Reader` reads words, and their tokens; its ends are silent."""
    random = np.random.default_rng(seed)
    tokens = np.zeros(frames, int)
    words: list[list[int]] = []
    at = ends + 2
    while True:
        letters = random.integers(5, VOCABULARY, random.integers(1, 8)).tolist()
        places = at + np.cumsum(random.integers(4, 9, len(letters)))
        delimiter = places[-1] + random.integers(4, 9)
        if delimiter >= frames - ends - 2:
            break
        tokens[places], tokens[delimiter] = letters, DELIMITER
        words.append(letters)
        at = delimiter + random.integers(0, 25)
    speech = np.repeat(tokens, STRIDE).astype(np.float32)
    return np.append(speech, np.zeros(100, np.float32)), words


def text_of(words: list[list[int]], recognizer: Recognizer) -> str:
    return " ".join("".join(recognizer.alphabet.tokens[token] for token in word) for word in words)


# Positions and seams of windows


@given(
    samples=st.integers(400, 400_000),
    seconds=st.floats(1, 12),
    overlap=st.floats(0, 8),
    first=st.integers(0, 50),
)
def test_windows_cover_a_recording(
    bundled_recognizer: Recognizer, samples: int, seconds: float, overlap: float, first: int
) -> None:
    windows = Windows(seconds, overlap)
    start = first * STRIDE
    cuts = windows.cut((start, start + samples), bundled_recognizer)
    length = windows.length(bundled_recognizer)
    assert cuts[0][0] == start
    frames = bundled_recognizer.config.frame_length
    assert all((begin - start) % STRIDE == 0 and end - begin <= length for begin, end in cuts)
    last, end = cuts[-1]
    assert (last - start) // STRIDE + frames(end - last) == frames(samples)
    for (one, one_end), (other, _) in pairwise(cuts):
        assert one_end - one == length
        shared = one // STRIDE + frames(length) - other // STRIDE
        assert shared >= min(round(overlap * 50), frames(length) // 2)
    if len(cuts) > 1:  # no more windows than needed
        step = frames(length) - min(round(overlap * 50), frames(length) // 2)
        assert (len(cuts) - 2) * step + frames(length) < frames(samples)


def test_windows_worked_by_hand(bundled_recognizer: Recognizer) -> None:
    windows = Windows(2, 1)  # 99 frames each, of which no more than half are shared
    assert windows.cut((0, 32_000), bundled_recognizer) == [(0, 32_000)]
    assert windows.cut((0, 32_079), bundled_recognizer) == [(0, 32_000)]  # no frame more
    assert windows.cut((0, 32_080), bundled_recognizer) == [(0, 32_000), (320, 32_080)]
    start, end = 640, 640 + 63_760  # 199 frames: twice 50 after the first 99
    wanted = [(start, start + 32_000), (start + 16_000, start + 48_000), (start + 32_000, end)]
    assert windows.cut((start, end), bundled_recognizer) == wanted
    fixed = dataclasses.replace(bundled_recognizer, fixed_length=32_000)
    assert Windows(30).cut((0, 40_000), fixed)[1][0] < 32_000
    for seconds in (0.5, 121.0, float("nan")):
        with pytest.raises(UserError, match="1 to 120 s"):
            Windows(seconds).length(bundled_recognizer)


def test_batches() -> None:
    def batches(*lengths: int) -> list[list[int]]:
        windows = Windows(batch_seconds=10)
        return [list(batch) for batch in windows.batches(second * RATE for second in lengths)]

    assert batches() == []
    assert batches(30) == [[0]]
    assert batches(5, 5, 5) == [[0, 1], [2]]
    assert batches(1, 2, 5, 6, 30, 1) == [[0, 1], [2], [3], [4], [5]]
    assert batches(1, 1, 3, 4) == [[0, 1, 2], [3]]


def test_a_seam_comes_where_windows_agree() -> None:
    """Tokens one frame apart are neither repeated nor lost, even in the middle of the overlap."""
    left, right = np.zeros((100, 5), np.float32), np.zeros((100, 5), np.float32)
    for logits, spikes in ((left, (48, 58)), (right, (49, 57))):
        logits[:, 0] = 9
        for spike in spikes:
            logits[spike, [0, 2]] = 0, 9
    cut = long_form.seam(left, right)
    assert 25 <= cut <= 75
    assert not 38 < cut < 69  # ten frames away from where they differ
    assert long_form.seam(left, left) == 50  # the middle, where all frames agree
    for few in range(4):
        assert 0 <= long_form.seam(left[:few], right[:few]) <= few


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(1, 2500),
    seconds=st.floats(2, 40),
    overlap=st.floats(0, 10),
    batch=st.floats(0.1, 60),
)
def test_joined_logits_are_those_of_one_pass(
    bundled_recognizer: Recognizer,
    seed: int,
    frames: int,
    seconds: float,
    overlap: float,
    batch: float,
) -> None:
    """Equal to the bit, for a model that sees one frame at a time."""
    recognizer = reading(bundled_recognizer, Reader())
    speech, _ = spoken(seed, frames)
    wanted = Reader().row(speech, 0)
    windows = Windows(seconds, overlap, batch)
    got = np.concatenate(list(long_form.logits(recognizer, speech, windows)))
    np.testing.assert_array_equal(got, wanted)
    logs = long_form.log_probabilities(recognizer, speech, windows)
    np.testing.assert_allclose(np.exp(logs).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("takes_lengths", [True, False])
@pytest.mark.parametrize("frames", [1, 100, 149, 150, 151, 1000])
def test_models_of_fixed_length_take_windows_of_it(
    bundled_recognizer: Recognizer, frames: int, takes_lengths: bool
) -> None:
    reader = Reader()
    fixed: dict[str, Any] = {"fixed_length": 48_000, "takes_lengths": takes_lengths}
    recognizer = reading(bundled_recognizer, reader, **fixed)
    speech, _ = spoken(frames, frames)
    got = np.concatenate(list(long_form.logits(recognizer, speech)))
    assert {len(window) for window in reader.computed} == {48_000}
    np.testing.assert_array_equal(got, Reader().row(speech, 0))


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(400, 4000),
    seconds=st.floats(10, 40),
    silence=st.integers(0, 1500),
)
@example(seed=139_803, frames=785, seconds=14.0, silence=1455)  # lost the H of "HK" once
def test_no_word_is_lost_doubled_or_cut(
    bundled_recognizer: Recognizer, seed: int, frames: int, seconds: float, silence: int
) -> None:
    """Holds for a model that times characters differently in each window and errs next to cuts."""
    recognizer = reading(bundled_recognizer, Reader(jitter=1, noisy=40))
    speech, words = spoken(seed, frames, ends=45)
    speech = np.append(np.zeros(silence * STRIDE, np.float32), speech)  # moves the cuts
    windows = Windows(seconds)
    blocks = [ctc.BestPath.of(block) for block in long_form.logits(recognizer, speech, windows)]
    tokens = np.concatenate([path.tokens for path in blocks])
    tokens[:40] = tokens[len(tokens) - 40 :] = BLANK  # random at the ends, where there are no words
    path = ctc.BestPath(tokens, np.ones(len(tokens), np.float32))
    assert ctc.transcript(path, bundled_recognizer.alphabet, 0.02).text == text_of(
        words, bundled_recognizer
    )


# Recordings


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 10**6))
def test_mean_and_variance_do_not_depend_on_blocks(sizes: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    blocks = [(3 + random.normal(0, 0.1, size)).astype(np.float32) for size in sizes]
    recording = Recording.measured("speech", lambda: iter(blocks))
    speech = np.concatenate([np.zeros(0, np.float32), *blocks]).astype(np.float64)
    assert recording.samples == len(speech)
    if len(speech):
        assert recording.mean == pytest.approx(speech.mean(), rel=1e-12)
        assert recording.variance == pytest.approx(speech.var(), rel=1e-6, abs=1e-15)
        assert recording.digest == Recording.of(speech.astype(np.float32)).digest


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=10),
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60)), max_size=6),
)
def test_spans_are_read_from_blocks(sizes: list[int], drawn: list[tuple[int, int]]) -> None:
    speech = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(speech, np.cumsum(sizes)[:-1])
    recording = Recording("a", lambda: iter(blocks), len(speech), 0.0, 1.0, "")
    read = recording.reader()
    for start, length in sorted(drawn):
        if start + length > len(speech):
            with pytest.raises(UserError, match="a: was changed"):
                read((start, start + length))
            break
        np.testing.assert_array_equal(read((start, start + length)), speech[start : start + length])


def test_speech_is_normalized_over_the_whole_recording(
    bundled_recognizer: Recognizer, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    speech = np.concatenate(
        [random.normal(0.1, scale, 16000 * 70) for scale in (0.2, 0.001)]
    ).astype(np.float32)
    path = tmp_path / "loud-and-quiet.wav"
    soundfile.write(path, speech, RATE, subtype="FLOAT")
    reader = Reader()
    recognizer = dataclasses.replace(bundled_recognizer, logits=reader, do_normalize=True)
    wanted = audio.normalize(speech)
    content = path.read_bytes()
    for source in (path, speech, content, io.BytesIO(content)):
        reader.computed.clear()
        long_form.log_probabilities(recognizer, source)
        assert len(reader.computed) == 12
        for window, (start, end) in zip(
            reader.computed, Windows().cut((0, len(speech)), bundled_recognizer), strict=True
        ):
            np.testing.assert_allclose(window, wanted[start:end], atol=1e-5)


def test_an_hour_takes_bounded_memory(bundled_recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(60):
            file.write(np.zeros(RATE * 60, np.float32))
    reader = Reader()
    reader.computed = Unkept()
    times: list[float] = []
    tracemalloc.start()
    transcript = long_form.transcribe(
        reading(bundled_recognizer, reader), path, progress=times.append
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert transcript.text == ""
    assert times == sorted(times)
    assert times[-1] == 3600
    assert peak < 60e6  # a quarter of the samples' memory


class Unkept(list):
    def append(self, _: object) -> None: ...


def test_what_is_too_short_or_no_audio(bundled_recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="399 samples are too few"):
        long_form.transcribe(bundled_recognizer, np.zeros(399, np.float32))
    with pytest.raises(UserError, match="have samples"):
        long_form.transcribe(bundled_recognizer, np.zeros(0, np.float32))
    with pytest.raises(UserError, match="no such file"):
        long_form.transcribe(bundled_recognizer, tmp_path / "none.wav")


# Pauses


def test_spans_are_computed_and_what_is_between_is_blank(bundled_recognizer: Recognizer) -> None:
    """Text and times are those of the whole; words before and after a pause stay separate."""
    recognizer = reading(bundled_recognizer, Reader())
    tokens = np.zeros(1000, int)
    tokens[[100, 110, 600, 950]] = 5, 6, 7, 8  # no delimiter anywhere
    speech = np.repeat(tokens, STRIDE).astype(np.float32)
    spans = [(90 * STRIDE, 130 * STRIDE), (580 * STRIDE, 620 * STRIDE)]
    transcript = long_form.transcribe(recognizer, speech, spans=spans)
    letter = recognizer.alphabet.tokens
    assert [word.text for word in transcript.words] == [letter[5] + letter[6], letter[7]]
    assert [word.start for word in transcript.words] == [2.0, 12.0]
    silent = long_form.transcribe(recognizer, speech, spans=[])
    assert silent.text == ""
    logs = long_form.log_probabilities(recognizer, speech, spans=spans)
    assert logs.shape == (999, VOCABULARY)
    assert np.isfinite(logs).all()


# Many recordings at once


def test_short_recordings_are_batched_by_length_with_the_results_of_each_alone(
    bundled_recognizer: Recognizer,
) -> None:
    files = sorted(CORPUS.rglob("*.flac"), key=lambda file: file.name[::-1])[:6]
    recordings = [Recording.of(file) for file in files]
    windows = Windows(batch_seconds=12)
    together = dict(long_form.transcribe_each(bundled_recognizer, recordings, windows))
    assert sorted(together) == list(range(6))
    order = list(dict(long_form.transcribe_each(bundled_recognizer, recordings, windows)))
    lengths = [recordings[index].samples for index in order]
    assert lengths == sorted(lengths)
    for index, file in enumerate(files):
        (alone,) = bundled_recognizer.transcribe([audio.load(file)])
        assert together[index].text == alone.text
        for word, other in zip(together[index].words, alone.words, strict=True):
            assert (word.start, word.end) == (other.start, other.end)
            assert word.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_a_decoder_gets_log_probabilities(bundled_recognizer: Recognizer) -> None:
    given_: list[tuple[np.ndarray, float]] = []

    def decoder(log_probabilities: np.ndarray, seconds_per_frame: float) -> long_form.Transcript:
        given_.append((log_probabilities, seconds_per_frame))
        return long_form.Transcript("RESULT", ())

    recognizer = reading(bundled_recognizer, Reader(), decoder=decoder)
    speech, _ = spoken(1, 2000)
    assert long_form.transcribe(recognizer, speech, Windows(5, 2)).text == "RESULT"
    (logs, seconds), wanted = given_[0], ctc.log_softmax(Reader().row(speech, 0))
    np.testing.assert_array_equal(logs, wanted)
    assert seconds == 0.02
    assert recognizer.transcribe([speech[:32000]])[0].text == "RESULT"


# Real speech


def test_windows_do_not_cost_words(bundled_recognizer: Recognizer) -> None:
    """`eval long-form`: where one pass is possible, windows make no more errors."""
    recordings = list(comparison.joined(open_corpus(str(CORPUS)), 110.0))
    assert all(len(recording.speech) > 80 * RATE for recording in recordings)
    one_pass, windowed = comparison.measure(bundled_recognizer, recordings, [Windows()])
    assert one_pass.words == windowed.words > 1000
    assert windowed.wer <= one_pass.wer + 0.001
    assert one_pass.unlike_one_pass == 0


# Interrupted runs


def test_a_journal_goes_on_where_it_stopped(bundled_recognizer: Recognizer, tmp_path: Path) -> None:
    speech, words = spoken(3, 3000)
    path = tmp_path / "folder" / ".talk.partial"
    windows = Windows(10, 3, batch_seconds=10)

    class Stopped(Reader):
        def row(self, speech: np.ndarray, seed: int) -> np.ndarray:
            if len(self.computed) == 4:
                raise KeyboardInterrupt
            return super().row(speech, seed)

    with pytest.raises(KeyboardInterrupt):
        stopped = reading(bundled_recognizer, Stopped())
        long_form.transcribe(stopped, speech, windows, journal=Journal(path, {"key": 1}))
    journal = Journal(path, {"key": 1})
    assert len(journal) == 4
    reader = Reader()
    transcript = long_form.transcribe(
        reading(bundled_recognizer, reader), speech, windows, journal=journal
    )
    cuts = windows.cut((0, len(speech)), bundled_recognizer)
    assert len(reader.computed) == len(cuts) - 4
    assert transcript.text == text_of(words, bundled_recognizer)
    assert len(journal) == len(cuts)
    journal.remove()
    assert not path.exists()


def test_the_comparison_as_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "1001" / "1"
    folder.mkdir(parents=True)
    files = sorted(CORPUS.rglob("*.flac"), key=lambda file: file.stat().st_size)[:12]
    lines = []
    for file in files:
        texts = next(file.parent.glob("*.trans.txt")).read_text().splitlines()
        lines += [line for line in texts if line.split(" ", 1)[0] == file.stem]
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "1001-1.trans.txt").write_text("\n".join(sorted(lines)) + "\n")
    command = ["long-form", "--model", str(BUNDLED_MODEL), "--data", str(tmp_path)]
    figures = tmp_path / "figures.json"
    options = ["--seconds", "10", "--windows", "3:1,120:6", "--json", str(figures)]
    assert measure([*command, *options]) == 0
    out = capsys.readouterr().out
    one_pass, short, whole = json.loads(figures.read_text())["ways"]
    assert one_pass["words"] == sum(len(line.split()) - 1 for line in lines)
    assert f"{100 * short['wer']:.2f}" in out
    assert whole["errors"] == one_pass["errors"]  # nothing is cut
    assert whole["unlike_one_pass"] == 0
    for windows, complaint in (("30", "pairs"), ("a:b", "pairs"), ("500:6", "1 to 120 s")):
        assert measure([*command, "--windows", windows]) == 1
        assert complaint in capsys.readouterr().err
