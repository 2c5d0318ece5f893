"""Corpora in tar archives, which are read in place and in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wav2vec2_tf.audio.discover import is_audio
from wav2vec2_tf.data.common_voice import HEADER_BYTES, has_utterances, table_lines
from wav2vec2_tf.data.paths import as_id
from wav2vec2_tf.data.tar import tar_members
from wav2vec2_tf.data.transcripts import (
    TRANSCRIPT_SUFFIX,
    TRANSCRIPT_TABLE,
    Pairs,
    is_transcript,
    transcript_lines,
)
from wav2vec2_tf.data.utterances import (
    Corpus,
    Utterance,
    choose_split,
    is_split,
    make_utterance,
    refuse_split,
)
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import files_identity

MAX_TRANSCRIPT_BYTES = 1 << 26
"""Largest transcript file in an archive; the largest of OpenSLR has a tenth of it."""


def open_archive(spec: str, path: Path, split: str | None, transcribed: bool) -> Corpus:
    """Opens a tar archive of LibriSpeech, OpenSLR or Common Voice, or of audio alone."""

    def key_of(file: PurePosixPath) -> str:
        return as_id(file.stem if transcribed else str(file))

    pairs, tables = Pairs(), dict[str, Pairs]()
    has_transcripts = not transcribed
    for member in tar_members(spec, path):
        name, place = member.path.name, f"{spec}: {brief(str(member.path))}"
        if transcribed and is_transcript(name):
            has_transcripts = True
            for key, text in transcript_lines(place, name, member.read(MAX_TRANSCRIPT_BYTES)):
                pairs.add_text(key, text)
        elif transcribed and member.path.suffix == ".tsv":
            if has_utterances(start := member.start(HEADER_BYTES)):
                table = tables.setdefault(member.path.stem, Pairs())
                if split is None or is_split(member.path.stem, split):
                    for key, text in table_lines(place, start + member.read()):
                        table.add_text(key, text)
        elif is_audio(name):
            pairs.add_audio(key_of(member.path))
    is_common_voice = bool(tables) and not has_transcripts
    if is_common_voice:
        pairs.add_texts(tables[choose_split(spec, split, tables)])
    else:
        refuse_split(spec, split)
    if not pairs:
        raise UserError(f"{spec}: no audio in this archive; name one of speech")
    if not is_common_voice and not has_transcripts:
        raise UserError(
            f"{spec}: no *{TRANSCRIPT_SUFFIX}, no {TRANSCRIPT_TABLE}.tsv and no table of Common "
            "Voice in this archive; unpack one of another layout and name the folder"
        )
    texts = pairs.matched(spec, transcribed=transcribed, selected=is_common_voice)

    def utterances() -> Iterator[Utterance]:
        for member in tar_members(spec, path):
            if is_audio(member.path.name):
                key = key_of(member.path)
                if key in texts:
                    yield make_utterance(key, texts[key], member.read())

    identity = files_identity([path]) + (f" {split}" if is_common_voice else "")
    return Corpus(spec, "archive", texts, identity, utterances, streamed=True)
