"""Layouts of corpora beside LibriSpeech's: each is read as its own tools read it, or refused."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import soundfile

from tests.support.corpus import RATE, tone, write_corpus, write_tar
from wav2vec2_tf.audio.discover import audio_below
from wav2vec2_tf.data.columns import Columns
from wav2vec2_tf.data.corpus import Corpus, open_corpus, recordings_of
from wav2vec2_tf.data.make_shards import make
from wav2vec2_tf.utils.errors import UserError

SPEECH = tone(64000)
PARTS = [(0.5, 1.285, "OF JUDAH"), (2.0, 1.0, "AND FROM"), (3.18, 0.52, "THE")]
"""Offset, duration and text of the parts of a recording."""
TEXTS = ["ONE", "TWO TWO", "THREE"]


def refusal(spec: object, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(str(spec), **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 2000
    return message


def loaded(corpus: Corpus) -> dict[str, np.ndarray]:
    """Returns the speech by id; asserts that it has the counted length and the known texts."""
    found = {}
    for utterance in corpus:
        found[utterance.id] = utterance.load()
        assert utterance.samples() == len(found[utterance.id])
        assert utterance.text == corpus.texts[utterance.id]
    assert list(found) == list(corpus.texts)
    return found


def part(offset: float, duration: float) -> np.ndarray:
    """Returns a part of the recording, cut by hand."""
    start = round(offset * RATE)
    return SPEECH[start : start + round(duration * RATE)]


def write(path: Path, text: str, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="", **options)
    return path


def write_tones(folder: Path, names: Sequence[str]) -> dict[str, int]:
    """Writes a file for each name; returns their numbers of samples."""
    lengths = {name: 5000 + 1000 * number for number, name in enumerate(names)}
    for name, samples in lengths.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, tone(samples), RATE)
    return lengths


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A recording of 4 seconds."""
    soundfile.write(tmp_path / "long.wav", SPEECH, RATE, "FLOAT")
    return tmp_path / "long.wav"


# Parts of recordings


def written(folder: Path, form: str, rows: Sequence[dict[str, Any]]) -> Path:
    if form in ("jsonl", "json"):
        return write(folder / f"m.{form}", "".join(json.dumps(row) + "\n" for row in rows))
    if form == "json array":
        return write(folder / "m.json", json.dumps(rows, indent=1))
    if form == "parquet":
        parquet.write_table(pa.Table.from_pylist(list(rows)), folder / "m.parquet")
        return folder / "m.parquet"
    mark = "\t" if form == "tsv" else ","
    lines = [mark.join(rows[0]), *(mark.join(map(str, row.values())) for row in rows)]
    return write(folder / f"m.{form}", "\r\n".join(lines))


@pytest.mark.parametrize("form", ["jsonl", "json", "json array", "tsv", "csv", "parquet"])
@pytest.mark.parametrize("columns", ["offset duration", "start end", "offset duration end"])
def test_parts_of_one_recording(long: Path, form: str, columns: str) -> None:
    """NeMo's manifests, in every form: offset and duration are honoured, and ids differ."""
    rows = []
    for offset, duration, text in PARTS:
        values = {"offset": offset, "start": offset, "duration": duration, "end": offset + duration}
        chosen = {name: values[name] for name in columns.split()}
        rows.append({"audio_filepath": "long.wav", **chosen, "text": text})
    path = written(long.parent, form, rows)
    corpus = open_corpus(str(path), cache_dir=str(long.parent / "cache"))
    assert list(corpus.texts.values()) == [text for *_, text in PARTS]
    for speech, (offset, duration, _) in zip(loaded(corpus).values(), PARTS, strict=True):
        np.testing.assert_array_equal(speech, part(offset, duration))
    if form != "parquet":  # whose rows are numbered
        assert list(corpus.texts) == [
            "long.wav@0.5-1.785", "long.wav@2-3", "long.wav@3.18-3.7"
        ]  # fmt: skip


