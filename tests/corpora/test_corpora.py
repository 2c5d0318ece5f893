"""Corpora: every source gives the same utterances, and an invalid one gives one clear line."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.corpus import SPOKEN, tone, write_corpus, write_parquet, write_tar
from tests.support.ffmpeg import au, fake_ffmpeg
from tests.support.paths import ROOT
from wav2vec2_tf.data.bad_recordings import BadRecordings, count_all
from wav2vec2_tf.data.corpus import Corpus, Utterance, open_corpus
from wav2vec2_tf.data.tar import TarMember
from wav2vec2_tf.utils.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


def contents(corpus: Corpus) -> dict[str, str]:
    """Returns texts by id; asserts that they are known before loading and that audio is right."""
    found = {}
    for utterance in corpus:
        speech = utterance.load()
        assert speech.dtype == np.float32
        # 16-bit FLAC rounds to half a step
        np.testing.assert_allclose(speech, tone(SPOKEN[utterance.id][1]), atol=2**-15)
        found[utterance.id] = utterance.text
    assert list(found.items()) == list(corpus.texts.items())
    assert len(corpus) == len(found)
    return found


TEXTS = {key: text for key, (text, _) in SPOKEN.items()}


def refusal(spec: object, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(str(spec), **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(spec) in message
    return message


# LibriSpeech layout


def test_folder_at_any_depth(folder: Path, tmp_path: Path) -> None:
    deeper = tmp_path / "deeper" / "LibriSpeech" / "test"
    deeper.parent.mkdir(parents=True)
    shutil.copytree(folder, deeper)
    for place in (folder, deeper, tmp_path / "deeper", deeper / "12" / ".." / ".." / "test"):
        assert contents(open_corpus(str(place))) == TEXTS
    assert contents(open_corpus(str(folder / "12" / "3"))).keys() == {
        key for key in TEXTS if key.startswith("12-3")
    }


def test_folder_ignores_what_is_no_part_of_it(folder: Path) -> None:
    (folder / "SPEAKERS.TXT").write_text("11 | F")
    (folder / "11" / "7" / "._11-7-0000.flac").write_bytes(b"shadow of a Mac")
    assert contents(open_corpus(str(folder))) == TEXTS


def test_audio_is_read_only_when_asked_for(folder: Path) -> None:
    corpus = open_corpus(str(folder))
    (folder / "11" / "8" / "11-8-0000.flac").write_bytes(b"not audio")
    utterances = {utterance.id: utterance for utterance in corpus}
    with pytest.raises(UserError, match=r"11-8-0000\.flac"):
        utterances["11-8-0000"].load()
    assert len(utterances["11-7-0000"].load()) == 6000


@pytest.mark.parametrize("last_first", [False, True], ids=["as shipped", "transcripts last"])
def test_archive(folder: Path, tmp_path: Path, last_first: bool) -> None:
    path = write_tar(tmp_path / "test-clean.tar.gz", folder, last_first=last_first)
    assert contents(open_corpus(str(path))) == TEXTS
    plain = tmp_path / "plain.tar"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert contents(open_corpus(str(plain))) == TEXTS


def test_archive_with_hostile_names_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that point outside are treated as plain names; links and devices are skipped."""
    flac = io.BytesIO()
    soundfile.write(flac, tone(6000), 16000, format="FLAC")
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    path = work / "hostile.tar.gz"
    files = {
        "../../11-7-0000.flac": flac.getvalue(),
        f"{tmp_path}/x/11-7.trans.txt": b"11-7-0000 IN THE BEGINNING\n",
        "\x1b[31m\n.txt": b"",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            link = tarfile.TarInfo(f"../link{ord(kind)}.flac")
            link.type, link.linkname = kind, str(ROOT / "README.md")
            archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(work)
    assert contents(open_corpus("hostile.tar.gz")) == {"11-7-0000": "IN THE BEGINNING"}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_archive_cut_short(folder: Path, tmp_path: Path, share: float) -> None:
    whole = write_tar(tmp_path / "whole.tar.gz", folder).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[: int(share * len(whole))])
    assert "download it again" in refusal(path)


