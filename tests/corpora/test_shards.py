"""Shards: written atomically, kept on resumption, read by TensorFlow, and always verified."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.support.corpus import SPOKEN, tone, write_corpus, write_parquet, write_tar
from tests.support.errors import one_error
from tests.support.paths import ROOT
from wav2vec2_tf.audio import count_samples, load
from wav2vec2_tf.cli.main import main
from wav2vec2_tf.data.bad_recordings import read_bad
from wav2vec2_tf.data.corpus import Corpus, Utterance, open_corpus
from wav2vec2_tf.data.make_shards import JOURNAL_FILE, check, make, quantize
from wav2vec2_tf.data.shards import (
    MANIFEST_FILE,
    Manifest,
    Record,
    encode_record,
    read_record,
)
from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.files import locked_folder

RECORD_DIGEST = "a3669eb7324fee7bccba8ba90da07ff0bd5b64f03a0708ee79c818b97d17bd15"
"""SHA-256 of a record as version 0.1 wrote it, without TensorFlow."""
PATIENCE = 900  # seconds; a loaded machine is slow to start Python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def corpus(folder: Path) -> Corpus:
    return open_corpus(str(folder))


@pytest.fixture
def made(corpus: Corpus, tmp_path: Path) -> Path:
    """Several shards of two seconds each."""
    make([corpus], tmp_path / "shards", shard_seconds=2)
    return tmp_path / "shards"


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each shard by file name."""
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files(folder).items()
        if name != MANIFEST_FILE
    }


