"""Coverage-guided fuzzing of the readers of corpora: archives, manifests, and their layouts.

`python -m tests.tools.fuzz_corpora SECONDS [FOLDER]`

Run by hand. It ends with libFuzzer's statistics. An input that raises anything but `UserError`,
takes over 5 seconds or 1 GB ends the run and is written to FOLDER (by default the current one).
Needs `pip install atheris` (Python 3.11 or 3.12).

The first byte of an input is the layout of the rest. Where a layout has several files, `SEPARATOR`
divides them.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wav2vec2_tf.data", "wav2vec2_tf.audio.stretch"]):
    from wav2vec2_tf.data import columns
    from wav2vec2_tf.data.corpus import open_corpus
    from wav2vec2_tf.transcription.batch.inputs import inputs_named
    from wav2vec2_tf.utils.errors import UserError

import soundfile

from tests.support.corpus import RATE, tone

SEPARATOR = b"\n====\n"
MAX_BYTES = 8_000
MAX_MESSAGE = 5_000
READ = 3
"""Utterances of each corpus that are loaded."""
LAYOUTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a.tar", ("a.tar",)),
    ("a.tar.gz", ("a.tar.gz",)),
    ("m.tsv", ("m.tsv",)),
    ("m.csv", ("m.csv",)),
    ("m.jsonl", ("m.jsonl",)),
    ("m.json", ("m.json",)),
    (".", ("wav.scp", "segments", "text")),
    ("train.tsv", ("train.tsv", "train.ltr")),
    (".", ("metadata.csv",)),
    (".", ("metadata.jsonl",)),
    (".", ("1.trans.txt",)),
    ("utt_spk_text.tsv", ("utt_spk_text.tsv",)),
    (".", ("train.tsv", "dev.tsv")),
)
"""What is opened, and the files that an input has."""
COMMON_VOICE = len(LAYOUTS) - 1

work = Path(tempfile.mkdtemp())


def test_one_input(data: bytes) -> None:
    """Reads an input in its layout; only `UserError` with one line may be raised."""
    if not data:
        return
    layout = data[0] % len(LAYOUTS)
    spec, names = LAYOUTS[layout]
    folder = work / str(layout)
    for name, content in zip(names, data[1:].split(SEPARATOR), strict=False):
        (folder / name).write_bytes(content)
    for transcribed in (True, False):
        try:
            read_some(str(folder / spec), transcribed, "train" if layout == COMMON_VOICE else None)
        except UserError as error:
            check(error)
    try:
        for one in inputs_named(str(folder / spec)):
            assert one.stretch.offset >= 0
    except UserError as error:
        check(error)


def read_some(spec: str, transcribed: bool, split: str | None) -> None:
    """Opens a corpus and loads its first utterances."""
    corpus = open_corpus(spec, split=split, transcribed=transcribed)
    assert len(corpus) > 0
    for number, utterance in enumerate(corpus):
        assert corpus.texts[utterance.id] == utterance.text
        utterance.id.encode()
        if number < READ:
            try:
                assert len(utterance.load()) == utterance.samples()
            except UserError as error:
                check(error)


def check(error: UserError) -> None:
    """Asserts that an error is one line of a bounded length."""
    assert "\n" not in str(error), repr(error)
    assert len(str(error)) < MAX_MESSAGE, f"{str(error)[:MAX_MESSAGE]} …"


def make_folders() -> None:
    """Makes a folder with some audio for each layout, where each input writes its files."""
    for layout in range(len(LAYOUTS)):
        for name in ("a.wav", "b/é.flac", "audio/a.wav", "clips/a.wav" * (layout == COMMON_VOICE)):
            if name:
                (work / str(layout) / name).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(work / str(layout) / name, tone(1600), RATE)


def tar() -> bytes:
    """Returns an archive with a transcript, a recording, a long name and a pax header."""
    file = io.BytesIO()
    flac = (work / "0" / "b" / "é.flac").read_bytes()
    files = {"x/1.trans.txt": b"1-a ONE\n", "x/1-a.flac": flac, f"{'l' * 120}/n.txt": b""}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mtime = len(content), 1.5
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue().rstrip(b"\0") + bytes(1024)


def write_seeds(folder: Path) -> None:
    """Writes a valid input of each layout."""
    rows = '{"audio_filepath": "a.wav", "offset": 0.02, "duration": 0.05, "text": "ONE"}\n'
    seeds = [
        tar(),
        gzip.compress(tar()),
        b"id\tpath\ttext\toffset\tduration\n1\ta.wav\tONE\t0.02\t0.05\n",
        b'audio,text,start,end\na.wav,"ONE, ""TWO""",0.02,0.05\n',
        rows.encode() * 2,
        f"[{rows.strip()}]".encode(),
        SEPARATOR.join([b"r a.wav\n", b"u r 0.02 0.05\nv r 0.05 -1 1\n", b"u ONE\nv\tTWO\n"]),
        SEPARATOR.join([b"audio\na.wav\t1600\n", b"O N E |\n"]),
        "file_name,text\na.wav,ONE\nb/é.flac,TWO\n".encode(),
        '{"file_name": "b/é.flac", "text": "TWO"}\n'.encode(),
        "a ONE\né\tTWO\n".encode(),
        "a\ts\tONE\né\ts\tTWO\n".encode(),
        SEPARATOR.join([b"client_id\tpath\tsentence\nc\ta.wav\tONE\n"] * 2),
    ]
    for layout, seed in enumerate(seeds):
        (folder / str(layout)).write_bytes(bytes([layout]) + seed)


def write_words(file: Path) -> None:
    """Writes the dictionary from which libFuzzer inserts words: the names that readers know."""
    words = [*columns.ID_COLUMNS, *columns.AUDIO_COLUMNS, *columns.TEXT_COLUMNS]
    words += [*columns.STRETCH_COLUMNS, "start_ms", "-1", "1e400", "NaN", "\\xff", "a.wav", "\\x00"]
    words += ["file_name", "\\xef\\xbb\\xbf", "\\\\ud800", "../", "~", "|", "path=", "size="]
    words += ["GNU.sparse.major", "\\x80\\xff\\xff\\xff\\xff", "null", "true", "[[[[[[[[", "\\x0d"]
    file.write_text("".join(f'"{word}"\n' for word in words))


def main() -> None:
    """Runs libFuzzer."""
    os.environ["PATH"] = ""  # ffmpeg would be asked for each damaged recording, which is slow
    seconds, artifacts = int(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    corpus, seeds, words = work / "corpus", work / "seeds", work / "words"
    corpus.mkdir()
    seeds.mkdir()
    make_folders()
    write_seeds(seeds)
    write_words(words)
    options = {"max_total_time": seconds, "max_len": MAX_BYTES, "timeout": 5, "dict": words}
    options |= {"rss_limit_mb": 4096, "malloc_limit_mb": 1024, "print_final_stats": 1}
    options |= {"artifact_prefix": f"{artifacts}/", "verbosity": 1}
    flags = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, str(corpus), str(seeds)], test_one_input)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
