"""A recording and what is said in it → when each word and character of the text is said.

All of the recording is aligned to all of the text, hours of it if need be. In the text, "*" stands
for anything: what was said but not written. Words that the vocabulary cannot spell in full, as
those with digits, are aligned by a wildcard and marked.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.cli.hub_options import add_hub_options, hub_options
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    from wav2vec2_tf.text.transcript import Transcript

log = logging.getLogger(__name__)

ENDINGS = {"json": "json", "textgrid": "TextGrid", "srt": "srt", "vtt": "vtt", "tsv": "tsv"}
MAXIMUM_BYTES = 2**26  # of a text: the longest novels have a tenth of it
NAMED = 5  # of many words, how many a message names
WILDCARD_LABEL = "<star>"
ALIGNING = "aligns {percentage:3.0f}% {bar:30} {remaining} left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", help="a recording, as of `transcribe`")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "text_file", nargs="?", metavar="TEXT", help="what is said: a file in UTF-8, or - for input"
    )
    given.add_argument("--text", metavar="WORDS", help="what is said, here and now")
    parser.add_argument(
        "--model", help="as of `transcribe`; by default the bundled one, of 200 words"
    )
    parser.add_argument(
        "--target-lang", metavar="LANG", help="the language, of MMS models with one each"
    )
    parser.add_argument(
        "--format",
        choices=ENDINGS,
        help="an object with words and characters, Praat's TextGrid, subtitles, a table of words; "
        "by default what the name of OUT ends in, or else json",
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="a file; by default standard output")
    add_hub_options(parser)


def run(args: argparse.Namespace) -> int:
    from wav2vec2_tf.audio.discover import STANDARD_INPUT, AudioFile
    from wav2vec2_tf.data.bundled import BUNDLED_MODEL
    from wav2vec2_tf.text import subtitles
    from wav2vec2_tf.utils.files import write_whole

    if args.audio == args.text_file == STANDARD_INPUT:
        raise UserError("standard input is the recording or the text; give a file for the other")
    kind = args.format or _kind_of(args.output)
    text = _read(args.text_file) if args.text is None else args.text

    from wav2vec2_tf.text.forced_alignment import align
    from wav2vec2_tf.transcription.long_form import Recording, log_probabilities
    from wav2vec2_tf.transcription.recognizer import Recognizer

    recognizer = Recognizer.load(
        args.model or BUNDLED_MODEL, target_lang=args.target_lang, **hub_options(args)
    )
    audio = AudioFile(args.audio, Path(args.audio))
    try:
        with audio.opened() as path:
            recording = Recording.of(path)
            with ProgressBar("model", round(recording.seconds), "s", leave=False) as bar:
                heard = log_probabilities(
                    recognizer, recording, progress=lambda done: bar.move_to(round(done))
                )
        with ProgressBar("alignment", 1.0, leave=False, bar_format=ALIGNING) as bar:
            aligned = align(
                heard,
                text,
                recognizer.tokenizer,
                recognizer.seconds_per_frame,
                progress=bar.move_to,
            )
    except UserError as error:
        raise UserError(audio.message(error)) from None
    _name_wildcards(args.audio, aligned)
    write = to_textgrid if kind == "textgrid" else subtitles.FORMATS[kind]
    content = write(args.audio, recording.seconds, aligned)
    if args.output is None:
        sys.stdout.write(content)
    else:
        write_whole(Path(args.output), content)
    return 0


def _kind_of(output: str | None) -> str:
    """What the name of an output says; JSON where there is none.

    Raises:
        UserError: it says nothing.
    """
    if output is None:
        return "json"
    ending = Path(output).suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        raise UserError(
            f"-o {output}: its name does not say which format; give --format, or one that ends in "
            f".{', .'.join(ENDINGS.values())}"
        )
    return ending


def _read(name: str) -> str:
    """A text file, or standard input."""
    from wav2vec2_tf.audio.discover import STANDARD_INPUT

    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAXIMUM_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAXIMUM_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero in it
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{name}: {reason}; give a file with what is said, or the words with --text"
        ) from None
    if len(content) > MAXIMUM_BYTES:
        raise UserError(f"{name}: more than {MAXIMUM_BYTES} bytes; give the text of one recording")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: byte {error.start} is no text in UTF-8; save the file in that encoding"
        ) from None


def _name_wildcards(audio: str, aligned: Transcript) -> None:
    wild = [word.text for word in aligned.words if getattr(word, "wildcard", False)]
    if wild:
        log.warning(
            "%s: %d of %d words have something that the vocabulary lacks, aligned by a wildcard: "
            "%s%s; write them out as they are said",
            *(audio, len(wild), len(aligned.words), ", ".join(map(repr, wild[:NAMED]))),
            ", …" if len(wild) > NAMED else "",
        )


# Praat's text format: "TextGrid file formats" in its manual


def to_textgrid(name: str, seconds: float, aligned: Transcript) -> str:
    """Two interval tiers, words and characters; of the latter, `<star>` marks a wildcard."""
    words = [(word.start, word.end, word.text) for word in aligned.words]
    characters = [
        (c.start, c.end, WILDCARD_LABEL if getattr(c, "wildcard", False) else c.text)
        for word in aligned.words
        for c in word.characters
    ]
    tiers = [("words", words), ("characters", characters)]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *(f"xmin = 0\nxmax = {seconds}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"),
    ]
    for number, (tier, labels) in enumerate(tiers, start=1):
        intervals = list(_intervals(labels, seconds))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{tier}"',
            f"        xmin = 0\n        xmax = {seconds}",
            f"        intervals: size = {len(intervals)}",
        ]
        for at, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines += [
                f"        intervals [{at}]:",
                f"            xmin = {start}\n            xmax = {end}",
                f'            text = "{quoted}"',
            ]
    return "\n".join(lines) + "\n"


def _intervals(
    labels: Iterable[tuple[float, float, str]], seconds: float
) -> Iterator[tuple[float, float, str]]:
    """Without gaps from 0 to the end: what nothing lies in has an empty label."""
    at = 0.0
    for start, end, text in labels:
        if start > at:
            yield at, start, ""
        yield start, end, text
        at = end
    if seconds > at:
        yield at, seconds, ""
