"""Recordings of any length → logits and words, in bounded memory.

A recording longer than a window is cut into windows that overlap. Their starts lie on the grid of
frames, so a frame has the same samples under it in every window. Two neighbours are joined at their
logits, in the frame where their probabilities agree best (`seam`), so that no character is lost,
doubled or cut.

Speech is normalized over the whole recording, as it would be in one pass. Window by window, a pause
would be amplified to the loudness of speech. The mean and variance take a first pass over the
samples (`Recording`), which is cheap beside the model and finds damage before the long work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import tensorflow as tf

from wav2vec2_tf.audio import SAMPLE_RATE
from wav2vec2_tf.audio.normalization import normalize
from wav2vec2_tf.models.config import PUBLISHED_LENGTH
from wav2vec2_tf.models.lengths import BUCKETS
from wav2vec2_tf.text import ctc
from wav2vec2_tf.text.transcript import Transcript
from wav2vec2_tf.transcription.recognizer import Recognizer
from wav2vec2_tf.transcription.recording import Audio, Recording, Span
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal, array_from_json, array_to_json

GPU_BATCH_SECONDS = 240.0
SEAM_CONTEXT = 10
"""Frames on either side of a seam over which the disagreement of two windows is averaged."""
SEAM_NEAR = 2
"""Frames next to a seam whose disagreement is summed: a character may come a frame later in one."""
OFF_MIDDLE_COST = 1e-3
"""Disagreement that a seam at an end of the overlap costs, compared with one in its middle."""
CERTAIN = 50.0
"""Logit of the blank above all others in frames that were not computed."""

Progress = Callable[[float], None]
"""Called with the number of seconds of a recording that are done."""


@dataclass(frozen=True)
class Windows:
    """The sizes of windows and of batches of them."""

    seconds: float = PUBLISHED_LENGTH / SAMPLE_RATE
    """Length of a window; memory grows with it. The base model was pre-trained on crops of this
    length (paper section 4.2). A model of fixed length determines its own."""
    overlap_seconds: float = 4.0
    """Overlap of two windows: the seam is in its middle half, the rest is context."""
    batch_seconds: float = PUBLISHED_LENGTH / SAMPLE_RATE
    """Speech that is computed at once; at least one window is."""

    def length(self, recognizer: Recognizer) -> int:
        """Returns the samples of a window: whole frames, or the model's fixed length.

        Raises:
            UserError: `seconds` is outside the range that can be computed.
        """
        if recognizer.fixed_length is not None:
            return recognizer.fixed_length
        longest = BUCKETS[-1] // SAMPLE_RATE
        if not 1 <= self.seconds <= longest:
            raise UserError(
                f"a window must have 1 to {longest} s, got {self.seconds:g} s: give another window"
            )
        stride = recognizer.config.stride
        return int(self.seconds * SAMPLE_RATE) // stride * stride

    def cut(self, span: Span, recognizer: Recognizer) -> list[Span]:
        """Cuts a span into overlapping windows of one length, evenly spread.

        A span that fits in a window is returned whole.
        """
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
        """Groups pieces of these lengths, in samples, into batches of at most `batch_seconds`.

        Padding counts. Yields the indices of each batch, in order.
        """
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


Source = Audio | Recording


def log_probabilities(
    recognizer: Recognizer,
    source: Source,
    windows: Windows | None = None,
    *,
    spans: Sequence[Span] | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Computes natural logarithms of each frame's probabilities in a recording of any length.

    Args:
        recognizer: the model.
        source: a path, the contents of a file, (samples,) speech at 16 kHz, or a `Recording`.
        windows: how it is cut.
        spans: the parts with speech; the frames between them become certain blanks. By default all
            of the recording.
        progress: called after each batch.

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
    """Transcribes a recording of any length; see `logits` for arguments and errors."""
    return recognizer.decode(
        logits(recognizer, source, windows, spans=spans, progress=progress, journal=journal)
    )


def transcribe_each(
    recognizer: Recognizer, recordings: Sequence[Recording], windows: Windows | None = None
) -> Iterator[tuple[int, Transcript]]:
    """Transcribes recordings that each fit in a window, in batches of similar length.

    The results are those of one recording at a time.

    Yields:
        The index and the transcript of each, batch by batch, the shortest first.
    """
    windows = windows or Windows()
    order = sorted(range(len(recordings)), key=lambda index: recordings[index].samples)
    for batch in windows.batches(recordings[index].samples for index in order):
        chosen = [order[place] for place in batch]
        emitted = recognizer.emit([recordings[index].speech() for index in chosen])
        for index, found in zip(chosen, emitted, strict=True):
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
    """Computes the logits of a recording of any length.

    Args:
        recognizer: the model.
        source: a path, the contents of a file, (samples,) speech at 16 kHz, or a `Recording`.
        windows: how it is cut.
        spans: the parts with speech, see `log_probabilities`.
        progress: called after each batch.
        journal: windows that it holds are not computed again; those that are computed are added.

    Yields:
        Consecutive (frames, vocab) float32 blocks.

    Raises:
        UserError: audio that cannot be read or is shorter than one frame.
    """
    windows = windows or Windows()
    recording = source if isinstance(source, Recording) else Recording.of(source)
    recognizer.require_frame(recording.samples)
    chosen = [(0, recording.samples)] if spans is None else spans
    cuts = [cut for span in chosen for cut in windows.cut(span, recognizer)]
    strides = (start // recognizer.config.stride for start, _ in cuts)
    before = _done_before(cuts, journal)
    done = len(journal) if journal is not None else 0
    computed = _computed(recognizer, recording, cuts[done:], windows, progress, journal)
    return join(
        zip(strides, chain(before, computed), strict=True),
        recognizer.config.frame_length(recording.samples),
        recognizer.config.vocab_size or 0,
        recognizer.alphabet,
    )


def _done_before(cuts: Sequence[Span], journal: Journal | None) -> Iterator[np.ndarray]:
    """Yields the logits of the first windows, which a journal has.

    Raises:
        UserError: they are those of other windows.
    """
    for (start, _), (key, value) in zip(cuts, journal or (), strict=False):
        if key != start:
            raise UserError(
                f"{journal and journal.path}: has the window at sample {key} where the one at "
                f"{start} must be: delete the file to start again"
            )
        yield array_from_json(value)


def _computed(
    recognizer: Recognizer,
    recording: Recording,
    cuts: Sequence[Span],
    windows: Windows,
    progress: Progress | None,
    journal: Journal | None,
) -> Iterator[np.ndarray]:
    """Computes the logits of each window, batch by batch."""
    read = recording.reader()
    full = windows.length(recognizer)
    for batch in windows.batches(end - start for start, end in cuts):
        spans = [cuts[index] for index in batch]
        speech = [read(span) for span in spans]
        whole = spans == [(0, recording.samples)]  # normalized as any utterance is
        if recognizer.do_normalize and not whole:
            speech = [normalize(part, recording.mean, recording.variance) for part in speech]
        # full windows need no padding; others are padded to the next bucket
        length = full if max(map(len, speech)) == full else None
        emitted = recognizer.emit(speech, length=length, normalized=not whole)
        for (start, end), found in zip(spans, emitted, strict=True):
            found = found[: recognizer.config.frame_length(end - start)]
            if journal is not None:
                journal.add(start, array_to_json(found))
            yield found
        if progress is not None:
            progress(spans[-1][1] / SAMPLE_RATE)


def join(
    windows: Iterable[tuple[int, np.ndarray]],
    total: int,
    vocabulary: int,
    alphabet: ctc.Alphabet,
) -> Iterator[np.ndarray]:
    """Joins the logits of windows, so that each frame comes once and in order.

    Args:
        windows: the first frame and the (frames, vocab) logits of each window, in order.
        total: frames of the recording. Those that no window has become a pause.
        vocabulary: tokens of the model.
        alphabet: the model's tokens.

    Yields:
        Consecutive (frames, vocab) blocks.
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
            yield pause_logits(start - end, vocabulary, alphabet)
            held = found
        end = start + len(found)
    yield held
    yield pause_logits(total - end, vocabulary, alphabet)