def test_parts_may_be_half_open_and_named(long: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"duration": 1.5},
        {"utt_id": "tail", "offset": 3.0},
        {"id": "head", "end": 1.0},
        {"id": "all", "offset": None, "duration": None},
        {"id": "text", "offset": "1.5", "duration": "0.25"},
    ]
    named = [{"audio_filepath": "long.wav", "text": "A", **row} for row in rows]
    found = loaded(open_corpus(str(written(long.parent, "jsonl", named))))
    expected = {
        "long.wav": SPEECH[:24000],
        "tail": SPEECH[48000:],
        "head": SPEECH[:16000],
        "all": SPEECH,
        "text": SPEECH[24000:28000],
    }
    assert list(found) == list(expected)
    for key, speech in expected.items():
        np.testing.assert_array_equal(found[key], speech)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"offset": -1}, "offset must be 0 or more"),
        ({"offset": "1,5"}, "offset must be a number of seconds, got '1,5'"),
        ({"offset": float("nan")}, "offset must be a number"),
        ({"offset": 10**400}, "offset must be a number"),
        ({"offset": True}, "offset must be a number"),
        ({"duration": 0}, "duration must be above 0"),
        ({"start": 2, "end": 1}, "end must be after the start"),
        ({"start": 0, "end": 1, "duration": 2}, "end 1 contradicts duration 2"),
        ({"start": 0, "offset": 1}, "offset and start contradict each other"),
        ({"start_ms": 500, "end_ms": 700}, "column 'start_ms' selects a part in an unknown unit"),
        ({"offset_samples": 5}, "in an unknown unit"),
    ],
)
def test_columns_that_are_no_part_are_refused(
    long: Path, columns: dict[str, Any], complaint: str
) -> None:
    row = {"audio_filepath": "long.wav", "text": "A", **columns}
    message = refusal(written(long.parent, "jsonl", [row]))
    assert "m.jsonl: row 1: " in message
    assert complaint in message


def test_other_columns_do_not_matter(long: Path) -> None:
    more = {"weekend": 3, "start_date": "today", "endless": 1, "channel": "BBC", "stop": ""}
    row = {"audio_filepath": "long.wav", "text": "A", **more}
    assert len(loaded(open_corpus(str(written(long.parent, "jsonl", [row]))))["long.wav"]) == 64000


def test_a_part_beyond_the_end(long: Path) -> None:
    """Half a second is rounding, as in Kaldi; milliseconds taken for seconds are an error."""
    rows: list[dict[str, Any]] = [
        {"audio_filepath": "long.wav", "text": "A", "offset": offset, "duration": duration}
        for offset, duration in [(3.0, 1.4), (3.0, 1.6), (500, 700), (4, 1), (0, 4000)]
    ]
    rows.append({"audio_filepath": "long.wav", "text": "A", "duration": 4000})
    first, *others, last = open_corpus(str(written(long.parent, "jsonl", rows)))
    np.testing.assert_array_equal(first.load(), SPEECH[48000:])
    assert len(last.load()) == last.samples() == 64000  # of a header that is wrong, for example
    for utterance in others:
        for read in (utterance.load, utterance.samples):
            with pytest.raises(UserError, match=r"long\.wav: .*: state offset and duration in sec"):
                read()


def test_a_channel_is_not_mixed_silently(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "two.wav", np.stack([SPEECH, -SPEECH], 1), RATE)
    soundfile.write(tmp_path / "one.wav", SPEECH, RATE)
    rows = [
        {"audio": "one.wav", "text": "A", "channel": 1},
        {"audio": "two.wav", "text": "A", "channel": 1},
    ]
    one, two = open_corpus(str(written(tmp_path, "jsonl", rows)))
    assert len(one.load()) == one.samples() == 64000
    for read in (two.load, two.samples):
        with pytest.raises(UserError, match=r"two\.wav: channel 1 of 2 is stated"):
            read()


def test_identity_depends_on_parts_and_columns(long: Path) -> None:
    row = {"audio": "long.wav", "text": "A", "words": "B"}
    identities = set()
    for more in ({}, {"offset": 1.0}, {"offset": 1.5}, {"duration": 1.5}):
        path = written(long.parent, "jsonl", [{**row, **more}])
        os.utime(path, (0, 0))
        path.write_text(path.read_text().rstrip() + " " * (99 - len(path.read_text())))
        os.utime(path, (0, 0))
        identities.add(open_corpus(str(path)).identity)
        identities.add(open_corpus(str(path), columns=Columns(text_column="words")).identity)
    assert len(identities) == 8
    (utterance,) = open_corpus(str(path))
    assert "1.5" in utterance.fingerprint()


# Manifests


def test_names_of_files_in_manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute, in the home folder, with Windows' separators, and in another Unicode form."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    nfd, nfc = (unicodedata.normalize(form, "é/été.wav") for form in ("NFD", "NFC"))
    names = ["a/b c.wav", "home/h.wav", nfd, "n/né.wav"]
    lengths = list(write_tones(tmp_path, names).values())
    mixed = "n/" + unicodedata.normalize("NFD", "né.wav")
    rows = [f"{tmp_path}/a/b c.wav", "~/h.wav", nfc, mixed, ".\\a\\b c.wav"]
    table = "\ufeffpath\tsentence\r\n" + "".join(f"{name}\tA\r\n" for name in rows)
    found = loaded(open_corpus(str(write(tmp_path / "m.tsv", table))))
    assert list(found) == rows
    assert [len(speech) for speech in found.values()] == [*lengths, lengths[0]]


