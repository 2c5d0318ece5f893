"""fairseq's manifests: `train.tsv`, with `train.wrd` or `train.ltr` beside it.

The first line of a table is the folder of the audio; each other line has a file and its number of
frames. Line for line, `.wrd` has the words, and `.ltr` the letters, with `|` between words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wav2vec2_tf.data.paths import expanded, located
from wav2vec2_tf.data.transcripts import numbered_lines
from wav2vec2_tf.data.utterances import Entry, Listing, decode_utf8, read_file
from wav2vec2_tf.utils.errors import UserError, brief
from wav2vec2_tf.utils.files import encodable

LABELS = (".wrd", ".ltr")
"""Endings of files of transcripts, the first of which is read if there are both."""
WORD_SEPARATOR = "|"
HEAD_BYTES = 1 << 16


def is_fairseq_manifest(path: Path) -> bool:
    """Whether a table is fairseq's: one field in the first line, a file and a count in the next."""
    if path.suffix.lower() != ".tsv":
        return False
    try:
        with open(path, "rb") as file:
            lines = file.read(HEAD_BYTES).decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return False
    if len(lines) < 2 or "\t" in lines[0]:
        return False
    fields = lines[1].split("\t")
    return len(fields) == 2 and fields[1].strip().isdecimal()


def fairseq_manifests(folder: Path) -> dict[str, Path]:
    """Returns fairseq's manifests with transcripts in a folder, by the names of their splits."""
    return {
        path.stem: path
        for path in sorted(folder.glob("*.tsv"))
        if _labels(path) and is_fairseq_manifest(path)
    }


def fairseq_listing(spec: str, path: Path, transcribed: bool) -> Listing:
    """Returns what a manifest of fairseq lists; see `open_corpus`."""
    entries = _entries(path)
    if not transcribed:
        return Listing("fairseq manifest", entries, (path,))
    labels = _labels(path)
    if not labels:
        names = " and no ".join(f"{path.stem}{ending}" for ending in LABELS)
        raise UserError(f"{spec}: no {names} with the transcripts beside it")
    with_texts = _with_texts(spec, list(entries), labels[0])
    return Listing("fairseq manifest", with_texts, (path, labels[0]))


def _entries(path: Path) -> Iterator[Entry]:
    """Yields an entry without text for each line of a manifest; ids are the names of files.

    Raises:
        UserError: a line is invalid.
    """
    lines = numbered_lines(str(path), read_file(path))
    _, root = next(lines, ("", ""))
    folders = [path.absolute().parent / expanded(root.strip())]
    for place, line in lines:
        name, separator, frames = line.partition("\t")
        if not separator or not frames.strip().isdecimal() or not encodable(name):
            raise UserError(
                f"{place}: must have a file and its number of frames, separated by a tab, got "
                f"{brief(line)}"
            )
        file, stamp = located(name, folders)
        yield Entry(name, "", file, stamp=stamp)


def _labels(path: Path) -> list[Path]:
    """Returns the files of transcripts beside a manifest."""
    return [file for ending in LABELS if (file := path.with_suffix(ending)).is_file()]


def _with_texts(spec: str, entries: Sequence[Entry], labels: Path) -> list[Entry]:
    content = decode_utf8(str(labels), read_file(labels)).removesuffix("\n")
    texts = [line.strip() for line in content.split("\n")]
    if len(texts) != len(entries):
        raise UserError(
            f"{spec}: {labels.name} must have a line for each of the {len(entries)} files, got "
            f"{len(texts)}"
        )
    if labels.suffix == ".ltr":
        texts = ["".join(text.split()).replace(WORD_SEPARATOR, " ").strip() for text in texts]
    return [replace(entry, text=text) for entry, text in zip(entries, texts, strict=True)]