def test_archive_with_a_flipped_bit(folder: Path, tmp_path: Path) -> None:
    """The audio of the last file is damaged, which only the final checksum shows."""
    path = write_tar(tmp_path / "corpus.tar.gz", folder)
    plain = gzip.decompress(path.read_bytes())
    flipped = bytearray(gzip.compress(plain, compresslevel=0))
    flipped[len(flipped) * 3 // 4] ^= 1
    path.write_bytes(flipped)
    assert "download it again" in refusal(path)


def test_archive_with_an_oversized_member(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "corpus.tar.gz", folder)
    monkeypatch.setattr("wav2vec2_tf.data.archive.MAX_TRANSCRIPT_BYTES", 10)
    assert "must have at most 10 bytes" in refusal(path)
    monkeypatch.undo()
    corpus = open_corpus(str(path))
    monkeypatch.setattr(TarMember.read, "__defaults__", (100,))
    with pytest.raises(UserError, match="must have at most 100 bytes"):
        next(iter(corpus))


def test_audio_and_transcripts_must_pair_up(folder: Path, tmp_path: Path) -> None:
    for key in ("12-3-0000", "12-3-0001", "12-3-0002", "12-3-0003"):
        (folder / "12" / "3" / f"{key}.flac").unlink()
    (folder / "11" / "8" / "11-8.trans.txt").unlink()
    for spec in (folder, write_tar(tmp_path / "torn.tar.gz", folder)):
        message = refusal(spec)
        named = "('12-3-0000', '12-3-0001', '12-3-0002', …)"
        assert f"transcripts without audio: 4 {named}" in message
        assert "audio without transcript: 1 ('11-8-0000')" in message


def test_audio_that_is_not_there_is_a_bad_recording(folder: Path) -> None:
    """As in a manifest: a file that was taken away because it was damaged, or a link to nothing."""
    gone, link = (folder / "12" / "3" / f"12-3-000{n}.flac" for n in (0, 2))
    for file in (gone, link):
        file.unlink()
    link.symlink_to("nothing")
    assert "transcripts without audio: 1 ('12-3-0000')" in refusal(folder)
    corpus = open_corpus(str(folder), keep_missing=True)
    assert set(corpus.texts) == set(SPOKEN)
    assert sorted(corpus.missing) == ["12-3-0000", "12-3-0002"]
    bad = BadRecordings()
    assert sorted(count_all(corpus, bad)) == sorted(SPOKEN.keys() - set(corpus.missing))
    assert all("no such file" in bad[id] for id in corpus.missing)
    with open(folder / "12" / "3" / "12-3.trans.txt", "a") as file:
        file.write(f"../../11/7/11-7-0000 {SPOKEN['11-7-0000'][0]}\n")  # names no file
    assert "transcripts without audio: 1 ('../../11/7" in refusal(folder, keep_missing=True)
    for file in folder.rglob("*.flac"):
        file.unlink()
    assert "transcripts without audio" in refusal(folder, keep_missing=True)


def test_ids_occur_once(folder: Path) -> None:
    with open(folder / "11" / "7" / "11-7.trans.txt", "a") as file:
        file.write("11-7-0000 AGAIN\n")
    shutil.copy(folder / "12" / "3" / "12-3-0001.flac", folder / "11")
    message = refusal(folder)
    assert "ids that occur twice: 2 ('11-7-0000', '12-3-0001')" in message


def test_transcript_that_is_not_text(folder: Path) -> None:
    file = folder / "11" / "7" / "11-7.trans.txt"
    file.write_bytes(b"11-7-0000 CAF\xc9\n")
    with pytest.raises(UserError, match="not UTF-8"):
        open_corpus(str(folder))


def test_empty_transcript_is_kept_for_the_measurement_to_report(folder: Path) -> None:
    file = folder / "11" / "8" / "11-8.trans.txt"
    file.write_text("11-8-0000\n")
    assert open_corpus(str(folder)).texts["11-8-0000"] == ""


def test_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "none").mkdir()
    with tarfile.open(tmp_path / "none.tar.gz", "w:gz"):
        pass
    assert "no *.trans.txt, no utt_spk_text.tsv, no metadata.csv" in refusal(tmp_path / "none")
    assert "no audio in this archive" in refusal(tmp_path / "none.tar.gz")
    assert "not a corpus" in refusal(tmp_path / "notes.txt")
    assert "no rows" in refusal(tmp_path / "empty.jsonl")
    assert "no such file or folder" in refusal(tmp_path / "missing.tar.gz")
    assert "no such file or folder" in refusal("./missing")


