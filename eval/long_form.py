"""What windows cost: word error rates of recordings that are short enough for one pass, in one pass
and in windows. The recordings are a corpus's utterances, one after another.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    import numpy as np

    from wav2vec2_tf.data.corpus import Corpus
    from wav2vec2_tf.transcription.long_form import Windows
    from wav2vec2_tf.transcription.recognizer import Recognizer

ONE_PASS = "one pass"


@dataclass(frozen=True)
class Joined:
    """Utterances one after another."""

    speech: np.ndarray
    """(samples,) at 16 kHz."""
    text: str


@dataclass(frozen=True)
class Result:
    """All recordings, transcribed in one way."""

    way: str
    words: int
    errors: int
    unlike_one_pass: int
    """Words that are not those of one pass: substituted, deleted and inserted."""
    seconds: float
    """Of computing."""

    @property
    def wer(self) -> float:
        return self.errors / self.words


def joined(corpus: Corpus, seconds: float) -> Iterator[Joined]:
    """The corpus in recordings of up to so many seconds, in its order; longer utterances alone."""
    import numpy as np

    from wav2vec2_tf.audio import SAMPLE_RATE

    speech: list[np.ndarray] = []
    texts: list[str] = []
    for utterance in corpus:
        samples = utterance.load()
        if speech and sum(map(len, speech)) + len(samples) > seconds * SAMPLE_RATE:
            yield Joined(np.concatenate(speech), " ".join(texts))
            speech, texts = [], []
        speech.append(samples)
        texts.append(corpus.texts[utterance.id])
    if speech:
        yield Joined(np.concatenate(speech), " ".join(texts))


def measure(
    recognizer: Recognizer, recordings: Sequence[Joined], windows: Sequence[Windows]
) -> list[Result]:
    """The first result is of one pass, then one for each way to cut."""
    import jiwer

    from wav2vec2_tf.transcription import long_form

    from .measure import letter_case, normalise

    letters = letter_case(recognizer.characters)
    references = [normalise(recording.text, letters) for recording in recordings]

    def errors(wanted: list[str], found: list[str]) -> int:
        counts = jiwer.process_words(wanted, found)
        return counts.substitutions + counts.deletions + counts.insertions

    results: list[Result] = []
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
                texts.append(normalise(transcript.text, letters))
                bar.update()
        spent = time.perf_counter() - started
        in_one_pass = in_one_pass or texts
        words = sum(len(text.split()) for text in references)
        results.append(
            Result(way, words, errors(references, texts), errors(in_one_pass, texts), spent)
        )
    return results


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    return {"ways": [{**asdict(result), "wer": result.wer} for result in results]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="as of `eval wer`")
    parser.add_argument("--target-lang", metavar="LANG", help="as of `eval wer`")
    parser.add_argument("--data", required=True, help="a corpus, as of `eval wer`")
    parser.add_argument("--split", help="of a dataset")
    parser.add_argument(
        "--seconds", type=float, default=110.0, help="of a recording (default: 110, at most 120)"
    )
    parser.add_argument(
        "--windows",
        default="15.375:4",
        metavar="SECONDS:SHARED,…",
        help="how to cut: a window's seconds and those that two share (default: 15.375:4)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `eval long-form`."""
    from wav2vec2_tf.audio import SAMPLE_RATE
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.models.lengths import bucket
    from wav2vec2_tf.transcription.long_form import Windows
    from wav2vec2_tf.transcription.recognizer import Recognizer
    from wav2vec2_tf.utils.files import write_whole

    try:
        pairs = [pair.split(":") for pair in args.windows.split(",")]
        windows = [Windows(float(seconds), float(shared)) for seconds, shared in pairs]
    except ValueError:
        raise UserError(f"--windows {args.windows!r}: give pairs as 30:6,20:4") from None
    recordings = list(joined(open_corpus(args.data, split=args.split), args.seconds))
    if not recordings:
        raise UserError(f"{args.data}: no utterance in it")
    bucket(max(len(recording.speech) for recording in recordings))  # refuses what is too long
    recognizer = Recognizer.load(args.model, target_lang=args.target_lang, **hub_options(args))
    for cut in windows:
        cut.length(recognizer)  # says what is wrong with it before the long work
    results = measure(recognizer, recordings, windows)
    seconds = sum(len(recording.speech) for recording in recordings) / SAMPLE_RATE
    print(f"{args.model} on {args.data}: {len(recordings)} recordings, {seconds:.0f} s\n")
    print(f"{'':36}{'WER %':>8}{'against one pass':>18}{'other words':>13}{'RTFx':>8}")
    for result in results:
        points = 100 * (result.wer - results[0].wer)
        print(
            f"{result.way:36}{100 * result.wer:8.2f}{points:+18.2f}{result.unlike_one_pass:13}"
            f"{seconds / result.seconds:8.1f}"
        )
    if args.json:
        write_whole(args.json, json.dumps(to_json(results), indent=2) + "\n")
    return 0