def test_a_table_with_more_fields_than_its_header(tmp_path: Path) -> None:
    """What lies beyond the header would be cut off the text."""
    write_tones(tmp_path, ["a.wav"])
    message = refusal(write(tmp_path / "m.csv", "path,text\na.wav,HELLO, WORLD\n"))
    assert "line 2 has more fields than the header" in message
    assert len(open_corpus(str(write(tmp_path / "m.csv", "path,text\na.wav,HELLO,,\n")))) == 1
    message = refusal(write(tmp_path / "m.csv", "path,text,text\na.wav,A,B\n"))
    assert "a column occurs twice" in message


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("m.csv", 'path;text\r\na.wav;"A; B, C"\r\n;\r\n'),  # a spreadsheet where 1,5 is a number
        ("m.csv", "path\ttext\na.wav\tA; B, C\n"),
        ("m.tsv", 'path,text\na.wav,"A; B, C"\n'),
        ("m.tsv", "path\ttext\na.wav\tA; B, C\n\n  \n"),
    ],
)
def test_the_header_says_what_separates_columns(tmp_path: Path, name: str, table: str) -> None:
    write_tones(tmp_path, ["a.wav"])
    assert open_corpus(str(write(tmp_path / name, table))).texts == {"a.wav": "A; B, C"}