def test_split_is_for_datasets(folder: Path) -> None:
    assert "--split" in refusal(folder, split="test")


def test_identity_changes_with_the_content(folder: Path) -> None:
    first = open_corpus(str(folder)).identity
    assert open_corpus(str(folder)).identity == first
    soundfile.write(folder / "11" / "8" / "11-8-0000.flac", tone(9001), 16000)
    assert open_corpus(str(folder)).identity != first


# OpenSLR's layout for single languages

NEPALI = {  # ids as in SLR 54: ten hexadecimal digits
    "00a1b2c3d4": ("नेपाल सुन्दर छ", 8000),
    "00ffffffff": (f"गर्{chr(0x200C)}नु", 8001),
    "5e00000001": ("विद्यालय जान्छ", 8002),
}


def write_openslr(folder: Path, spoken: dict[str, tuple[str, int]] = NEPALI) -> Path:
    """Writes `utt_spk_text.tsv` and data/<two characters>/<id>.flac below `folder`."""
    for key, (_, samples) in spoken.items():
        place = folder / "data" / key[:2]
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / f"{key}.flac", tone(samples), 16000)
    lines = [f"{key}\tspeaker{samples % 3}\t{text}\n" for key, (text, samples) in spoken.items()]
    (folder / "utt_spk_text.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


def by_id(corpus: Corpus) -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in corpus}


def test_openslr_layout(tmp_path: Path) -> None:
    folder = write_openslr(tmp_path / "asr_nepali")
    for spec in (folder, tmp_path, folder / "utt_spk_text.tsv"):
        corpus = open_corpus(str(spec))
        assert {key: (u.text, len(u.load())) for key, u in by_id(corpus).items()} == NEPALI
        assert not corpus.streamed
    assert open_corpus(str(folder)).kind == "OpenSLR folder"
    archive = write_tar(tmp_path / "a.tar.gz", folder)
    assert dict(open_corpus(str(archive)).texts) == {key: NEPALI[key][0] for key in NEPALI}


