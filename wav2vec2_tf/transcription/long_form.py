"""Recordings of any length → logits and words, in bounded memory.

A recording longer than a window is cut into windows that overlap. Their starts lie on the grid of
frames, so that a frame has the same samples under it in whichever window it is. Two neighbours are
joined at their logits, where they agree best on what is being said (`seam`): so no character is
lost, doubled or cut.

Speech is normalised over the whole recording, as it would be in one pass, and not window by window,
which would blow up a pause to the loudness of speech. That takes a first pass over the samples,
which is cheap beside the model and finds out what is damaged before the long work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike

import numpy as np
import tensorflow as tf

from wav2vec2_tf import audio
from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import VARIANCE_EPSILON
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.models.lengths import BUCKETS
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal

REACH = 10  # frames on either side of a seam on which two windows are to agree
NEAR = 2  # of them, frames in which a character of one may be that of the other a little later
MIDDLE = 1e-3  # how much disagreement a seam at an end of the overlap is worth, not in its middle
GPU_BATCH_SECONDS = 240.0  # of speech computed at once
CERTAIN = 50.0  # how far one logit is above all others where nothing was computed

Span = tuple[int, int]
"""The first sample and the one after the last; the first lies on the grid of frames."""
Progress = Callable[[float], None]
"""Told how many seconds of a recording are done."""


@dataclass(frozen=True)
class Windows:
    """How recordings are cut."""

    seconds: float = PUBLISHED_LENGTH / SAMPLE_RATE
    """Of a window: memory grows with it. Base was pre-trained on crops of as much (paper section
    4.2). A model of fixed length has windows of its own."""
    overlap_seconds: float = 4.0
    """Of two windows: a quarter at either end is context only, the half between is for the seam."""
    batch_seconds: float = PUBLISHED_LENGTH / SAMPLE_RATE
    """Of speech that is computed at once; at least one window is."""

    def length(self, recognizer: Recognizer) -> int:
        """Of a window in samples: whole frames, or the model's own length."""
        if recognizer.fixed_length is not None:
            return recognizer.fixed_length
        longest = BUCKETS[-1] // SAMPLE_RATE
        if not 1 <= self.seconds <= longest:
            raise UserError(f"a window of {self.seconds:g} s: 1 to {longest} s can be computed")
        stride = recognizer.config.stride
        return int(self.seconds * SAMPLE_RATE) // stride * stride

    def cut(self, span: Span, recognizer: Recognizer) -> list[Span]:
        """Windows of one length that cover a span evenly, or the span, where a window holds it."""
        start, end = span
        length = self.length(recognizer)
        if end - start <= length:
            return [span]
        config = recognizer.config
        total, frames = config.frame_length(end - start), config.frame_length(length)
        overlap = min(round(self.overlap_seconds * SAMPLE_RATE / config.stride), frames // 2)
        steps = -(-(total - frames) // (frames - overlap))
        firsts = [i * (total - frames) // max(1, steps) for i in range(steps + 1)]
        starts = [start + first * config.stride for first in firsts]
        return [(start, min(end, start + length)) for start in starts]

    def batches(self, lengths: Iterable[int]) -> Iterator[range]:
        """Which pieces to compute at once, of so many samples each, in their order."""
        first = longest = end = 0
        for index, length in enumerate(lengths):
            longest = max(longest, length)
            if first < index and longest * (index + 1 - first) > self.batch_seconds * SAMPLE_RATE:
                yield range(first, index)
                first, longest = index, length
            end = index + 1
        if end:
            yield range(first, end)


def windows(
    window: float | None = None,
    batch_seconds: float | None = None,
    cpu_default: float = Windows.batch_seconds,
) -> Windows:
    """Makes `Windows` from options; more is computed at once on a GPU.

    Args:
        window: seconds of a window; 15.4 by default.
        batch_seconds: seconds of speech computed at once; by default `cpu_default`, or
            `GPU_BATCH_SECONDS` if TensorFlow finds a GPU.
        cpu_default: seconds of speech computed at once on a CPU.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    usual = GPU_BATCH_SECONDS if on_gpu else cpu_default
    return Windows(window or Windows.seconds, batch_seconds=batch_seconds or usual)


@dataclass(frozen=True)
class Recording:
    """Speech at 16 kHz that can be read block by block, more than once."""

    name: str
    blocks: Callable[[], Iterator[np.ndarray]]
    samples: int
    mean: float
    variance: float
    digest: str
    """Of its samples, in hexadecimal."""

    @classmethod
    def of(cls, source: audio.AudioSource | np.ndarray) -> Recording:
        """Of a file or (samples,) speech. All is read once; what is short is kept.

        Raises:
            UserError: as `audio.load`, but for recordings of up to `audio.STREAMED_HOURS`.
        """
        if isinstance(source, np.ndarray):
            speech = source.astype(np.float32, copy=False)
            return cls.measured("speech", lambda: iter([speech]))
        if isinstance(source, str | PathLike | bytes):
            name = "audio data" if isinstance(source, bytes) else str(source)
            return cls.measured(name, lambda: audio.blocks(source))
        return cls.of(audio.load(source))  # a stream cannot be read twice

    @classmethod
    def measured(cls, name: str, blocks: Callable[[], Iterator[np.ndarray]]) -> Recording:
        """Mean and variance by those of the blocks (Chan et al. 1979), in float64."""
        samples, mean, squares = 0, 0.0, 0.0
        kept: list[np.ndarray] = []
        digest = hashlib.blake2b(digest_size=16)
        for block in blocks():
            if not len(block):
                continue
            digest.update(block.tobytes())
            wide = block.astype(np.float64)
            own = float(wide.mean())
            share = len(block) / (samples + len(block))
            squares += float(np.square(wide - own).sum()) + (own - mean) ** 2 * samples * share
            mean += (own - mean) * share
            if samples <= BUCKETS[-1]:
                kept.append(block)
            samples += len(block)
        if 0 < samples <= BUCKETS[-1]:
            whole = np.concatenate(kept)
            blocks = lambda: iter([whole])  # noqa: E731
        return cls(name, blocks, samples, mean, squares / max(1, samples), digest.hexdigest())

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE

    def reader(self) -> Callable[[Span], np.ndarray]:
        """What gives the speech of spans that start one after another, and may overlap."""
        blocks = self.blocks()
        held, first = np.zeros(0, np.float32), 0  # samples from number `first` on

        def read(span: Span) -> np.ndarray:
            nonlocal held, first
            start, end = span
            while first + len(held) < end:
                block = next(blocks, None)
                if block is None:
                    raise UserError(f"{self.name}: was changed while it was read; start again")
                passed = min(len(held), max(0, start - first))
                held, first = np.concatenate([held[passed:], block]), first + passed
            return held[start - first : end - first]

        return read


Source = audio.AudioSource | np.ndarray | Recording


def log_probabilities(
    recognizer: Recognizer,
    source: Source,
    windows: Windows | None = None,
    *,
    spans: Sequence[Span] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Natural logarithms of each frame's probabilities, of a recording of any length.

    Args:
        source: a file, (samples,) speech at 16 kHz, or a `Recording`.
        spans: where there is speech; the frames between are blank for certain. By default all.
        progress: told how many seconds of the recording are done.

    Returns:
        (frames, vocab) float32: 23 MB an hour for 32 tokens.

    Raises:
        UserError: audio that cannot be read or is shorter than one frame.
    """
    blocks = logits(recognizer, source, windows, spans=spans, progress=progress)
    return np.concatenate([ctc.log_softmax(block) for block in blocks])


def transcribe(
    recognizer: Recognizer,
    source: Source,
    windows: Windows | None = None,
    *,
    spans: Sequence[Span] | None = None,
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Transcript:
    """What is said in a recording of any length; arguments and errors are those of `logits`.

    Greedy decoding keeps 8 bytes a frame; another decoder is given all logits at once.
    """
    blocks = logits(recognizer, source, windows, spans=spans, progress=progress, journal=journal)
    if recognizer.decoder is not None:
        return recognizer.decode(np.concatenate(list(blocks)))
    paths = [ctc.BestPath.of(block) for block in blocks]
    path = ctc.BestPath(*map(np.concatenate, zip(*paths, strict=True)))
    return ctc.transcript(path, recognizer.alphabet, recognizer.seconds_per_frame)


def transcribe_each(
    recognizer: Recognizer, recordings: Sequence[Recording], windows: Windows | None = None
) -> Iterator[tuple[int, Transcript]]:
    """Recordings that each fit in a window, batched by length: as each would be alone.

    Yields the index and the transcript of each, batch by batch, the shortest first.
    """
    windows = windows or Windows()
    order = sorted(range(len(recordings)), key=lambda index: recordings[index].samples)
    for batch in windows.batches(recordings[index].samples for index in order):
        chosen = [order[place] for place in batch]
        speech = [np.concatenate(list(recordings[index].blocks())) for index in chosen]
        for index, found in zip(chosen, recognizer.emit(speech), strict=True):
            frames = recognizer.config.frame_length(recordings[index].samples)
            yield index, recognizer.decode(found[:frames])


def logits(
    recognizer: Recognizer,
    source: Source,
    windows: Windows | None = None,
    *,
    spans: Sequence[Span] | None = None,
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Iterator[np.ndarray]:
    """The logits of a recording, (frames, vocab) block after block.

    Args:
        source, spans, progress: as of `log_probabilities`.
        journal: windows that it has are not computed; those that are, it gets.

    Raises:
        UserError: audio that cannot be read or is shorter than one frame.
    """
    windows = windows or Windows()
    recording = source if isinstance(source, Recording) else Recording.of(source)
    recognizer.require_frame(recording.samples)
    chosen = [(0, recording.samples)] if spans is None else spans
    cuts = [cut for span in chosen for cut in windows.cut(span, recognizer)]
    strides = (start // recognizer.config.stride for start, _ in cuts)
    before: Iterable[np.ndarray] = journal or ()
    done = journal.windows if journal else 0
    computed = _computed(recognizer, recording, cuts[done:], windows, progress, journal)
    return join(
        zip(strides, chain(before, computed), strict=True),
        recognizer.config.frame_length(recording.samples),
        recognizer.config.vocab_size or 0,
        recognizer.alphabet,
    )


def _computed(
    recognizer: Recognizer,
    recording: Recording,
    cuts: Sequence[Span],
    windows: Windows,
    progress: Progress | None,
    journal: Journal | None,
) -> Iterator[np.ndarray]:
    """The logits of each window."""
    read = recording.reader()
    scale = 1 / np.sqrt(recording.variance + VARIANCE_EPSILON)
    for batch in windows.batches(end - start for start, end in cuts):
        spans = [cuts[index] for index in batch]
        speech = [read(span) for span in spans]
        whole = spans == [(0, recording.samples)]  # normalised as any utterance is
        if recognizer.do_normalize and not whole:
            speech = [((s - recording.mean) * scale).astype(np.float32) for s in speech]
        full = windows.length(recognizer)  # these need no padding, others the next bucket's
        length = full if max(map(len, speech)) == full else None
        emitted = recognizer.emit(speech, length=length, normalized=not whole)
        for (start, end), found in zip(spans, emitted, strict=True):
            found = found[: recognizer.config.frame_length(end - start)]
            if journal is not None:
                journal.add(found)
            yield found
        if progress is not None:
            progress(spans[-1][1] / SAMPLE_RATE)


def join(
    windows: Iterable[tuple[int, np.ndarray]],
    total: int,
    vocabulary: int,
    alphabet: ctc.Alphabet,
) -> Iterator[np.ndarray]:
    """Logits of all frames from those of windows, each once and in order.

    Args:
        windows: the first frame and the (frames, vocab) logits of each, in order.
        total: frames in all. What no window has is blank, with a delimiter between the words.
    """
    held = np.zeros((0, vocabulary), np.float32)
    end = 0  # the frame after those that are held
    for start, found in windows:
        if start < end:
            common = max(start, end - len(held))
            left, right = held[len(held) - (end - common) :], found[common - start : end - start]
            cut = common + seam(left, right)
            yield held[: len(held) - (end - cut)]
            held = found[cut - start :]
        else:
            yield held
            yield nothing_said(start - end, vocabulary, alphabet)
            held = found
        end = start + len(found)
    yield held
    yield nothing_said(total - end, vocabulary, alphabet)


def nothing_said(frames: int, vocabulary: int, alphabet: ctc.Alphabet) -> np.ndarray:
    """(frames, vocab) logits of a pause: words on either side of it are two."""
    pause = np.full((frames, vocabulary), -CERTAIN, np.float32)
    pause[:, alphabet.blank] = 0
    if frames and alphabet.word_delimiter >= 0:
        pause[0, [alphabet.blank, alphabet.word_delimiter]] = -CERTAIN, 0
    return pause


def seam(left: np.ndarray, right: np.ndarray) -> int:
    """How many frames to take of `left` before going on in `right`.

    Where two windows differ by a character more or less, or one that comes a frame later, a seam
    there would double or lose it. So it comes where the probabilities of both differ least (in
    total variation): in sum over the frames next to it, and then on average over those around; and
    not in the outer quarters, where one of the two lacks context.

    Args:
        left, right: (frames, vocab) logits of the same frames by the two windows.
    """
    frames = len(left)
    edge = frames // 4
    apart = np.abs(np.exp(ctc.log_softmax(left)) - np.exp(ctc.log_softmax(right))).sum(axis=-1) / 2
    sums = np.concatenate([[0.0], np.cumsum(apart)])
    places = np.arange(edge, frames - edge + 1)
    near = sums[np.minimum(places + NEAR, frames)] - sums[np.maximum(places - NEAR, 0)]
    before, after = np.maximum(places - REACH, 0), np.minimum(places + REACH, frames)
    around = (sums[after] - sums[before]) / np.maximum(after - before, 1)
    off_middle = np.abs(2 * places - frames) / max(frames, 1)
    return int(places[np.argmin(near + around + MIDDLE * off_middle)])