def test_a_file_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests have millions of rows, and files may be behind a network."""
    write_tones(tmp_path, ["a.wav"])
    path = write(tmp_path / "m.csv", "path,text\na.wav,A\n")
    asked, stat = [], os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        asked.append(str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", counted)
    open_corpus(str(path))
    assert asked.count(str(tmp_path / "a.wav")) == 1


def test_values_that_are_no_text_or_file(tmp_path: Path) -> None:
    write_tones(tmp_path, ["a.wav", "b.wav"])
    rows: list[dict[str, Any]] = [
        {"audio": {"path": "a.wav", "bytes": None}, "text": 7},
        *({"audio": "b.wav", "text": text} for text in (["A"], {"a": "A"}, True, float("nan"))),
        {"audio": ["a.wav"], "text": "A"},
        *({"audio": name, "text": "A"} for name in ("~\0", "é\0.wav", "n" * 300, "~nobody/é.wav")),
    ]
    message = refusal(written(tmp_path, "jsonl", rows))
    assert "audio without transcript: 4 ('b.wav', 'b.wav', 'b.wav', …)" in message
    assert "rows without audio: 5 ('row 6'" in message
    assert open_corpus(str(written(tmp_path, "jsonl", rows[:1]))).texts == {"a.wav": "7"}


def test_named_columns(tmp_path: Path) -> None:
    """VoxPopuli calls its texts normalized_text; a manifest may have several of a kind."""
    lengths = write_tones(tmp_path, ["a.wav", "b.wav"])
    table = "audio_id\tpath\tmine\tnormalized_text\n0\ta.wav\tb.wav\tof judah\n"
    path = write(tmp_path / "m.tsv", table)
    assert "'normalized_text': name one with --text-column" in refusal(path)
    columns = Columns(text_column="normalized_text", audio_column="mine")
    corpus = open_corpus(str(path), columns=columns)
    assert corpus.texts == {"b.wav": "of judah"}
    assert [len(speech) for speech in loaded(corpus).values()] == [lengths["b.wav"]]
    message = refusal(path, columns=Columns(text_column="normalised_text"))
    assert "no column 'normalised_text'" in message
    assert "did you mean normalized_text?" in message
    folder = write_corpus(tmp_path / "libri")
    columns = Columns(text_column="text")
    assert "--text-column is for manifests" in refusal(folder, columns=columns)


# Common Voice


def write_common_voice(folder: Path) -> dict[str, int]:
    lengths = write_tones(folder / "clips", [f"common_voice_xy_{n}.mp3" for n in range(3)])
    names = list(lengths)
    header = "client_id\tpath\tsentence\tup_votes\tsegment\n"
    for split, chosen in (("train", names[:2]), ("dev", names[2:]), ("validated", names)):
        rows = [f'c\t{name}\t"{name[-5]}\t2\t\n' for name in chosen]
        write(folder / f"{split}.tsv", header + "".join(rows))
    write(folder / "reported.tsv", "sentence_id\tsentence\treason\n1\tA\tB\n")
    write(folder / "clip_durations.tsv", "clip\tduration[ms]\na.mp3\t10\n")
    return lengths


def test_common_voice(tmp_path: Path) -> None:
    lengths = write_common_voice(tmp_path / "xy")
    names = list(lengths)
    for spec, split, expected in (
        (tmp_path / "xy", "validated", names),
        (tmp_path / "xy", "train", names[:2]),
        (tmp_path / "xy", "validation", names[2:]),  # the name that `datasets` has for dev
        (tmp_path / "xy" / "train.tsv", None, names[:2]),
    ):
        corpus = open_corpus(str(spec), split=split)
        assert list(loaded(corpus)) == expected
        assert list(corpus.texts.values()) == [f'"{name[-5]}' for name in expected]
    message = refusal(tmp_path / "xy")
    assert "several splits; choose with --split from dev, train, validated" in message
    assert "no split 'test'" in refusal(tmp_path / "xy", split="test")
    speech = open_corpus(str(tmp_path / "xy"), transcribed=False)
    assert list(speech.texts) == [f"clips/{name}" for name in names]


def test_common_voice_of_a_release_without_endings(tmp_path: Path) -> None:
    lengths = write_tones(tmp_path / "clips", ["c1.mp3", "c.2.mp3"])
    table = write(tmp_path / "train.tsv", "path\tsentence\nc1\tONE\nc.2.mp3\tTWO\n")
    found = loaded(open_corpus(str(table)))
    assert [len(speech) for speech in found.values()] == list(lengths.values())


def test_an_archive_of_common_voice(tmp_path: Path) -> None:
    """It is published as one. It is read in the order of the archive."""
    lengths = write_common_voice(tmp_path / "xy")
    archive = tmp_path / "cv.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "xy", "cv-corpus/xy")
    identities = set()
    for split, numbers in {"train": [0, 1], "validation": [2], "validated": [0, 1, 2]}.items():
        corpus = open_corpus(str(archive), split=split)
        names = [f"common_voice_xy_{number}" for number in numbers]
        assert corpus.texts == {name: f'"{name[-1]}' for name in names}
        assert {key: len(speech) for key, speech in loaded(corpus).items()} == {
            name: lengths[f"{name}.mp3"] for name in names
        }
        identities.add(corpus.identity)
    assert len(identities) == 3
    assert "several splits; choose with --split from dev, train, validated" in refusal(archive)
    assert "no split 'test'; choose with --split from dev, " in refusal(archive, split="test")
    (tmp_path / "xy" / "clips" / "common_voice_xy_0.mp3").unlink()
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "xy", "cv-corpus/xy")
    message = refusal(archive, split="train")
    assert "transcripts without audio: 1 ('common_voice_xy_0')" in message


def test_archives_that_must_be_unpacked(tmp_path: Path) -> None:
    write_tones(tmp_path, ["a.wav"])
    write(tmp_path / "metadata.csv", "file_name,text\na.wav,A\n")
    for name in ("f.tar.gz", "f.tar.bz2", "f.zip"):
        kind = name.partition(".")[2]
        with tarfile.open(tmp_path / name, "w:gz" if kind == "tar.gz" else "w") as file:
            file.add(tmp_path / "a.wav", "a.wav")
            file.add(tmp_path / "metadata.csv", "metadata.csv")
        assert "unpack" in refusal(tmp_path / name)


# AudioFolder


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_audio_folder(tmp_path: Path, form: str, caplog: pytest.LogCaptureFixture) -> None:
    lengths = write_tones(tmp_path, ["data/a.wav", "b.flac", "unnamed.wav"])
    rows = [
        {"file_name": "b.flac", "transcription": "TWO", "words": "2"},
        {"file_name": "data/a.wav", "transcription": "ONE", "words": "1"},
    ]
    written(tmp_path, form, rows).rename(tmp_path / f"metadata.{form}")
    corpus = open_corpus(str(tmp_path))
    assert corpus.kind == "AudioFolder"
    assert dict(corpus.texts) == {"b.flac": "TWO", "data/a.wav": "ONE"}
    assert {key: len(speech) for key, speech in loaded(corpus).items()} == {
        key: lengths[key] for key in corpus.texts
    }
    assert caplog.messages == [f"{tmp_path}: skipped 1 files that no metadata names"]
    other = open_corpus(str(tmp_path), columns=Columns(text_column="words"))
    assert list(other.texts.values()) == ["2", "1"]
    assert other.identity != corpus.identity
    (tmp_path / "b.flac").unlink()
    assert "rows without audio: 1 ('b.flac')" in refusal(tmp_path)


def test_audio_folder_with_splits(tmp_path: Path) -> None:
    """Splits are folders, with metadata of their own or beside them, as in `datasets`."""
    write_tones(tmp_path, ["train/a.wav", "validation/x/a.wav"])
    for place in ("train", "validation/x"):
        write(tmp_path / place / "metadata.csv", f"file_name,text\na.wav,{place.upper()}\n")
    beside = tmp_path / "beside"
    shutil.copytree(tmp_path / "train", beside / "train")
    shutil.copytree(tmp_path / "validation", beside / "Test")
    for metadata in beside.rglob("metadata.csv"):
        metadata.unlink()
    write(beside / "metadata.jsonl", '{"file_name": "train/a.wav", "text": "A"}\n'
          '{"file_name": "Test/x/a.wav", "text": "B"}\n')  # fmt: skip
    for folder, split, texts in (
        (tmp_path, "train", {"train/a.wav": "TRAIN"}),
        (tmp_path, "dev", {"validation/x/a.wav": "VALIDATION/X"}),
        (beside, "test", {"Test/x/a.wav": "B"}),
        (tmp_path / "validation", "validation", {"x/a.wav": "VALIDATION/X"}),
    ):
        if folder == tmp_path / "validation":
            assert dict(open_corpus(str(folder)).texts) == texts  # the whole folder
            continue
        source = folder
        if folder == tmp_path:
            source = tmp_path.parent / "apart"
            shutil.rmtree(source, ignore_errors=True)
            shutil.copytree(tmp_path, source, ignore=shutil.ignore_patterns("beside"))
        assert dict(open_corpus(str(source), split=split).texts) == texts
        assert "several splits" in refusal(source)


# Kaldi


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Writes the files that have a content, and returns the folder."""
    for name, content in files.items():
        if content:
            write(folder / name, content)
    return folder