def test_openslr_parts_that_are_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each part comes with the table of all; a folder of audio is complete or absent."""
    folder = write_openslr(tmp_path / "asr_nepali")
    shutil.rmtree(folder / "data" / "5e")
    for spec in (folder, folder / "utt_spk_text.tsv"):
        caplog.clear()
        assert open_corpus(str(spec)).texts.keys() == {"00a1b2c3d4", "00ffffffff"}
        assert caplog.messages == [
            f"{spec}: skipped 1 of its 3 transcripts, whose audio folders do not exist ('5e')"
        ]
    (folder / "data" / "00" / "00ffffffff.flac").unlink()
    assert "transcripts without audio: 1 ('00ffffffff')" in refusal(folder)
    shutil.rmtree(folder / "data")
    assert "transcripts without audio: 3" in refusal(folder)


def test_openslr_audio_in_one_folder_is_matched_strictly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_openslr(tmp_path / "asr_nepali")
    for file in list(folder.rglob("*.flac")):
        file.rename(folder / file.name)
    assert len(open_corpus(str(folder))) == 3
    (folder / "5e00000001.flac").unlink()
    assert "transcripts without audio: 1 ('5e00000001')" in refusal(folder)
    assert caplog.messages == []


def test_openslr_table_that_is_a_selection(tmp_path: Path) -> None:
    """A table selects from the audio of its folder; the folder needs every transcript."""
    folder = write_openslr(tmp_path / "asr_nepali")
    lines = (folder / "utt_spk_text.tsv").read_text("utf-8").splitlines(keepends=True)
    (folder / "utt_spk_text_dev.tsv").write_text(
        lines[2].replace("\n", "\r\n"), encoding="utf-8-sig"
    )
    corpus = open_corpus(str(folder / "utt_spk_text_dev.tsv"))
    assert dict(corpus.texts) == {"5e00000001": "विद्यालय जान्छ"}
    assert len(open_corpus(str(folder))) == 3
    (folder / "utt_spk_text.tsv").write_text("".join(lines[:2]), encoding="utf-8")
    assert "audio without transcript: 1 ('5e00000001')" in refusal(folder)


def test_faulty_openslr_table(tmp_path: Path) -> None:
    folder = write_openslr(tmp_path / "asr_nepali")
    table = folder / "utt_spk_text.tsv"
    good = table.read_text("utf-8")
    table.write_text(good + "\n00a1b2c3d4\tspeaker\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"utt_spk_text\.tsv: line 5 must have 3 columns.*got 2"):
        open_corpus(str(folder))
    table.write_text(good + good, encoding="utf-8")
    assert "ids that occur twice: 3" in refusal(folder)
    # quotes and further tabs are plain characters
    table.write_text(good.replace("छ", 'छ "क"\t ख', 1), encoding="utf-8")
    assert open_corpus(str(folder)).texts["00a1b2c3d4"] == 'नेपाल सुन्दर छ "क"\t ख'


# Lengths, and audio in any order


def test_samples_of_every_source(folder: Path, tmp_path: Path) -> None:
    """Counts come from the header; audio loads in any order, in threads and processes."""
    rows = [f"{key}\t{key[:2]}/{key[3]}/{key}.flac\t{TEXTS[key]}" for key in TEXTS]
    (folder / "m.tsv").write_text("\n".join(["id\tpath\ttext", *rows]), encoding="utf-8")
    sources = {
        folder: False,
        write_tar(tmp_path / "a.tar.gz", folder): True,
        write_parquet(tmp_path / "a.parquet", folder): False,
        folder / "m.tsv": False,
    }
    for spec, streamed in sources.items():
        corpus = open_corpus(str(spec), cache_dir=str(tmp_path / "cache"))
        assert corpus.streamed == streamed
        utterances = list(corpus)[::-1]
        expected = [SPOKEN[utterance.id][1] for utterance in utterances]
        assert [utterance.samples() for utterance in utterances] == expected
        with ThreadPoolExecutor(4) as pool:
            assert [len(s) for s in pool.map(lambda u: u.load(), utterances * 3)] == expected * 3
        again = pickle.loads(pickle.dumps(utterances))
        assert [len(utterance.load()) for utterance in again] == expected


def test_samples_are_counted_of_what_is_there(folder: Path, tmp_path: Path) -> None:
    file = folder / "11" / "8" / "11-8-0000.flac"
    corpus = open_corpus(str(folder))
    utterance = by_id(corpus)["11-8-0000"]
    assert utterance.samples() == 9000
    file.write_bytes(file.read_bytes()[:3000])  # the header is complete
    for function in (utterance.samples, utterance.load):
        with pytest.raises(UserError, match=r"11-8-0000\.flac: "):
            function()
    file.write_bytes(b"")
    with pytest.raises(UserError, match=r"11-8-0000\.flac: not audio .*it is empty"):
        utterance.samples()
    file.unlink()
    with pytest.raises(UserError, match="no such file"):
        utterance.samples()


def test_samples_of_a_header_that_does_not_say(tmp_path: Path) -> None:
    """Covers a streamed WAV without a length, an MP3, and another rate."""
    speech = tone(12345)
    soundfile.write(tmp_path / "stream.wav", speech, 16000)
    content = bytearray((tmp_path / "stream.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "stream.wav").write_bytes(content)
    soundfile.write(tmp_path / "a.mp3", speech, 16000)
    soundfile.write(tmp_path / "a.flac", tone(22051), 44100)
    names = ["stream.wav", "a.mp3", "a.flac"]
    (tmp_path / "m.csv").write_text("\n".join(["path,text", *(f"{name},A" for name in names)]))
    found = by_id(open_corpus(str(tmp_path / "m.csv")))
    assert [found[name].samples() for name in names] == [12345, 12345, 8000]
    assert [len(found[name].load()) for name in names] == [12345, 12345, 8000]


# Formats that ffmpeg reads


@pytest.mark.parametrize("transcribed", [True, False])
def test_files_of_every_ending_are_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transcribed: bool
) -> None:
    """A folder's files are those that `transcribe` finds, such as .m4a, not only soundfile's."""
    program = fake_ffmpeg(monkeypatch, tmp_path)
    speech = tone(SPOKEN["11-7-0000"][1])
    (program / "answer").write_bytes(au(speech[:, np.newaxis], 16000))
    file = folder / "11" / "7" / "11-7-0000.flac"
    file.with_suffix(".M4A").write_bytes(b"not known to libsndfile")
    file.unlink()
    found = by_id(open_corpus(str(folder), transcribed=transcribed))
    assert len(found) == len(SPOKEN)
    key = "11-7-0000" if transcribed else "11/7/11-7-0000.M4A"
    np.testing.assert_array_equal(found[key].load(), speech)
    assert found[key].samples() == len(speech)


# datasets


def test_parquet_of_the_published_schema(folder: Path, tmp_path: Path) -> None:
    """`datasets` reads a file named like a pattern, a folder and a saved dataset."""
    import datasets

    cache = str(tmp_path / "cache")
    odd = write_parquet(tmp_path / "odd [1]*.parquet", folder)
    assert contents(open_corpus(str(odd), cache_dir=cache)) == TEXTS
    shards = tmp_path / "hub" / "clean"
    write_parquet(shards / "test-00000-of-00001.parquet", folder)
    for split in (None, "test"):
        corpus = open_corpus(str(shards.parent), split=split, cache_dir=cache)
        assert contents(corpus) == TEXTS
    assert len(open_corpus(str(shards), split="test[:3]", cache_dir=cache)) == 3

    table = datasets.load_dataset("parquet", data_files=str(shards / "*"), cache_dir=cache)
    table = table.cast_column("audio", datasets.Audio(decode=False))
    table.save_to_disk(str(tmp_path / "saved"))
    assert contents(open_corpus(str(tmp_path / "saved"))) == TEXTS
    assert contents(open_corpus(str(tmp_path / "saved" / "train"))) == TEXTS
    assert "torchcodec" not in sys.modules


def test_parquet_with_other_columns(folder: Path, tmp_path: Path) -> None:
    """Audio may be paths, text may be `sentence`, and rows without ids are numbered."""
    import pyarrow as pa
    import pyarrow.parquet

    keys = ["11-7-0000", "12-3-0001"]
    paths = ["corpus/11/7/11-7-0000.flac", str(folder / "12" / "3" / "12-3-0001.flac")]
    table = pa.table({"path": paths, "sentence": [TEXTS[keys[0]], None]})
    pyarrow.parquet.write_table(table, tmp_path / "paths.parquet")
    corpus = open_corpus(str(tmp_path / "paths.parquet"), cache_dir=str(tmp_path / "cache"))
    assert dict(corpus.texts) == {"0": TEXTS[keys[0]], "1": ""}
    assert [len(u.load()) for u in corpus] == [SPOKEN[key][1] for key in keys]


def test_faulty_parquet(folder: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    cache = str(tmp_path / "cache")

    def written(**columns: object) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pyarrow.parquet.write_table(pa.table(columns), path)
        return path

    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    absent = pa.array([None, {"bytes": None, "path": None}, {"bytes": b"x", "path": None}], struct)
    message = refusal(written(audio=absent, text=list("ABC"), id=list("aab")), cache_dir=cache)
    assert "rows without audio: 2 ('a', 'a')" in message
    assert "ids that occur twice: 1 ('a')" in message
    assert "no column audio" in refusal(written(sound=["x"], text=["A"]), cache_dir=cache)
    assert "it has 'audio', 'words'" in refusal(written(audio=["x"], words=["A"]), cache_dir=cache)
    assert "holds no audio" in refusal(written(audio=[[0.5]], text=["A"]), cache_dir=cache)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing more")
    refusal(tmp_path / "bad.parquet", cache_dir=cache)

    write_parquet(tmp_path / "two" / "test-0.parquet", folder)
    write_parquet(tmp_path / "two" / "train-0.parquet", folder)
    message = refusal(tmp_path / "two", cache_dir=cache)
    assert "several splits" in message
    assert "test" in message
    assert "train" in message
    assert "no split 'dev'" in refusal(tmp_path / "two", split="dev", cache_dir=cache)


def test_dataset_id_goes_to_the_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`datasets` is called with `id:config` and the only split, or the one of --split."""
    import datasets

    cache = str(tmp_path / "cache")
    table = datasets.load_dataset(
        "parquet",
        data_files=str(write_parquet(tmp_path / "x.parquet", folder)),
        split="train",
        cache_dir=cache,
    )
    asked: list[object] = []

    def load(*names: object, **options: object) -> datasets.Dataset:
        asked.append((*names, options["split"]))
        return table

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *_: ["validation", "test"])
    assert contents(open_corpus("openslr/librispeech_asr:clean", split="test")) == TEXTS
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *_: ["validation"])
    open_corpus("librispeech_asr_dummy")
    assert asked == [
        ("openslr/librispeech_asr", "clean", "test"),
        ("librispeech_asr_dummy", None, "validation"),
    ]


