"""A small corpus in every format, and a recognizer that needs no model."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
# id → (text, samples); all lengths differ, since Parrot recognizes utterances by length
SPOKEN = {
    "11-7-0000": ("IN THE BEGINNING", 6000),
    "11-7-0001": ("AND THE EARTH WAS WITHOUT FORM", 16000),
    "11-8-0000": ("LET THERE BE LIGHT", 9000),
    "12-3-0000": ("AND THERE WAS LIGHT AND IT WAS GOOD", 24001),
    "12-3-0001": ("GOOD", 1600),
    "12-3-0002": ("THE EVENING AND THE MORNING WERE THE FIRST DAY", 33000),
    "12-3-0003": ("BE STILL", 5000),
}


def tone(samples: int) -> np.ndarray:
    """Returns a sine whose pitch depends on its length."""
    return (0.3 * np.sin(np.arange(samples) * (samples % 97 + 20) / 400)).astype(np.float32)


def write_corpus(folder: Path, spoken: dict[str, tuple[str, int]] = SPOKEN) -> Path:
    """Writes speaker/chapter/*.flac and *.trans.txt below `folder`."""
    for key, (text, samples) in spoken.items():
        speaker, chapter, _ = key.split("-")
        place = folder / speaker / chapter
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"{key}.flac", tone(samples), RATE)
        with open(place / f"{speaker}-{chapter}.trans.txt", "a", encoding="utf-8") as file:
            file.write(f"{key} {text}\n")
    return folder


def write_tar(path: Path, folder: Path, *, last_first: bool = False) -> Path:
    """Writes the corpus as an archive like OpenSLR's, optionally in reverse order."""
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(folder.rglob("*"), reverse=last_first):
            name = f"LibriSpeech/test-clean/{file.relative_to(folder)}"
            archive.add(file, name, recursive=False)
    return path


def write_parquet(path: Path, folder: Path) -> Path:
    """Writes the corpus with the columns and metadata of the `librispeech_asr` parquet files."""
    import pyarrow as pa
    import pyarrow.parquet

    audio = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"file": pa.string(), "audio": audio, "text": pa.string()}
    columns |= {"speaker_id": pa.int64(), "chapter_id": pa.int64(), "id": pa.string()}
    features: dict[str, object] = {
        name: {"dtype": str(kind), "_type": "Value"} for name, kind in columns.items()
    }
    features["audio"] = {"sampling_rate": RATE, "_type": "Audio"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = []
    for transcript in sorted(folder.rglob("*.trans.txt")):
        for line in transcript.read_text(encoding="utf-8").splitlines():
            key, _, text = line.partition(" ")
            speaker, chapter, _ = key.split("-")
            file = transcript.parent / f"{key}.flac"
            rows.append(
                {
                    "file": file.name,
                    "audio": {"bytes": file.read_bytes(), "path": file.name},
                    "text": text,
                    "speaker_id": int(speaker),
                    "chapter_id": int(chapter),
                    "id": key,
                }
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=pa.schema(columns.items(), metadata=metadata))
    pyarrow.parquet.write_table(table, path)
    return path


@dataclass
class Text:
    """A transcript with nothing but its text."""

    text: str


@dataclass
class Parrot:
    """Recognizes utterances by their number of samples.

    Padding without lengths makes it add a word; for a cut utterance it returns the share of the
    words that is left of the samples. `answers` are transcripts that differ from the references.
    """

    spoken: dict[str, tuple[str, int]] = field(default_factory=lambda: SPOKEN)
    answers: dict[str, str] = field(default_factory=dict)
    fixed_length: int | None = None
    takes_lengths: bool = True
    minimum_length: int = 400
    characters: frozenset[str] = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")
    calls: list[tuple[int, int, bool]] = field(default_factory=list)  # rows, length, masked
    received: list[int] = field(default_factory=list)  # samples

    def transcribe(self, speech: Sequence[np.ndarray], *, length: int, masked: bool) -> list[Text]:
        """Returns the transcripts of utterances, and records the call."""
        self.calls.append((len(speech), length, masked))
        self.received += [len(samples) for samples in speech]
        return [self._text(len(samples), length, masked) for samples in speech]

    def _text(self, samples: int, length: int, masked: bool) -> Text:
        key = next(key for key, (_, count) in self.spoken.items() if count == samples)
        words = self.answers.get(key, self.spoken[key][0]).split()
        if samples > length:
            words = words[: len(words) * length // samples]
        elif samples < length and not masked:
            words.append("UH")
        return Text(" ".join(words))


def bucket(samples: int) -> int:
    """Returns the number of samples rounded up to 0.5 s, to get few sizes."""
    return -(-samples // 8000) * 8000