def write_kaldi(folder: Path, **more: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "long.wav", SPEECH, RATE, "FLOAT")
    files = {
        "wav.scp": "rec1 long.wav\n",
        "segments": "u-1 rec1 0.50 1.78\nu-2\trec1  2.25 -1.000\n",
        "text": "u-1 OF JUDAH\nu-2\tAND  FROM\n",
        "utt2spk": "u-1 s\nu-2 s\n",
        **more,
    }
    return write_files(folder, files)


def test_kaldi(tmp_path: Path) -> None:
    folder = write_kaldi(tmp_path / "data")
    for spec in (folder, folder / "wav.scp"):
        corpus = open_corpus(str(spec))
        assert dict(corpus.texts) == {"u-1": "OF JUDAH", "u-2": "AND  FROM"}
        found = loaded(corpus)
        np.testing.assert_array_equal(found["u-1"], part(0.5, 1.28))
        np.testing.assert_array_equal(found["u-2"], SPEECH[36000:])
    (folder / "text").unlink()
    assert "no file 'text'" in refusal(folder)
    assert list(loaded(open_corpus(str(folder), transcribed=False))) == ["u-1", "u-2"]


def test_kaldi_without_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings are utterances; files may be relative to the current directory, as in Kaldi."""
    folder = write_kaldi(tmp_path / "data" / "train", segments="", text="rec1 A\nrec2 B\n")
    write(folder / "wav.scp", f"rec1 data/train/long.wav\nrec2\t{folder}/a b.wav \n")
    lengths = write_tones(folder, ["a b.wav"])
    monkeypatch.chdir(tmp_path)
    found = loaded(open_corpus(str(folder)))
    assert [len(found["rec1"]), len(found["rec2"])] == [64000, lengths["a b.wav"]]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"segments": "u-1 rec1 0.5\n"}, "segments: line 1: must have 4 fields"),
        ({"segments": "u-1 rec9 0 1\n"}, "recording 'rec9' is not in wav.scp"),
        ({"segments": "u-1 rec1 0 1\nu-1 rec1 1 2\n"}, "segment 'u-1' occurs twice"),
        ({"segments": "u-1 rec1 2 1\n"}, "end must be after the start"),
        ({"segments": "u-1 rec1 x 1\n"}, "start must be a number"),
        ({"segments": "\n"}, "transcripts without audio: 2 ('u-1', 'u-2')"),
        ({"text": "u-1 A\n"}, "audio without transcript: 1 ('u-2')"),
        ({"wav.scp": "rec1\n"}, "wav.scp: line 1: must have the id of a recording and its file"),
        ({"wav.scp": "rec1 long.wav\nrec1 a.wav\n"}, "occur twice in wav.scp: 1 ('rec1')"),
        ({"wav.scp": "rec1 gone.wav\n"}, "rows without audio: 2"),
        ({"wav.scp": "rec1 long.ark:17\n"}, "audio inside archives"),
        ({"text": "u-1 \xff"}, "text: not UTF-8 text"),
    ],
)
def test_faulty_kaldi(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    folder = write_kaldi(tmp_path / "data")
    for name, content in files.items():
        (folder / name).write_bytes(content.encode("latin-1"))
    assert complaint in refusal(folder)


def test_commands_of_kaldi_are_not_run(tmp_path: Path) -> None:
    folder = write_kaldi(tmp_path / "data")
    write(folder / "wav.scp", f"rec1 touch {tmp_path}/run; cat long.wav |\nrec2 |cat\n")
    message = refusal(folder)
    assert "commands (…|), which are not run (run them yourself, and name the files" in message
    assert "2 ('rec1', 'rec2')" in message
    assert not (tmp_path / "run").exists()


def test_a_channel_of_kaldi(tmp_path: Path) -> None:
    folder = write_kaldi(tmp_path / "data", segments="u-1 rec1 0 1 0\nu-2 rec1 1 2 0\n")
    assert [len(speech) for speech in loaded(open_corpus(str(folder))).values()] == [16000, 16000]
    soundfile.write(folder / "long.wav", np.stack([SPEECH, SPEECH], 1), RATE)
    with pytest.raises(UserError, match="channel 0 of 2"):
        next(iter(open_corpus(str(folder)))).load()


# fairseq


def write_fairseq(folder: Path, **more: str) -> Path:
    lengths = write_tones(folder / "audio", ["a.wav", "b/b.flac"])
    lines = "".join(f"{name}\t{count}\n" for name, count in lengths.items())
    files = {
        "train.tsv": f"audio\n{lines}",
        "train.ltr": "O F | J U D A H |\nA N D |\n",
        "train.wrd": "OF JUDAH\nAND\n",
        "dict.ltr.txt": "| 10\nE 9\n",
        **more,
    }
    return write_files(folder, files)


@pytest.mark.parametrize("labels", ["train.ltr", "train.wrd"])
def test_fairseq_manifest(tmp_path: Path, labels: str) -> None:
    other = {"train.ltr": "train.wrd", "train.wrd": "train.ltr"}[labels]
    folder = write_fairseq(tmp_path, **{other: ""})
    for spec in (folder, folder / "train.tsv"):
        corpus = open_corpus(str(spec))
        assert dict(corpus.texts) == {"a.wav": "OF JUDAH", "b/b.flac": "AND"}
        assert [len(speech) for speech in loaded(corpus).values()] == [5000, 6000]
    (folder / labels).unlink()
    assert "no train.wrd and no train.ltr" in refusal(folder / "train.tsv")
    assert len(loaded(open_corpus(str(folder / "train.tsv"), transcribed=False))) == 2


def test_fairseq_splits_and_roots(tmp_path: Path) -> None:
    folder = write_fairseq(tmp_path)
    table = (folder / "train.tsv").read_text()
    write(folder / "valid.tsv", table.replace("audio\n", f"{folder}/audio\n").replace("\n", "\r\n"))
    write(folder / "valid.wrd", "\nAND\n")  # the first transcript is empty
    assert "several splits; choose with --split from train, valid" in refusal(folder)
    corpus = open_corpus(str(folder), split="valid")
    assert dict(corpus.texts) == {"a.wav": "", "b/b.flac": "AND"}
    assert len(loaded(corpus)) == 2
    assert list(open_corpus(str(folder), transcribed=False).texts) == [
        "audio/a.wav", "audio/b/b.flac"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"train.wrd": "ONE\n"}, "train.wrd must have a line for each of the 2 files, got 1"),
        ({"train.tsv": "audio\na.wav\t5000\nb/b.flac\n"}, "line 3: must have a file and its"),
        ({"train.tsv": "sound\na.wav\t5000\nb/b.flac\t9\n"}, "rows without audio: 2"),
        ({"train.tsv": "audio\na.zip:9:99\t50\nb/b.flac\t9\n"}, "audio inside archives (such as"),
    ],
)
def test_faulty_fairseq_manifest(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    folder = write_fairseq(tmp_path, **files)
    assert complaint in refusal(folder / "train.tsv")


# Arrays in data sets


def write_table(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def arrays_of(kind: Any, arrays: Sequence[Any], rate: int = RATE) -> Any:
    fields = [("array", kind), ("sampling_rate", pa.int64())]
    rows = [{"array": array, "sampling_rate": rate} for array in arrays]
    return pa.array(rows, pa.struct(fields))


def test_arrays_in_parquet(tmp_path: Path) -> None:
    """Arrays with their rate, in one column or two, of floats or 16-bit integers."""
    cache = str(tmp_path / "cache")
    steps = np.rint(SPEECH * 2**15).astype(np.int16)
    stereo = np.stack([SPEECH, SPEECH / 2]).tolist()
    kinds = {
        "double": (arrays_of(pa.list_(pa.float64()), [SPEECH]), SPEECH),
        "int16": (arrays_of(pa.list_(pa.int16()), [steps]), steps / np.float32(2**15)),
        "int64": (arrays_of(pa.list_(pa.int64()), [steps]), steps / np.float32(2**15)),
        "stereo": (arrays_of(pa.list_(pa.list_(pa.float32())), [stereo]), SPEECH * 0.75),
        "large": (arrays_of(pa.large_list(pa.float32()), [SPEECH]), SPEECH),
    }
    for name, (column, expected) in kinds.items():
        path = write_table(tmp_path / f"{name}.parquet", audio=column, text=["A"])
        (speech,) = loaded(open_corpus(str(path), cache_dir=cache)).values()
        np.testing.assert_allclose(speech, expected, atol=1e-7, err_msg=name)
    columns = {"speech": pa.array([SPEECH.tolist()]), "sampling_rate": [8000], "text": ["A"]}
    path = write_table(tmp_path / "two.parquet", **columns)
    corpus = open_corpus(str(path), cache_dir=cache, columns=Columns(audio_column="speech"))
    (speech,) = loaded(corpus).values()
    soundfile.write(tmp_path / "8k.wav", SPEECH, 8000, "FLOAT")
    write(tmp_path / "m.csv", "audio,text\n8k.wav,A\n")
    (expected,) = loaded(open_corpus(str(tmp_path / "m.csv"))).values()
    np.testing.assert_array_equal(speech, expected)


def test_faulty_arrays(tmp_path: Path) -> None:
    cache = {"cache_dir": str(tmp_path / "cache")}

    def path_of(**columns: Any) -> Path:
        return write_table(tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet", **columns)

    rows = [{"array": None, "sampling_rate": 16000}, None]
    kind = pa.struct([("array", pa.list_(pa.float64())), ("sampling_rate", pa.int64())])
    message = refusal(path_of(audio=pa.array(rows, kind), text=["A", "B"]), **cache)
    assert "rows without audio: 2 ('0', '1')" in message
    without = refusal(path_of(audio=[[0.5]], text=["A"]), **cache)
    assert "no sampling rate of its arrays: add a column sampling_rate" in without
    words = arrays_of(pa.list_(pa.string()), [["a"]])
    ragged = arrays_of(pa.list_(pa.list_(pa.float64())), [[[0.5], [0.5, 0.5]]])
    double = pa.list_(pa.float64())
    for column in (
        words,
        ragged,
        arrays_of(double, [[]]),
        arrays_of(double, [[0.5, float("nan")]]),
        arrays_of(double, [[0.5]], rate=0),
        arrays_of(double, [[0.5]], rate=2**40),
    ):
        (utterance,) = open_corpus(str(path_of(audio=column, text=["A"])), **cache)
        with pytest.raises(UserError):
            utterance.load()


def test_rows_that_hold_a_part_already(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """AMI's rows hold their part of a meeting and say where it was; others hold all of it."""
    cache = {"cache_dir": str(tmp_path / "cache")}
    double = pa.list_(pa.float64())
    times = {"begin_time": [10.0, 1.0], "end_time": [14.0, 2.5], "start_ts": [1, 2]}
    column = arrays_of(double, [SPEECH, SPEECH])
    path = write_table(tmp_path / "a.parquet", audio=column, text=["A", "B"], **times)
    cut, inside = open_corpus(str(path), **cache)
    assert "start_ts are not used" in caplog.text
    np.testing.assert_allclose(cut.load(), SPEECH, atol=1e-7)
    np.testing.assert_allclose(inside.load(), part(1.0, 1.5), atol=1e-7)
    assert (cut.samples(), inside.samples()) == (64000, 24000)
    column = arrays_of(double, [SPEECH])
    path = write_table(tmp_path / "b.parquet", audio=column, text=["A"], duration=[3.9])
    (whole,) = open_corpus(str(path), **cache)
    assert whole.samples() == 64000
    path = write_table(tmp_path / "c.parquet", audio=["x.wav"], text=["A"], start_ts=[1.0])
    assert "row 0: column 'start_ts' selects a part" in refusal(path, **cache)