def test_unreachable_dataset_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from eval.__main__ import main

    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert main(["wer", "--model", "m", "--data", "nobody/nothing"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: nobody/nothing: no such file or folder, and as a dataset")


@pytest.mark.slow
def test_a_process_says_no_more_than_that_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eval", "wer", "--model", "m", "--data", "nobody/nothing"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: nobody/nothing: no such file or folder, and as a dataset")
    assert done.stderr.count("\n") == 1


# Manifests


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize(("audio", "text"), [("path", "sentence"), ("audio_filepath", "text")])
def test_manifest(folder: Path, form: str, audio: str, text: str) -> None:
    """Paths are relative to the manifest; ids default to the paths."""
    rows = [{"id": key, audio: f"{key[:2]}/{key[3]}/{key}.flac", text: TEXTS[key]} for key in TEXTS]
    path = folder / f"manifest.{form}"
    if form == "jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in rows))
    else:
        mark = "\t" if form == "tsv" else ","
        lines = [mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]
        path.write_text("\r\n".join(lines), encoding="utf-8-sig", newline="")
    assert contents(open_corpus(str(path))) == TEXTS


def test_manifest_quotation_marks(folder: Path) -> None:
    """CSV has quoting; in TSV a quotation mark is a plain character."""
    (folder / "m.tsv").write_text('audio\ttext\n11/7/11-7-0000.flac\t"IN THE\n')
    (folder / "m.csv").write_text('audio,text\n11/7/11-7-0000.flac,"IN, ""THE"""\n')
    assert open_corpus(str(folder / "m.tsv")).texts == {"11/7/11-7-0000.flac": '"IN THE'}
    assert open_corpus(str(folder / "m.csv")).texts == {"11/7/11-7-0000.flac": 'IN, "THE"'}


def test_faulty_manifest(folder: Path) -> None:
    def written(name: str, content: str | bytes) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    good = "11/7/11-7-0000.flac"
    assert "no column audio" in refusal(written("a.csv", "sound,text\nx,A\n"))
    assert "no column text" in refusal(written("b.tsv", "audio\twords\nx\tA\n"))
    assert "line 2 is not JSON" in refusal(written("c.jsonl", '{"audio": "x"}\n{"audio"\n'))
    assert "line 1 is not a JSON object" in refusal(written("d.jsonl", "[1]\n"))
    message = refusal(written("e.csv", f"audio,text\nx.flac,A\n{good}\n{good},B\n,C\n"))
    assert "rows without audio: 2 ('x.flac', 'row 4')" in message
    assert f"audio without transcript: 1 ('{good}')" in message
    assert f"ids that occur twice: 1 ('{good}')" in message
    assert "not UTF-8" in refusal(written("f.csv", b"audio,text\nx,\xff\n"))
    assert "no rows" in refusal(written("g.csv", "audio,text\n"))
    half = f'{{"audio": "{good}", "text": "\\ud800"}}\n'
    assert "row 1 is not valid Unicode" in refusal(written("h.jsonl", half))


# Speech alone


def untranscribed(spec: object, **options: Any) -> dict[str, int]:
    """Returns samples by id; asserts that there are no texts."""
    corpus = open_corpus(str(spec), transcribed=False, **options)
    utterances = list(corpus)
    assert {utterance.text for utterance in utterances} == set(corpus.texts.values()) == {""}
    assert [utterance.id for utterance in utterances] == list(corpus.texts)
    found = {utterance.id: len(utterance.load()) for utterance in utterances}
    if not corpus.streamed:
        again = pickle.loads(pickle.dumps(utterances))
        assert [utterance.samples() for utterance in again] == list(found.values())
    return found


SAMPLES = {key: samples for key, (_, samples) in SPOKEN.items()}
BY_PATH = {f"{key[:2]}/{key[3]}/{key}.flac": samples for key, samples in SAMPLES.items()}


def test_any_folder_of_audio(tmp_path: Path) -> None:
    """Files are found at any depth and in any format; names may repeat across folders."""
    lengths = {"a.wav": 5000, "b/a.wav": 6000, "b/c d/ñ.flac": 7000, "b/c d/ñ.WAV": 8000}
    for name, samples in lengths.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, tone(samples), 16000)
    (tmp_path / "b" / "notes.txt").write_text("no audio")
    (tmp_path / "b" / "._a.wav").write_bytes(b"shadow of a Mac")
    assert untranscribed(tmp_path) == lengths
    assert list(untranscribed(tmp_path)) == sorted(lengths)
    assert open_corpus(str(tmp_path), transcribed=False).kind == "folder of audio"
    assert untranscribed(tmp_path / "b" / "c d") == {"ñ.flac": 7000, "ñ.WAV": 8000}
    archive = write_tar(tmp_path / "a.tar.gz", tmp_path / "b")
    root = "LibriSpeech/test-clean"
    names = {f"{root}/{name[2:]}": samples for name, samples in list(lengths.items())[1:]}
    assert untranscribed(archive) == names
    assert "no *.trans.txt" in refusal(tmp_path / "b")  # with transcripts, reading stays strict
    assert "no *.trans.txt, no utt_spk_text.tsv and no table" in refusal(archive)