def pause_logits(frames: int, vocabulary: int, alphabet: ctc.Alphabet) -> np.ndarray:
    """Returns (frames, vocab) logits of a pause: blanks after a delimiter between words."""
    pause = np.full((frames, vocabulary), -CERTAIN, np.float32)
    pause[:, alphabet.blank] = 0
    if frames and alphabet.word_delimiter >= 0:
        pause[0, [alphabet.blank, alphabet.word_delimiter]] = -CERTAIN, 0
    return pause


def seam(left: np.ndarray, right: np.ndarray) -> int:
    """Finds the frame at which to go over from one window to the next.

    Where two windows differ by a character, or place one a frame apart, a seam would double or lose
    it. So the seam is where their probabilities differ least (in total variation): in sum over
    `SEAM_NEAR` frames and on average over `SEAM_CONTEXT` frames on either side. It is not in the
    outer quarters of the overlap, where one of the two windows lacks context.

    Args:
        left: (frames, vocab) logits of the overlap in the earlier window.
        right: (frames, vocab) logits of the same frames in the later window.

    Returns:
        The number of frames to take from `left`.
    """
    frames = len(left)
    edge = frames // 4
    apart = np.abs(np.exp(ctc.log_softmax(left)) - np.exp(ctc.log_softmax(right))).sum(axis=-1) / 2
    sums = np.concatenate([[0.0], np.cumsum(apart)])
    places = np.arange(edge, frames - edge + 1)
    near = sums[np.minimum(places + SEAM_NEAR, frames)] - sums[np.maximum(places - SEAM_NEAR, 0)]
    before, after = np.maximum(places - SEAM_CONTEXT, 0), np.minimum(places + SEAM_CONTEXT, frames)
    around = (sums[after] - sums[before]) / np.maximum(after - before, 1)
    off_middle = np.abs(2 * places - frames) / max(frames, 1)
    return int(places[np.argmin(near + around + OFF_MIDDLE_COST * off_middle)])