# Names and links


def test_unicode_forms_of_names(tmp_path: Path) -> None:
    """Files copied from macOS have decomposed letters; transcripts have composed ones."""
    nfd, nfc = (unicodedata.normalize(form, "été-0") for form in ("NFD", "NFC"))
    for stem, key in ((nfd, nfc), (nfc, nfd)):
        folder = tmp_path / ("a" if stem == nfd else "b")
        lengths = write_tones(folder, [f"1/{stem}.flac"])
        write(folder / "1" / "1.trans.txt", f"{key} OF JUDAH\n")
        corpus = open_corpus(str(folder))
        assert dict(corpus.texts) == {nfc: "OF JUDAH"}
        assert [len(speech) for speech in loaded(corpus).values()] == list(lengths.values())


@pytest.mark.parametrize("space", ["\t", "  ", " \t", "\u00a0"])
def test_white_space_after_the_id(tmp_path: Path, space: str) -> None:
    write_tones(tmp_path, ["1-2-0000.flac"])
    write(tmp_path / "1-2.trans.txt", f"1-2-0000{space}OF  JUDAH{space}\r\n")
    assert dict(open_corpus(str(tmp_path)).texts) == {"1-2-0000": "OF  JUDAH"}


def test_links_are_followed_without_loops(tmp_path: Path) -> None:
    lengths = write_tones(tmp_path / "real", ["a.wav", "deep/b.wav"])
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "linked").symlink_to(tmp_path / "real")
    (corpus / "again").symlink_to("linked")
    (tmp_path / "real" / "deep" / "loop").symlink_to(corpus)
    (corpus / "self").symlink_to("self")
    (corpus / "file.wav").symlink_to(tmp_path / "real" / "a.wav")
    found = loaded(open_corpus(str(corpus), transcribed=False))
    assert sorted(found) == sorted(
        os.path.relpath(file, corpus) for file in audio_below(str(corpus))
    )
    names = {"file.wav": "a.wav", "again/a.wav": "a.wav", "again/deep/b.wav": "deep/b.wav"}
    assert {key: len(speech) for key, speech in found.items()} == {
        key: lengths[name] for key, name in names.items()
    }
    (corpus / "gone.wav").symlink_to("nothing")
    assert "rows without audio: 1 ('gone.wav')" in refusal(corpus, transcribed=False)
    kept = open_corpus(str(corpus), transcribed=False, keep_missing=True)
    assert (kept.missing, len(kept)) == (("gone.wav",), len(found) + 1)