def test_transcripts_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    """Errors in transcripts do not matter; a table still lists the utterances."""
    archive = write_tar(tmp_path / "a.tar.gz", folder)
    in_archive = {f"LibriSpeech/test-clean/{key}": count for key, count in BY_PATH.items()}
    assert untranscribed(archive) == in_archive
    assert untranscribed(folder) == BY_PATH
    (folder / "11" / "8" / "11-8.trans.txt").unlink()
    (folder / "11" / "7" / "11-7.trans.txt").write_bytes(b"11-7-0000 CAF\xc9\n")
    assert untranscribed(folder) == BY_PATH
    openslr = write_openslr(tmp_path / "asr_nepali")
    lengths = {key: samples for key, (_, samples) in NEPALI.items()}
    in_parts = {f"data/{key[:2]}/{key}.flac": count for key, count in lengths.items()}
    assert untranscribed(openslr) == in_parts
    assert untranscribed(openslr / "utt_spk_text.tsv") == lengths
    (openslr / "data" / "00" / "00ffffffff.flac").unlink()
    assert "transcripts without audio: 1" in refusal(
        openslr / "utt_spk_text.tsv", transcribed=False
    )


def test_datasets_without_texts(folder: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    cache = {"cache_dir": str(tmp_path / "cache")}
    whole = write_parquet(tmp_path / "whole.parquet", folder)
    assert untranscribed(whole, **cache) == SAMPLES
    table = pyarrow.parquet.read_table(whole)
    silent = tmp_path / "hub" / "train-0.parquet"
    silent.parent.mkdir()
    pyarrow.parquet.write_table(table.drop_columns(["text", "id"]), silent)
    numbered = {str(row): samples for row, samples in enumerate(SAMPLES.values())}
    assert untranscribed(silent, **cache) == untranscribed(silent.parent, **cache) == numbered
    assert "no column text" in refusal(silent, **cache)
    empty = pa.array([None], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pyarrow.parquet.write_table(pa.table({"audio": empty}), tmp_path / "empty.parquet")
    message = refusal(tmp_path / "empty.parquet", transcribed=False, **cache)
    assert "rows without audio: 1 ('0')" in message


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
def test_manifests_without_texts(folder: Path, form: str) -> None:
    path = folder / f"m.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps({"audio": name}) + "\n" for name in BY_PATH))
    else:
        path.write_text("\n".join(["audio", *BY_PATH]))
    assert untranscribed(path) == BY_PATH
    assert "no column text" in refusal(path)
    with open(path, "a") as file:
        file.write('{"audio": "x.wav"}\n' if form == "jsonl" else "\nx.wav\n")
    assert "rows without audio: 1 ('x.wav')" in refusal(path, transcribed=False)


def test_texts_of_a_manifest_are_left_out(folder: Path) -> None:
    """A row may lack a text; ids must still be unique."""
    rows = [json.dumps({"audio": name, "text": "A"}) for name in BY_PATH]
    (folder / "m.jsonl").write_text("\n".join([*rows[:-1], json.dumps({"audio": [*BY_PATH][-1]})]))
    assert untranscribed(folder / "m.jsonl") == BY_PATH
    assert "audio without transcript: 1" in refusal(folder / "m.jsonl")
    (folder / "m.jsonl").write_text("\n".join([*rows, rows[0]]))
    assert "ids that occur twice: 1" in refusal(folder / "m.jsonl", transcribed=False)


def test_what_is_no_speech_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("hello")
    message = refusal(tmp_path / "none", transcribed=False)
    assert "no audio and no .parquet file" in message
    archive = write_tar(tmp_path / "none.tar", tmp_path / "none")
    assert "no audio in this archive" in refusal(archive, transcribed=False)
    assert "--split" in refusal(folder, split="test", transcribed=False)
    with tarfile.open(tmp_path / "twice.tar", "w") as twice:
        for _ in range(2):
            twice.add(folder / "11" / "8" / "11-8-0000.flac", "a/11-8-0000.flac")
    message = refusal(tmp_path / "twice.tar", transcribed=False)
    assert "ids that occur twice: 1 ('a/11-8-0000.flac')" in message


def test_names_that_are_not_utf8(folder: Path, tmp_path: Path) -> None:
    """Files and members of archives are read; their ids show the bytes that are not UTF-8."""
    try:
        os.rename(folder / "11" / "8" / "11-8-0000.flac", os.fsencode(folder) + b"/\xff\n.flac")
    except OSError:
        pytest.skip("this file system takes no such name")
    if sys.getfilesystemencoding() != "utf-8":
        pytest.skip("needs a locale whose encoding is UTF-8: export LC_ALL=C.UTF-8")
    assert untranscribed(folder)["\\xff\n.flac"] == SAMPLES["11-8-0000"]
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(os.fsdecode(os.fsencode(folder) + b"/\xff\n.flac"), "\udcff\n.flac")
    assert untranscribed(tmp_path / "a.tar") == {"\\xff\n.flac": SAMPLES["11-8-0000"]}


def test_identity_depends_on_whether_texts_are_read(folder: Path, tmp_path: Path) -> None:
    """Without texts, the identity depends only on the speech."""
    parquet = write_parquet(tmp_path / "a.parquet", folder)
    cache = str(tmp_path / "cache")
    with_texts, without = (
        open_corpus(str(parquet), cache_dir=cache, transcribed=transcribed).identity
        for transcribed in (True, False)
    )
    assert with_texts != without
    first = open_corpus(str(folder), transcribed=False).identity
    (folder / "11" / "7" / "11-7.trans.txt").write_text("")
    assert open_corpus(str(folder), transcribed=False).identity == first
    soundfile.write(folder / "11" / "8" / "11-8-0000.flac", tone(9001), 16000)
    assert open_corpus(str(folder), transcribed=False).identity != first
