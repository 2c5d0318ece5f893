"""Transcript files: their lines, and how they are matched with the audio."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.utterances import decode_utf8, refuse_faults
from wav2vec2_tf.utils.errors import UserError

TRANSCRIPT_SUFFIX = ".trans.txt"
"""Ending of LibriSpeech's transcript files."""
TRANSCRIPT_TABLE = "utt_spk_text"
"""Name, without `.tsv`, of the transcript table in OpenSLR's data sets of one language."""


def is_transcript(name: str) -> bool:
    """Whether a file of this name holds transcripts in one of the two layouts."""
    return name.endswith(TRANSCRIPT_SUFFIX) or name == f"{TRANSCRIPT_TABLE}.tsv"


def transcript_lines(source: str, name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yields the ids and texts in a transcript file `name`; errors name `source`."""
    for place, line in numbered_lines(source, content):
        if name.endswith(TRANSCRIPT_SUFFIX):
            yield id_and_rest(line)
            continue
        columns = line.split("\t", 2)
        if len(columns) != 3:
            raise UserError(
                f"{place} must have 3 columns separated by tabs (utterance, speaker, text), got "
                f"{len(columns)}"
            )
        yield columns[0].strip(), columns[2].strip()


def numbered_lines(source: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Yields each line that is not blank, without its end, after its place for messages."""
    for number, line in enumerate(io.StringIO(decode_utf8(source, content)), start=1):
        if line.strip():
            yield f"{source}: line {number}", line.rstrip("\r\n")


def id_and_rest(line: str) -> tuple[str, str]:
    """Returns the id that a line starts with, and what follows after white space of any kind."""
    key, rest = [*line.split(None, 1), "", ""][:2]
    return key, rest.strip()


class Pairs:
    """Transcripts and recordings that are matched by their ids, in one Unicode form.

    An id that occurs again is held once, so that repetitions take no memory.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._audio: dict[str, None] = {}
        self._repeated: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._texts or self._audio)

    def add_text(self, key: str, text: str) -> None:
        """Adds a transcript."""
        key = as_id(key)
        if key in self._texts:
            self._repeated[key] = None
        self._texts[key] = text

    def add_texts(self, other: Pairs) -> None:
        """Adds all transcripts of `other`."""
        self._texts |= other._texts
        self._repeated |= other._repeated

    def add_audio(self, key: str) -> None:
        """Adds a recording."""
        key = as_id(key)
        if key in self._audio:
            self._repeated[key] = None
        self._audio[key] = None

    def matched(
        self, spec: str, *, transcribed: bool = True, selected: bool = False
    ) -> dict[str, str]:
        """Returns transcripts by id in the order of the recordings; "" unless `transcribed`.

        Args:
            spec: the corpus as the user named it.
            transcribed: whether there are transcripts.
            selected: whether they are of some of the recordings, and the others are left out.

        Raises:
            UserError: a transcript lacks audio, audio lacks a transcript, or an id occurs twice.
        """
        texts, audio = self._texts, self._audio
        if not transcribed:
            texts = dict.fromkeys(audio, "")
        if selected:
            audio = {key: None for key in audio if key in texts}
        refuse_faults(
            spec,
            ("transcripts without audio", [key for key in texts if key not in audio]),
            ("audio without transcript", [key for key in audio if key not in texts]),
            ("ids that occur twice", list(self._repeated)),
        )
        return {key: texts[key] for key in audio}


def match(spec: str, lines: Iterable[tuple[str, str]], audio: Iterable[str]) -> dict[str, str]:
    """Returns transcripts by id in the order of the ids in `audio`, see `Pairs`."""
    pairs = Pairs()
    for key, text in lines:
        pairs.add_text(key, text)
    for key in audio:
        pairs.add_audio(key)
    return pairs.matched(spec)