def test_a_linked_librispeech(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "disk" / "LibriSpeech")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "test-clean").symlink_to(folder)
    assert dict(open_corpus(str(tmp_path / "corpus")).texts) == dict(open_corpus(str(folder)).texts)


# The recordings alone, one by one


def recordings(spec: Path, **options: Any) -> dict[str, Path]:
    return {entry.id: entry.file or Path() for entry in recordings_of(str(spec), **options)}


def test_recordings_are_those_of_the_corpus_without_texts(tmp_path: Path) -> None:
    write_common_voice(tmp_path / "xy")
    write_tones(tmp_path / "af", ["train/a.wav", "test/b.wav"])
    for split, name in (("train", "a"), ("test", "b")):
        write(tmp_path / "af" / split / "metadata.csv", f"file_name,text\n{name}.wav,A\n")
    write_corpus(tmp_path / "ls")
    for spec, split in (
        ("xy", "dev"),
        ("xy", None),
        ("xy/train.tsv", None),
        ("af", "test"),
        ("af", None),
        ("af/train", None),
        ("ls", None),
    ):
        found = recordings(tmp_path / spec, split=split)
        corpus = open_corpus(str(tmp_path / spec), split=split, transcribed=False)
        assert sorted(found) == sorted(corpus.texts), (spec, split)
        assert all(file.is_file() for file in found.values())
    for spec, options, complaint in (
        ("xy", {"split": "test"}, "no split 'test'"),
        ("ls", {"split": "test"}, "--split is for datasets"),
        ("xy/train.tsv", {"split": "train"}, "--split is for datasets"),
        ("ls", {"columns": Columns(audio_column="a")}, "this corpus has no columns"),
        ("gone", {"split": "test"}, "no such manifest, folder or file"),
    ):
        with pytest.raises(UserError, match=complaint):
            recordings(tmp_path / spec, **options)


def test_recordings_that_are_no_files(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", write_corpus(tmp_path / "ls"))
    make([open_corpus(str(tmp_path / "ls"))], tmp_path / "shards")
    for spec in (archive, tmp_path / "shards"):
        with pytest.raises(UserError, match="are not files of their own: unpack it"):
            recordings(spec)