def refusal(spec: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(str(spec))
    message = str(caught.value)
    assert "\n" not in message
    return message


# Writing


def test_what_is_written_is_what_tensorflow_reads(corpus: Corpus, made: Path) -> None:
    names = sorted(str(file) for file in made.glob("*.tfrecord"))
    assert len(names) > 2
    keys = {"id": tf.string, "text": tf.string, "speech": tf.string, "samples": tf.int64}
    features = {name: tf.io.FixedLenFeature([], kind) for name, kind in keys.items()}
    read = tf.data.TFRecordDataset(names).map(lambda r: tf.io.parse_single_example(r, features))
    found = {}
    for record in read:
        speech = tf.io.decode_raw(record["speech"], tf.int16, little_endian=True).numpy()
        samples = int(record["samples"])
        key = record["id"].numpy().decode()
        found[key] = (record["text"].numpy().decode(), samples)
        (file,) = Path(corpus.source).rglob(f"{key}.flac")
        np.testing.assert_array_equal(speech, soundfile.read(file, dtype="int16")[0])
    assert list(found.items()) == sorted(SPOKEN.items())


def test_the_bytes_of_a_record_never_change(tmp_path: Path) -> None:
    """Shards written by earlier versions keep their hashes and can be read."""
    path = tmp_path / "a.tfrecord"
    speech = np.arange(-300, 300, dtype="<i2")
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(encode_record("1-2-0003", "GRÜẞE", speech))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == RECORD_DIGEST
    read = read_record(path, Record("1-2-0003", "GRÜẞE", 600, 0), path.stat().st_size)
    np.testing.assert_array_equal(read, speech / np.float32(32768))


def test_the_manifest_lists_every_shard(corpus: Corpus, made: Path) -> None:
    manifest = json.loads((made / MANIFEST_FILE).read_text())
    assert (manifest["version"], manifest["rate"], manifest["complete"]) == (1, 16000, True)
    assert manifest["sources"] == [
        {"name": corpus.source, "kind": "LibriSpeech folder", "identity": corpus.identity}
    ]
    assert manifest["rules"] == {"shard_seconds": 2}
    listed = digests(made)
    assert [shard["file"] for shard in manifest["shards"]] == list(listed)
    lengths = []
    for shard in manifest["shards"]:
        assert shard["sha256"] == listed[shard["file"]]
        assert shard["bytes"] == (made / shard["file"]).stat().st_size
        assert shard["clipped"] == 0
        lengths.append([record["samples"] for record in shard["records"]])
        assert shard["samples"] == sum(lengths[-1])
    # a shard ends with the utterance that fills it
    assert all(sum(counts) >= 32000 > sum(counts[:-1]) for counts in lengths[:-1])
    assert sum(lengths[-1][:-1]) < 32000


def test_any_number_of_processes(corpus: Corpus, made: Path, tmp_path: Path) -> None:
    make([corpus], tmp_path / "parallel", shard_seconds=2, processes=2)
    assert files(tmp_path / "parallel") == files(made)
    assert check(tmp_path / "parallel", processes=2) == []


@pytest.mark.parametrize("form", ["archive", "parquet", "shards"])
def test_shards_of_every_source(folder: Path, made: Path, tmp_path: Path, form: str) -> None:
    """Workers in other processes receive the utterances by pickling."""
    if form == "archive":
        path = write_tar(tmp_path / "corpus.tar.gz", folder)
    elif form == "parquet":
        path = write_parquet(tmp_path / "corpus.parquet", folder)
    else:
        path = made
    corpus = open_corpus(str(path), cache_dir=str(tmp_path / "cache"))
    make([corpus], tmp_path / "again", shard_seconds=2, processes=2)
    assert digests(tmp_path / "again") == digests(made)


def test_shards_of_speech_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For pre-training, any folder of audio will do; ids are paths in it."""
    for file in folder.rglob("*.trans.txt"):
        file.unlink()
    out = tmp_path / "out"
    command = ["shards", str(folder), str(out), "--processes", "1"]
    assert main(command) == 1
    assert "no *.trans.txt" in one_error(capsys)
    assert main([*command, "--untranscribed"]) == 0
    assert capsys.readouterr().out == f"{out}: 1 shards, 7 utterances, 0.00 h\n"
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.flac"))
    read = open_corpus(str(out), transcribed=False)
    assert dict(read.texts) == dict.fromkeys(names, "")
    for utterance in read:
        speech, _ = soundfile.read(folder / utterance.id, dtype="float32")
        np.testing.assert_array_equal(utterance.load(), speech)
    assert set(open_corpus(str(out)).texts.values()) == {""}


def test_shards_with_texts_can_be_read_without(
    corpus: Corpus, folder: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = open_corpus(str(made), transcribed=False)
    assert list(read.texts) == list(corpus.texts)
    assert {utterance.text for utterance in read} == set(read.texts.values()) == {""}
    before = files(made)
    assert main(["shards", str(folder), str(made), "--shard-seconds", "2", "--untranscribed"]) == 1
    assert "shards of another source" in one_error(capsys)
    assert files(made) == before


def test_several_corpora_follow_each_other(corpus: Corpus, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other", {"90-1-0": ("AGAIN", 5000)})
    make([open_corpus(str(other)), corpus], tmp_path / "both")
    both = open_corpus(str(tmp_path / "both"))
    assert list(both.texts) == ["90-1-0", *sorted(SPOKEN)]
    with pytest.raises(UserError, match=r"7 ids .*'11-7-0000'.*each corpus apart"):
        make([corpus, corpus], tmp_path / "twice")


@given(
    st.lists(
        st.floats(-1.5, 1.5, width=32) | st.integers(-32768, 32767).map(lambda n: n / 32768),
        min_size=1,
    )
)
def test_quantizing(values: list[float]) -> None:
    speech = np.array(values, np.float32)
    steps, clipped = quantize(speech)
    assert steps.dtype == np.dtype("<i2")
    back = steps.astype(np.float64) / 32768
    inside = (speech.astype(np.float64) >= -1 - 2**-16) & (speech <= 1 - 2**-16 - 2**-17)
    assert np.abs(back - speech)[inside].max(initial=0) <= 2**-16
    exact = np.rint(speech.astype(np.float64) * 32768)
    assert clipped == np.count_nonzero((exact > 32767) | (exact < -32768))
    assert (steps[exact > 32767] == 32767).all()
    assert (steps[exact < -32768] == -32768).all()
    again, _ = quantize((steps / np.float32(32768)).astype(np.float32))
    np.testing.assert_array_equal(again, steps)


def test_speech_louder_than_full_scale_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = np.zeros(8000, np.float32)
    speech[:5] = [1.0, 1.2, -1.0, -1.5, 0.99]
    soundfile.write(tmp_path / "a.wav", speech, 16000, subtype="FLOAT")
    (tmp_path / "m.tsv").write_text("path\ttext\na.wav\tA\n")
    command = ["shards", str(tmp_path / "m.tsv"), str(tmp_path / "out"), "--processes", "1"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert captured.err == "3 samples were louder than full scale and are clipped\n"
    assert captured.out == f"{tmp_path / 'out'}: 1 shards, 1 utterances, 0.00 h\n"
    (utterance,) = open_corpus(str(tmp_path / "out"))
    full = 32767 / 32768
    np.testing.assert_allclose(utterance.load()[:5], [full, full, -1, -1, 0.99], atol=2**-16)


# Resuming


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the utterances that the test decodes."""
    from wav2vec2_tf import audio

    decoded: list[str] = []
    load = audio.load

    def noting(source: Any, **part: Any) -> np.ndarray:
        decoded.append(Path(source).stem)
        return load(source, **part)

    monkeypatch.setattr(audio, "load", noting)
    return decoded


def test_what_is_whole_is_kept(corpus: Corpus, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(made)
    decoded = counted(monkeypatch)
    make([corpus], made, shard_seconds=2)
    assert decoded == []
    first, second, *_ = sorted(made.glob("*.tfrecord"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 1
    second.write_bytes(content)
    make([corpus], made, shard_seconds=2)
    records = Manifest.read(made).shards
    assert decoded == [record.id for shard in records[:2] for record in shard.records]
    assert files(made) == before


def test_an_interrupted_run_goes_on(
    corpus: Corpus, folder: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreadable file stops the run within a shard; the run resumes with the file restored."""
    broken = folder / "12" / "3" / "12-3-0002.flac"
    status, content = broken.stat(), broken.read_bytes()
    middle = len(content) // 2  # which only decoding finds
    broken.write_bytes(content[:middle] + bytes(50) + content[middle + 50 :])
    os.utime(broken, ns=(status.st_atime_ns, status.st_mtime_ns))
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"12-3-0002\.flac"):
        make([corpus], out, shard_seconds=2)
    assert not list(out.glob(".*"))  # no partial file
    there = {name for name in files(out) if name.endswith(".tfrecord")}
    assert there
    assert "not all shards are made" in refusal(out)
    assert check(out)[0].endswith("not all shards are made")

    broken.write_bytes(content)
    os.utime(broken, ns=(status.st_atime_ns, status.st_mtime_ns))
    decoded = counted(monkeypatch)
    make([corpus], out, shard_seconds=2)
    assert files(out) == files(made)
    records = {r.id for s in Manifest.read(out).shards if s.file not in there for r in s.records}
    assert set(decoded) == records


@pytest.mark.parametrize("kept", ["all", "cut", "no journal", "nothing"])
def test_a_damaged_journal_costs_only_time(
    corpus: Corpus, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    write = Manifest.write

    def interrupted(self: Manifest, folder: Path) -> None:
        if self.complete:
            raise KeyboardInterrupt
        write(self, folder)

    out = tmp_path / "out"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Manifest, "write", interrupted)
        make([corpus], out, shard_seconds=2, processes=2)
    journal = out / JOURNAL_FILE
    content = journal.read_bytes()
    rest = {"cut": content[:-9], "no journal": b"notes\n", "nothing": b""}
    journal.write_bytes(rest.get(kept, content))
    decoded = counted(monkeypatch)
    make([corpus], out, shard_seconds=2)
    assert len(decoded) in {"all": [0], "cut": range(1, 7)}.get(kept, [7])
    assert files(out) == files(made)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    """After SIGKILL there are only complete files; a resumed run gives the same bytes."""
    spoken = {f"1-1-{number:04}": ("WORDS", 80000) for number in range(240)}
    source = write_corpus(tmp_path / "long", spoken)
    command = [sys.executable, "-m", "wav2vec2_tf.cli", "shards", str(source)]
    options = ["--shard-seconds", "20", "--processes", "1"]
    subprocess.run([*command, str(tmp_path / "whole"), *options], check=True, cwd=ROOT)
    out = tmp_path / "out"
    process = subprocess.Popen([*command, str(out), *options], cwd=ROOT)
    deadline = time.monotonic() + PATIENCE
    journal = out / JOURNAL_FILE
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:  # a header, three shards
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    whole = digests(tmp_path / "whole")
    assert not Manifest.read(out).complete
    for file in out.glob("speech-*.tfrecord"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == whole[file.name]
    subprocess.run([*command, str(out), *options], check=True, cwd=ROOT)
    assert files(out) == files(tmp_path / "whole")


def test_another_source_or_rule_is_refused(folder: Path, corpus: Corpus, made: Path) -> None:
    before = files(made)
    with pytest.raises(UserError, match="made with shard_seconds 2; give the same"):
        make([corpus], made, shard_seconds=3)
    soundfile.write(folder / "11" / "8" / "11-8-0000.flac", tone(9001), 16000)
    with pytest.raises(UserError, match="shards of another source, or it has changed since"):
        make([open_corpus(str(folder))], made, shard_seconds=2)
    assert files(made) == before


def test_folders_of_other_things_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        make([corpus], tmp_path / "full")
    with pytest.raises(UserError, match="is a file"):
        make([corpus], tmp_path / "full" / "notes.txt")
    (tmp_path / "full" / MANIFEST_FILE).write_text('{"name": "a web page"}')
    with pytest.raises(UserError, match="not the manifest of shards"):
        make([corpus], tmp_path / "full")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


# Reading


def test_shards_are_a_corpus(corpus: Corpus, made: Path) -> None:
    """Shards give the same speech and texts, in order, in any order and from several threads."""
    from concurrent.futures import ThreadPoolExecutor

    read = open_corpus(str(made))
    assert (read.kind, read.streamed) == ("shards", False)
    assert dict(read.texts) == dict(corpus.texts)
    utterances, originals = list(read), list(corpus)
    order = np.random.default_rng(0).permutation(len(utterances))
    with ThreadPoolExecutor(4) as pool:
        loaded = dict(zip(order, pool.map(lambda n: utterances[n].load(), order), strict=True))
    for number, (utterance, original) in enumerate(zip(utterances, originals, strict=True)):
        assert (utterance.id, utterance.text) == (original.id, original.text)
        assert loaded[number].dtype == np.float32
        np.testing.assert_array_equal(loaded[number], original.load())
        assert utterance.samples() == original.samples()
    with pytest.raises(UserError, match="--split"):
        open_corpus(str(made), split="test")


def test_identity_is_that_of_the_content(corpus: Corpus, made: Path, tmp_path: Path) -> None:
    identity = open_corpus(str(made)).identity
    make([corpus], tmp_path / "copy", shard_seconds=2)
    assert open_corpus(str(tmp_path / "copy")).identity == identity
    make([corpus], tmp_path / "other", shard_seconds=3)
    assert open_corpus(str(tmp_path / "other")).identity != identity


@pytest.mark.parametrize("at", [0, 8, 20, 5000, -1])
def test_a_damaged_record_is_named(made: Path, at: int) -> None:
    """Damages the length, its checksum, the header, the speech, and the record's checksum."""
    shard = Manifest.read(made).shards[1]
    path, record = made / shard.file, shard.records[0]
    content = bytearray(path.read_bytes())
    content[at % shard.ends()[0]] ^= 0x10
    path.write_bytes(content)
    utterances = {utterance.id: utterance for utterance in open_corpus(str(made))}
    with pytest.raises(UserError) as caught:
        utterances.pop(record.id).load()
    message = str(caught.value)
    assert message.startswith(f"{path}: record {record.id!r} at byte 0 is damaged (")
    assert "\n" not in message
    for utterance in utterances.values():
        assert len(utterance.load()) == SPOKEN[utterance.id][1]
    hashed, damaged = check(made)
    assert (hashed, damaged) == (f"{path}: its hash is not the manifest's", message)


@pytest.mark.parametrize("cut", [1, 5, 100, 11_999, 12_500])
def test_a_record_cut_short_is_named(made: Path, cut: int) -> None:
    """The file is cut short after the corpus was opened."""
    shard = Manifest.read(made).shards[-1]
    path = made / shard.file
    utterance = list(open_corpus(str(made)))[-1]
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(UserError, match=f"record {utterance.id!r} at byte .* is damaged"):
        utterance.load()
    path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        utterance.load()


def test_a_forged_length_allocates_nothing(made: Path) -> None:
    """A hostile record may state any length with the right checksum."""
    shard = Manifest.read(made).shards[0]
    path, record = made / shard.file, shard.records[0]
    length = struct.pack("<Q", 2**40)
    with tf.io.TFRecordWriter(str(made / "length")) as writer:
        writer.write(length)
    checksum = (made / "length").read_bytes()[-4:]
    path.write_bytes(length + checksum + path.read_bytes()[12:])
    with pytest.raises(UserError, match="is damaged \\(its length is wrong\\)"):
        read_record(path, record, shard.ends()[0])


def test_a_record_that_is_no_example_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff" * 50)
    with pytest.raises(UserError, match="record 'a' at byte 0 is damaged"):
        read_record(path, Record("a", "A", 10, 0), path.stat().st_size)


def test_check(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shards", "--check", str(made), "--processes", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{made}: ")
    assert captured.out.endswith(" shards, 7 utterances, 0.00 h, all whole\n")
    one, two, three, *_ = sorted(made.glob("*.tfrecord"))
    one.unlink()
    two.write_bytes(two.read_bytes()[:-100])
    three.write_bytes(three.read_bytes() + b"more")
    assert main(["shards", "--check", str(made), "--processes", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        f"error: {made}: 6 faults; run the command that made the shards to repair them\n"
    )
    found = captured.out.splitlines()
    assert found[0] == f"{one}: does not exist"
    assert f"{two}: has {two.stat().st_size} bytes, not {two.stat().st_size + 100}" in found
    assert f"{two}: its hash is not the manifest's" in found
    assert any(line.startswith(f"{two}: record ") for line in found)
    assert f"{three}: its hash is not the manifest's" in found
    assert "does not exist" in refusal(made)
    one.touch()
    assert f"{one}: has 0 bytes" in refusal(made)


def test_check_names_few_of_many(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "c", {f"1-1-{n:02}": ("A", 1000) for n in range(9)})
    make([open_corpus(str(source))], tmp_path / "out")
    path = tmp_path / "out" / "speech-00000.tfrecord"
    path.write_bytes(bytes(path.stat().st_size))
    faults = check(tmp_path / "out")
    assert len(faults) == 5
    assert faults[-1] == f"{path}: 6 more records are damaged"


HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "outside": lambda m: m["shards"][0].update(file="../shards/speech-00000.tfrecord"),
    "absolute": lambda m: m["shards"][0].update(file="/etc/passwd.tfrecord"),
    "windows": lambda m: m["shards"][0].update(file="..\\x.tfrecord"),
    "hidden": lambda m: m["shards"][0].update(file=".tfrecord"),
    "newline": lambda m: m["shards"][0].update(file="a\nb.tfrecord"),
    "another kind": lambda m: m["shards"][0].update(file="passwd"),
    "twice": lambda m: m["shards"].append(m["shards"][0]),
    "no list": lambda m: m.update(shards={}),
    "no object": lambda m: m.update(shards=[[]]),
    "no records": lambda m: m["shards"][0].update(records=[]),
    "not from 0": lambda m: m["shards"][0]["records"][0].update(offset=1),
    "negative": lambda m: m["shards"][0]["records"][0].update(offset=-1),
    "backwards": lambda m: m["shards"][0]["records"].reverse(),
    "beyond": lambda m: m["shards"][0]["records"][1].update(offset=2**70),
    "fraction": lambda m: m["shards"][0]["records"][1].update(offset=1.5),
    "truth": lambda m: m["shards"][0]["records"][0].update(offset=False),
    "huge size": lambda m: m["shards"][0].update(bytes=2**70),
    "huge samples": lambda m: m["shards"][0].update(samples=2**70),
    "huge record": lambda m: (
        m["shards"][0].update(samples=m["shards"][0]["samples"] + 2**60),
        m["shards"][0]["records"][0].update(
            samples=m["shards"][0]["records"][0]["samples"] + 2**60
        ),
    ),
    "lone surrogate": lambda m: m["shards"][0]["records"][0].update(text="\ud800"),
    "null id": lambda m: m["shards"][0]["records"][0].update(id=None),
    "version": lambda m: m.update(version=2),
    "rate": lambda m: m.update(rate=8000),
    "encoding": lambda m: m.update(encoding="pickle"),
    "more": lambda m: m.update(code="import os"),
    "source": lambda m: m.update(sources=["x"]),
    "less": lambda m: m.pop("rules"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_manifests(made: Path, fault: str) -> None:
    manifest = json.loads((made / MANIFEST_FILE).read_text())
    before = json.dumps(manifest)
    HOSTILE[fault](manifest)
    assert json.dumps(manifest) != before
    (made / MANIFEST_FILE).write_text(json.dumps(manifest))
    if fault == "huge record":  # only the record itself shows it
        utterance = next(iter(open_corpus(str(made))))
        with pytest.raises(UserError, match="its speech has another length"):
            utterance.load()
        return
    message = refusal(made)
    known = "bytes, not" if fault == "huge size" else "not the manifest of shards"
    assert str(made) in message
    assert known in message


def test_malformed_manifest(made: Path) -> None:
    for content in (b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"version": 1e999}'):
        (made / MANIFEST_FILE).write_bytes(content)
        assert MANIFEST_FILE in refusal(made)


def test_records_must_be_those_of_the_manifest(made: Path) -> None:
    """Records of the right size whose text differs from the manifest are refused."""
    manifest = json.loads((made / MANIFEST_FILE).read_text())
    manifest["shards"][0]["records"][0]["text"] = "ANOTHER TEXT"
    (made / MANIFEST_FILE).write_text(json.dumps(manifest))
    utterance = next(iter(open_corpus(str(made))))
    with pytest.raises(UserError, match="its id, text or samples differ from the manifest's"):
        utterance.load()


# The program


def test_program(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["shards", str(folder), out, "--shard-seconds", "2"]) == 0
    assert capsys.readouterr().out == f"{out}: 3 shards, 7 utterances, 0.00 h\n"
    for command, complaint in (
        ([out], "name the corpora"),
        (["--check", str(folder), out], "takes the folder of shards alone"),
        (["--check", str(folder)], "no such file"),
        ([str(folder / "none"), out], "no such file or folder"),
        ([str(folder), out], "shard_seconds 2"),
    ):
        assert main(["shards", *command]) == 1
        assert complaint in one_error(capsys)
    for wrong in (["--shard-seconds", "0"], ["--processes", "-1"], []):
        with pytest.raises(SystemExit):
            main(["shards", *wrong])
        capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["shards", "--help"])
    assert "usage: wav2vec2-tf shards" in capsys.readouterr().out


@pytest.mark.slow
def test_tensorflow_is_imported_only_to_write_and_read_records(
    folder: Path, tmp_path: Path
) -> None:
    """Neither opening shards nor rerunning a complete command imports TensorFlow."""
    code = (
        "import sys\n"
        "from wav2vec2_tf.cli.main import main\n"
        "from wav2vec2_tf.data.corpus import open_corpus\n"
        "source, out = sys.argv[1:]\n"
        "assert main(['shards', source, out, '--processes', '1']) == 0\n"
        "assert len(open_corpus(out)) == 7\n"
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"
    )
    out = tmp_path / "out"
    make([open_corpus(str(folder))], out)
    command = [sys.executable, "-c", code, str(folder), str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


@pytest.mark.slow
def test_a_killed_worker_is_one_line(tmp_path: Path) -> None:
    killed = Utterance("1-1-0", "A", load=functools.partial(os._exit, 3), samples=one_second)
    corpus = Corpus("killed", "test", {killed.id: killed.text}, "0", lambda: iter([killed]))
    with pytest.raises(UserError, match="a process was killed"):
        make([corpus], tmp_path / "out", processes=2)


def one_second() -> int:
    return 16000


# Bad recordings


def with_bad_ones(folder: Path) -> tuple[Path, Path]:
    """Damages two recordings of a corpus: an empty file, and one that only decoding finds."""
    empty, broken = sorted(folder.rglob("*.flac"))[1], sorted(folder.rglob("*.flac"))[5]
    empty.write_bytes(b"")
    content = bytearray(broken.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    broken.write_bytes(content)
    assert open_corpus(str(folder)) and count_samples(broken)
    with pytest.raises(UserError):
        load(broken)
    return empty, broken


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("archive", [False, True])
def test_bad_recordings_are_listed_or_left_out(
    folder: Path, tmp_path: Path, processes: int, archive: bool, caplog: pytest.LogCaptureFixture
) -> None:
    empty, broken = with_bad_ones(folder)
    source = write_tar(tmp_path / "a.tar.gz", folder) if archive else folder
    out = tmp_path / "out"
    options: dict[str, Any] = {"shard_seconds": 2, "processes": processes}
    with pytest.raises(UserError, match=f"1 of 7 recordings cannot be read: '{empty.stem}'"):
        make([open_corpus(str(source))], out, **options)
    assert not out.exists()  # found before the work
    manifest = make([open_corpus(str(source))], out, skip_bad=True, **options)
    ids = [record.id for shard in manifest.shards for record in shard.records]
    assert ids == [key for key in sorted(SPOKEN) if key not in (empty.stem, broken.stem)]
    assert list(read_bad(out)) == sorted([empty.stem, broken.stem])
    assert check(out) == []
    assert list(open_corpus(str(out)).texts) == ids
    before = files(out)
    make([open_corpus(str(source))], out, skip_bad=True, **options)
    assert files(out) == before


@pytest.mark.parametrize("kind", [0, 1])
def test_a_bad_recording_that_can_be_read_again_is_taken_in(
    folder: Path, made: Path, tmp_path: Path, kind: int
) -> None:
    """One whose right to be read was missing, for example: nothing else of it changes."""
    out = tmp_path / "out"
    source = sorted(folder.rglob("*.flac"))[2]
    status, content = source.stat(), source.read_bytes()
    middle = len(content) // 2
    amid = content[:middle] + bytes(50) + content[middle + 50 :]  # which only decoding finds
    source.write_bytes((b"x" * len(content), amid)[kind])
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    make([open_corpus(str(folder))], out, shard_seconds=2, skip_bad=True)
    assert list(read_bad(out)) == [source.stem]
    source.write_bytes(content)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    make([open_corpus(str(folder))], out, shard_seconds=2, skip_bad=True)
    assert read_bad(out) == {}
    assert files(out) == files(made)


def test_bad_recordings_that_only_decoding_finds_are_all_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, broken = with_bad_ones(folder)
    empty.write_bytes(broken.read_bytes())
    out = tmp_path / "out"
    with pytest.raises(UserError, match="2 of 7 .* --skip-bad, which keeps the shards"):
        make([open_corpus(str(folder))], out, shard_seconds=2)
    assert not Manifest.read(out).complete
    decoded = counted(monkeypatch)
    make([open_corpus(str(folder))], out, shard_seconds=2, skip_bad=True)
    assert 0 < len(decoded) < 7  # the other shards are kept
    assert list(read_bad(out)) == sorted([empty.stem, broken.stem])


def test_shards_of_bad_recordings_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_bad_ones(folder)
    out = tmp_path / "out"
    assert main(["shards", str(folder), str(out), "--processes", "1"]) == 1
    assert "--skip-bad" in one_error(capsys)
    assert main(["shards", str(folder), str(out), "--processes", "1", "--skip-bad"]) == 0
    printed = capsys.readouterr()
    assert "5 utterances" in printed.out
    assert f"2 recordings could not be read and were left out; the reasons are in {out}" in (
        printed.err
    )


def test_a_folder_of_shards_is_for_one_run_at_a_time(corpus: Corpus, made: Path) -> None:
    with locked_folder(made), pytest.raises(UserError, match="another run is writing it"):
        make([corpus], made, shard_seconds=2)
