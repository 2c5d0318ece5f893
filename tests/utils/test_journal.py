"""The journal of finished work: entries kept and dropped, and files refused."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_tf.utils.errors import UserError
from wav2vec2_tf.utils.journal import Journal, array_from_json, array_to_json

IDENTITY = {"length": 16000, "model": "a", "scores": [1, None]}


def test_entries_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "work.partial"
    journal = Journal(path, IDENTITY)
    assert (len(journal), list(journal), path.exists()) == (0, [], False)
    entries = [("one", {"text": "half \ud800, \u2028 é"}), (2, [1.5, None]), ("one", "again")]
    for key, value in entries:
        journal.add(key, value)
    again = Journal(path, dict(reversed(IDENTITY.items())))
    assert (len(again), list(again)) == (3, entries)
    assert dict(again)["one"] == "again"
    for line in path.read_text().splitlines():
        json.loads(line)
    again.remove()
    assert not path.exists()
    again.remove()


def test_entries_added_while_iterating_are_not_yielded(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", {})
    journal.add(0, "first")
    seen = []
    for key, _ in journal:
        journal.add(key + 1, "more")
        seen.append(key)
    assert seen == [0]
    assert len(journal) == 2


@given(cut=st.integers(0, 30_000), flip=st.booleans())
def test_a_damaged_journal_counts_up_to_the_damage(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: bool
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    random = np.random.default_rng(0)
    written = [random.normal(size=(frames, 7)).astype(np.float32) for frames in (30, 1, 0, 40)]
    journal = Journal(path, IDENTITY)
    ends = []
    for place, array in enumerate(written):
        journal.add(place, array_to_json(array))
        ends.append(path.stat().st_size)
    content = bytearray(path.read_bytes())
    header = content.index(b"\n") + 1
    cut = max(cut % len(content), header if flip else 0)
    if flip:
        content[cut] ^= 0xFF
    else:
        del content[cut:]
    path.write_bytes(content)
    again = Journal(path, IDENTITY)
    whole = sum(end <= cut for end in ends)
    assert len(again) == whole
    assert path.read_bytes() == content  # only adding changes the file
    for place, (key, value) in enumerate(again):
        assert key == place
        np.testing.assert_array_equal(array_from_json(value), written[place])
    again.add(9, None)
    assert [key for key, _ in Journal(path, IDENTITY)] == [*range(whole), 9]


def test_journal_of_other_work(tmp_path: Path) -> None:
    path = tmp_path / "work.partial"
    Journal(path, IDENTITY).add("x", 1)
    content = path.read_bytes()
    for other in ({**IDENTITY, "model": "b"}, {**IDENTITY, "model": "b", "z": 1}):
        with pytest.raises(UserError, match=r"another model: .* delete the file"):
            Journal(path, other)
    with pytest.raises(UserError, match="another limit"):
        Journal(path, {**IDENTITY, "limit": 1})
    with pytest.raises(UserError, match="another scores"):
        Journal(path, {name: IDENTITY[name] for name in ("length", "model")})
    assert path.read_bytes() == content
    replaced = Journal(path, {"model": "b"}, replace=True)
    assert list(replaced) == []
    assert path.read_bytes() == content
    replaced.add("y", 2)
    assert list(Journal(path, {"model": "b"})) == [("y", 2)]


@pytest.mark.parametrize(
    "content", [b"some notes\n", b"some notes", b"[]\n", b"1\n", b"{}\n", b"\xff\n", b"[" * 10**6]
)
def test_a_file_that_is_not_a_journal_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a journal"):
        Journal(path, IDENTITY)
    assert path.read_bytes() == content


def test_two_runs_on_one_journal_are_noticed(tmp_path: Path) -> None:
    """Also without locks, which not every file system has."""
    path = tmp_path / "j"
    first, second = Journal(path, IDENTITY), Journal(path, IDENTITY)
    first.add(0, "a")
    with pytest.raises(UserError, match="another run has changed it"):
        second.add(0, "b")
    second = Journal(path, {"model": "b"}, replace=True)
    second.add(0, "c")
    with pytest.raises(UserError, match="another run has changed it"):
        first.add(1, "d")
    assert list(Journal(path, {"model": "b"})) == [(0, "c")]


def test_an_entry_counts_only_in_its_journal_and_at_its_place(tmp_path: Path) -> None:
    """Two runs with identities of one length once mixed their entries without a trace."""
    lines = []
    for model in "ab":
        journal = Journal(tmp_path / model, {"model": model})
        for place in range(3):
            journal.add(place, f"{model}{place}")
        lines.append((tmp_path / model).read_bytes().splitlines(keepends=True))
    (header, *own), (_, *other) = lines
    for mixed, count in (
        ([own[0], other[1], own[2]], 1),
        ([own[0], own[2]], 1),
        ([own[1], own[0]], 0),
        ([own[0], own[0]], 1),
        ([*own, own[2]], 3),
        (other, 0),
    ):
        (tmp_path / "a").write_bytes(b"".join([header, *mixed]))
        assert len(Journal(tmp_path / "a", {"model": "a"})) == count


def test_a_journal_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"format": "wav2vec2-tf journal 1", "identity": {}}\n[1, 2, 3]\n')
    with pytest.raises(UserError, match="left by another version"):
        Journal(path, {})
    assert len(Journal(path, {}, replace=True)) == 0


def test_an_entry_that_is_nested_too_deeply_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path, {}).start()
    header = path.read_bytes()
    text = b"[" * 10**5 + b"]" * 10**5
    path.write_bytes(header + b"%s, %d]\n" % (text[:-1], zlib.crc32(text, zlib.crc32(header))))
    assert len(Journal(path, {})) == 0
