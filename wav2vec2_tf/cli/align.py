"""Finds when each word and character of a known text is spoken in a recording.

All of the recording is aligned to all of the text, even if it is hours long. In the text, "*"
stands for speech that is not written down. Words that the vocabulary cannot spell in full, such as
those with digits, are aligned by a wildcard and marked.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wav2vec2_tf.checkpoint.hub import ProcessorOption
from wav2vec2_tf.cli.flags import add_flags, options_from
from wav2vec2_tf.cli.shared import add_hub_flags, add_model_flags, hub_options
from wav2vec2_tf.transcription.options import TranscribeOptions
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import require_writable, same_file, write_whole
from wav2vec2_tf.utils.progress import ProgressBar

if TYPE_CHECKING:
    from wav2vec2_tf.transcription.result import Transcription

log = logging.getLogger(__name__)

ENDINGS = {"json": "json", "textgrid": "TextGrid", "srt": "srt", "vtt": "vtt", "tsv": "tsv"}
"""Format → the ending of its files."""
MAXIMUM_BYTES = 2**26  # of a text: the longest novels have a tenth of it
LISTED_WORDS = 5  # of many words, how many a message lists
BARS = {
    "model": "computes {percentage:3.0f}% {bar:30} {remaining} left",
    "alignment": "aligns {percentage:3.0f}% {bar:30} {remaining} left",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `align`."""
    parser.epilog = "example: wav2vec2-tf align talk.mp3 talk.txt -o talk.TextGrid"
    parser.add_argument("audio", help="a recording, see `transcribe`")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "text_file",
        nargs="?",
        metavar="TEXT",
        help="the words of the recording: a file in UTF-8, or - for standard input",
    )
    given.add_argument("--text", metavar="WORDS", help="the words themselves")
    add_model_flags(parser)
    add_flags(parser, ProcessorOption)
    parser.add_argument(
        "--format",
        choices=ENDINGS,
        help="JSON object with words and characters, Praat's TextGrid, subtitles, or a table of "
        "words (default: by the ending of OUT, or else json)",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file to write (default: standard output)"
    )
    add_hub_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs `align` and returns 0."""
    from wav2vec2_tf.audio.discover import STANDARD_INPUT, AudioFile

    if args.audio == args.text_file == STANDARD_INPUT:
        raise UserError(
            "standard input can be the recording or the text, not both: give a file for the other"
        )
    if args.output is not None:
        _check_output(Path(args.output), filter(None, (args.audio, args.text_file)))
    kind = args.format or _format_of(args.output)
    text = _read(args.text_file) if args.text is None else args.text

    from wav2vec2_tf.transcription.align import align

    audio = AudioFile.named(args.audio)
    with audio.opened() as path, _Progress() as progress:
        aligned = align(
            path,
            text,
            args.model,
            options_from(TranscribeOptions, args),
            target_lang=args.target_lang,
            hub=hub_options(args),
            progress=progress,
        )
    _list_wildcards(args.audio, aligned)
    content = replace(aligned, source=args.audio).render(kind)
    if args.output is None:
        sys.stdout.write(content)
    else:
        write_whole(Path(args.output), content)
    return 0


def _check_output(output: Path, inputs: Iterable[str]) -> None:
    """Raises `UserError` if the result cannot be written, which is found out before the work."""
    if any(same_file(output, Path(given)) for given in inputs):
        raise UserError(f"-o {output}: is what is aligned: name another output")
    if output.is_dir():
        raise UserError(f"-o {output}: is a folder: name a file")
    require_writable(output)


class _Progress(ExitStack):
    """Shows a bar for each of the two stages of `align`."""

    def __init__(self) -> None:
        super().__init__()
        self._stage = ""

    def __call__(self, stage: str, done: float) -> None:
        if stage != self._stage:
            self.close()
            bar = ProgressBar(stage, 1.0, leave=False, bar_format=BARS[stage])
            self._stage, self._bar = stage, self.enter_context(bar)
        self._bar.move_to(done)


def _format_of(output: str | None) -> str:
    """Returns the format that the name of an output asks for; JSON if there is none.

    Raises:
        UserError: its ending is not that of a format.
    """
    if output is None:
        return "json"
    ending = Path(output).suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        raise UserError(
            f"-o {output}: its name does not determine a format; give --format, or a name that "
            f"ends in .{', .'.join(ENDINGS.values())}"
        )
    return ending


def _read(name: str) -> str:
    """Reads a text file, or standard input."""
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
            f"{name}: {reason}; give a file with the words, or the words with --text"
        ) from None
    if len(content) > MAXIMUM_BYTES:
        raise UserError(f"{name}: more than {MAXIMUM_BYTES} bytes; give the text of one recording")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}: invalid UTF-8 at byte {error.start}; save the file in that encoding"
        ) from None


def _list_wildcards(audio: str, aligned: Transcription) -> None:
    """Warns of words with characters that the vocabulary lacks."""
    wild = [word.text for word in aligned.words if getattr(word, "wildcard", False)]
    if wild:
        log.warning(
            "%s: %d of %d words have characters that the vocabulary lacks, aligned by a wildcard: "
            "%s%s; write them out as they are spoken",
            *(audio, len(wild), len(aligned.words), ", ".join(map(repr, wild[:LISTED_WORDS]))),
            ", …" if len(wild) > LISTED_WORDS else "",
        )
