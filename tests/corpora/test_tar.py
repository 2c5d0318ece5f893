"""Archives from strangers: bounded memory, and one line for what is not an archive."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from wav2vec2_tf.data.corpus import open_corpus
from wav2vec2_tf.data.tar import tar_members
from wav2vec2_tf.utils.errors import UserError

MiB = 1 << 20


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Returns a header with a right checksum, whatever it says."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + size.to_bytes(11, "big") if size >= 8**11 else b"%011o\0" % size
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(**records: str) -> bytes:
    lines = b""
    for key, value in records.items():
        rest = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + 2))
        lines += str(length).encode() + rest
    return header("./PaxHeaders/a", len(lines), tarfile.XHDTYPE) + padded(lines)


END = bytes(1024)
FLAC = header("a.flac", 3) + padded(b"abc")
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a long name of 100 MB": (
        lambda: header("././@LongLink", 100 * MiB, tarfile.GNUTYPE_LONGNAME) + bytes(100 * MiB),
        "a header of 104857600 bytes",
    ),
    "a pax header of 100 MB": (
        lambda: header("x", 100 * MiB, tarfile.XHDTYPE) + bytes(100 * MiB),
        "a header of 104857600 bytes",
    ),
    "a global header of 100 MB": (
        lambda: header("x", 100 * MiB, tarfile.XGLTYPE) + bytes(100 * MiB),
        "a header of 104857600 bytes",
    ),
    "a file of 5.8e25 bytes": (
        lambda: header("a.txt", 58 * 10**24) + FLAC + END, "it ends too early"
    ),
    "a pax size of 5.8e25 bytes": (
        lambda: pax(size="5" * 26) + FLAC + END, "a file of"
    ),
    "a pax size of 10^17 bytes": (lambda: pax(size="1" * 17) + FLAC + END, "ends too early"),
    "a negative pax size": (lambda: pax(size="-512") + FLAC + END, "a file of '-512' bytes"),
    "a negative size": (
        lambda: (lambda block: block[:124] + b"\xff" * 12 + block[136:148] + b"%06o\0 " % (
            sum(block[:124]) + 12 * 255 + sum(block[136:148]) + 8 * 32 + sum(block[156:])
        ) + block[156:])(header("a.flac", 0)) + END,
        "a file of -1 bytes",
    ),
    "pax records without end": (
        lambda: header("x", 20, tarfile.XHDTYPE) + padded(b"99999 path=a.flac") + FLAC + END,
        "an extended header that is not valid",
    ),
    "pax records of length 0": (
        lambda: header("x", 20, tarfile.XHDTYPE) + padded(b"0 path=a.flac\n") + FLAC + END,
        "an extended header that is not valid",
    ),
    "a sparse map without end": (
        lambda: (lambda block: block[:482] + b"\1" + block[483:148] + block[483:])(
            header("a.flac", 0, tarfile.GNUTYPE_SPARSE)
        ) + b"\1" * 51200,
        "damaged",
    ),
    "a transcript of 100 MB": (
        lambda: header("1.trans.txt", 100 * MiB) + bytes(100 * MiB) + END, "too large"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive(name: str, tmp_path: Path) -> None:
    """What unpacks to 100 MB takes a few; nothing loops."""
    make, message = HOSTILE[name]
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        content = make()
        file.write(content)
        del content
    assert path.stat().st_size < MiB
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            for utterance in open_corpus(str(path), transcribed="trans" in name):
                utterance.load()
        assert tracemalloc.get_traced_memory()[1] < 16 * MiB
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_repetitions_take_no_memory(tmp_path: Path) -> None:
    """Many equal headers, and transcripts of many equal lines, compress a thousandfold."""
    path = tmp_path / "a.tar.gz"
    line = b"a\n" * (MiB // 16)
    content = header("1.trans.txt", len(line)) + line
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(FLAC * 5_000 + content * 4 + END)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"ids that occur twice: 1 \('a'\)"):
            open_corpus(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2 * MiB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_what_tarfile_writes(form: int, tmp_path: Path) -> None:
    """Long names, names that are not ASCII, links, folders and empty files, in each dialect."""
    names = ["a.flac", "d/été.txt", "d/empty", f"{'n' * 90}/{'m' * 80}"]
    if form != tarfile.USTAR_FORMAT:
        names += [f"{'long/' * 60}name.flac", "\udcff.flac"]
    files = {name: name.encode(errors="surrogateescape") * 200 for name in names}
    files["d/empty"] = b""
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5
            archive.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo(f"link/{name[:90]}")
            link.type, link.linkname = tarfile.SYMTYPE, name[:90]
            archive.addfile(link)
    found = {str(member.path): member.read() for member in tar_members("a", tmp_path / "a.tar")}
    assert found == files
    # each may be left unread
    assert [str(member.path) for member in tar_members("a", tmp_path / "a.tar")] == names
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512))
    assert len(list(tar_members("a", tmp_path / "a.tar"))) == len(names)  # no mark at the end


def test_sparse_files_are_skipped(tmp_path: Path) -> None:
    sparse = bytearray(header("s.flac", 512, tarfile.GNUTYPE_SPARSE))
    sparse[482] = 1
    sparse[148:156] = b"        "
    sparse[148:156] = b"%06o\0 " % sum(sparse)
    more = bytearray(512)
    members = bytes(sparse) + bytes(more) + bytes(512) + pax(GNU__sparse__major="1") + FLAC + FLAC
    (tmp_path / "a.tar").write_bytes(members + END)
    found = list(tar_members("a", tmp_path / "a.tar"))
    assert [str(member.path) for member in found] == ["a.flac"]


def test_not_an_archive(tmp_path: Path) -> None:
    for content in (b"", b"no archive" * 100, bytes(100), b"\x1f\x8b", b"\x1f\x8b" + bytes(20)):
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(UserError, match="damaged.*download it again"):
            open_corpus(str(tmp_path / "a.tar.gz"))
