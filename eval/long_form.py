"""Word error rates of recordings in one pass and in overlapping windows.

The recordings are utterances of a corpus, joined one after another, and short enough for one pass.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.checkpoint.hub import HubOptions, ProcessorOption
from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import add_hub_flags, hub_options
from wav2vec2_tf.data.columns import SPLIT_HELP, Columns
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.options import check, option
from wav2vec2_tf.utils.progress import ProgressBar

from .outputs import write_json

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.transcription.long_form import Windows
    from wav2vec2_tf.transcription.recognizer import Recognizer

ONE_PASS = "one pass"


@dataclass(frozen=True, kw_only=True)
class LongFormOptions(Columns, ProcessorOption):
    """The recordings, and how they are cut."""

    target_lang: str | None = option(
        None, metavar="LANG", help="language, for MMS models with an adapter for each"
    )
    split: str | None = option(None, help=SPLIT_HELP)
    seconds: float = option(
        110.0, above=0, metavar="SECONDS", help="length of a recording, at most 120"
    )
    windows: str = option(
        "15.375:4",
        metavar="SECONDS:SHARED,…",
        help="seconds of a window and seconds that two windows share, for each way to cut",
    )
    hub: HubOptions = field(default_factory=HubOptions)

    def __post_init__(self) -> None:
        """Raises `OptionError` for a value that is not allowed."""
        check(self)

    def cuts(self) -> list[Windows]:
        """Returns each way to cut; raises `UserError` if `windows` is not made of pairs."""
        from wav2vec2_tf.transcription.long_form import Windows

        try:
            pairs = [pair.split(":") for pair in self.windows.split(",")]
            return [Windows(float(seconds), float(shared)) for seconds, shared in pairs]
        except ValueError:
            raise UserError(
                f"windows must be pairs such as 30:6,20:4, got {self.windows!r}"
            ) from None


@dataclass(frozen=True)
class JoinedRecording:
    """Utterances one after another."""

    speech: np.ndarray
    """(samples,) at 16 kHz."""
    text: str


@dataclass(frozen=True)
class CutResult:
    """All recordings, transcribed in one way."""

    way: str
    words: int
    errors: int
    unlike_one_pass: int
    """Words that differ from one pass: substituted, deleted and inserted."""
    seconds: float
    """Computing time."""

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.errors / self.words


def joined(corpus: Corpus, seconds: float) -> Iterator[JoinedRecording]:
    """Joins utterances, in order, to recordings of up to `seconds`; longer ones stay alone."""
    import numpy as np

    from wav2vec2_tf.audio import SAMPLE_RATE

    speech: list[np.ndarray] = []
    texts: list[str] = []
    for utterance in corpus:
        samples = utterance.load()
        if speech and sum(map(len, speech)) + len(samples) > seconds * SAMPLE_RATE:
            yield JoinedRecording(np.concatenate(speech), " ".join(texts))
            speech, texts = [], []
        speech.append(samples)
        texts.append(corpus.texts[utterance.id])
    if speech:
        yield JoinedRecording(np.concatenate(speech), " ".join(texts))


def measure(
    recognizer: Recognizer, recordings: Sequence[JoinedRecording], windows: Sequence[Windows]
) -> list[CutResult]:
    """Transcribes the recordings in one pass, and then in each way to cut."""
    import jiwer

    from wav2vec2_tf.text.spelling import letter_case
    from wav2vec2_tf.transcription import long_form

    from .wer.batches import normalize

    letters = letter_case(recognizer.characters)
    references = [normalize(recording.text, letters) for recording in recordings]

    def errors(wanted: list[str], found: list[str]) -> int:
        counts = jiwer.process_words(wanted, found)
        return counts.substitutions + counts.deletions + counts.insertions

    results: list[CutResult] = []
    in_one_pass: list[str] = []
    for cut in [None, *windows]:
        texts = []
        way = ONE_PASS
        if cut is not None:
            way = f"windows of {cut.seconds:g} s, {cut.overlap_seconds:g} s shared"
        started = time.perf_counter()
        with ProgressBar(way, len(recordings), "recording", leave=False) as bar:
            for recording in recordings:
                if cut is None:
                    (transcript,) = recognizer.transcribe([recording.speech])
                else:
                    transcript = long_form.transcribe(recognizer, recording.speech, cut)
                texts.append(normalize(transcript.text, letters))
                bar.update()
        spent = time.perf_counter() - started
        in_one_pass = in_one_pass or texts
        words = sum(len(text.split()) for text in references)
        results.append(
            CutResult(way, words, errors(references, texts), errors(in_one_pass, texts), spent)
        )
    return results


def compare(
    model: str, corpus: str, options: LongFormOptions
) -> tuple[list[CutResult], int, float]:
    """Measures a model on a corpus; both are named as `evaluate` takes them.

    Returns:
        The results, the number of recordings, and their seconds.
    """
    from wav2vec2_tf.audio import SAMPLE_RATE
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.models.lengths import bucket
    from wav2vec2_tf.transcription.recognizer import Recognizer

    windows = options.cuts()
    opened = open_corpus(corpus, split=options.split, columns=options)
    recordings = list(joined(opened, options.seconds))
    if not recordings:
        raise UserError(f"{corpus}: has no utterances")
    bucket(max(len(recording.speech) for recording in recordings))  # raises if one is too long
    recognizer = Recognizer.load(
        model,
        target_lang=options.target_lang,
        processor=options.processor,
        **options.hub.keywords(),
    )
    for cut in windows:
        cut.length(recognizer)  # raises if windows are too short or too long
    seconds = sum(len(recording.speech) for recording in recordings) / SAMPLE_RATE
    return measure(recognizer, recordings, windows), len(recordings), seconds


def to_json(results: Sequence[CutResult]) -> dict[str, Any]:
    """Returns the figures of each way."""
    return {"ways": [{**asdict(result), "wer": result.wer} for result in results]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `eval long-form`."""
    parser.epilog = "example: %(prog)s --model MODEL --data tests/data/corpus --windows 10:4,20:6"
    parser.add_argument("--model", required=True, help="see `eval wer --help`")
    parser.add_argument("--data", required=True, help="corpus, see `eval wer --help`")
    add_flags(parser, LongFormOptions)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `eval long-form`."""
    options = options_from(LongFormOptions, args, hub=hub_options(args))
    results, count, seconds = compare(args.model, args.data, options)
    print(f"{args.model} on {args.data}: {count} recordings, {seconds:.0f} s\n")
    print(f"{'':36}{'WER %':>8}{'against one pass':>18}{'other words':>13}{'RTFx':>8}")
    for result in results:
        points = 100 * (result.wer - results[0].wer)
        print(
            f"{result.way:36}{100 * result.wer:8.2f}{points:+18.2f}{result.unlike_one_pass:13}"
            f"{seconds / result.seconds:8.1f}"
        )
    write_json(args.json, to_json(results))
    return 0
