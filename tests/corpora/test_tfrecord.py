"""TFRecord files are TensorFlow's, and damaged bytes are never taken for a record."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from wav2vec2_tf.data.tfrecord import (
    DamagedRecord,
    crc32c,
    decode_example,
    encode_example,
    frame,
    unframe,
)

FEATURES = st.dictionaries(
    st.text(max_size=8), st.one_of(st.binary(max_size=300), st.integers(0, 2**63 - 1)), max_size=5
)


def theirs(features: dict[str, bytes | int]) -> tf.train.Example:
    """TensorFlow's message of the same content."""
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                if isinstance(value, bytes)
                else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                for name, value in features.items()
            }
        )
    )


def test_crc32c_of_the_published_examples() -> None:
    """RFC 3720, appendix B.4, and the check value of the CRC catalogue."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0


@given(st.integers(0, 3000), st.integers(0, 255), st.randoms(use_true_random=False))
def test_crc32c_bit_by_bit(length: int, first: int, random) -> None:
    content = bytes([first]) + random.randbytes(length)
    register = 0xFFFFFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(content) == register ^ 0xFFFFFFFF


@given(FEATURES)
def test_examples_are_tensorflows(features: dict[str, bytes | int]) -> None:
    assert tf.train.Example.FromString(encode_example(features)) == theirs(features)
    assert decode_example(theirs(features).SerializeToString()) == features


def test_other_forms_of_a_message() -> None:
    """Unpacked integers, floats, lists and unknown fields: what has one value is found."""
    number = b"\x1a\x02\x08\x05"  # Int64List of 5, not packed
    entry = b"\x0a\x01n\x12" + bytes([len(number)]) + number
    unpacked = b"\x0a" + bytes([len(entry) + 2]) + b"\x0a" + bytes([len(entry)]) + entry
    assert tf.train.Example.FromString(unpacked).features.feature["n"].int64_list.value == [5]
    assert decode_example(unpacked) == {"n": 5}
    others = tf.train.Example()
    others.features.feature["many"].int64_list.value.extend([1, 2])
    others.features.feature["none"].bytes_list.value.extend([])
    others.features.feature["real"].float_list.value.append(0.5)
    others.features.feature["one"].bytes_list.value.append(b"x")
    unknown = b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x78\x01"  # fields 15: 8 bytes, 4, varint
    assert decode_example(others.SerializeToString() + unknown) == {"one": b"x"}


@given(st.lists(st.binary(max_size=500), max_size=6))
def test_files_are_tensorflows(tmp_path_factory: pytest.TempPathFactory, payloads: list) -> None:
    folder = tmp_path_factory.mktemp("records")
    with tf.io.TFRecordWriter(str(folder / "theirs")) as writer:
        for payload in payloads:
            writer.write(payload)
    content = b"".join(map(frame, payloads))
    assert content == (folder / "theirs").read_bytes()
    (folder / "ours").write_bytes(content)
    read = list(tf.data.TFRecordDataset(str(folder / "ours")).as_numpy_iterator())
    assert read == payloads
    assert [unframe(frame(payload)) for payload in payloads] == payloads


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_changed_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    record = bytearray(frame(payload))
    bit = data.draw(st.integers(0, 8 * len(record) - 1))
    record[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedRecord):
        unframe(bytes(record))


@given(st.binary(max_size=60), st.integers(0, 75))
def test_what_is_cut_short_is_noticed(payload: bytes, kept: int) -> None:
    record = frame(payload)
    for part in (record[: min(kept, len(record) - 1)], record + b"\0"):
        with pytest.raises(DamagedRecord):
            unframe(part)


@given(st.binary(max_size=80))
def test_hostile_messages(message: bytes) -> None:
    """Any bytes are a message or damaged; nothing else is raised, and no size is believed."""
    for content in (message, b"\x0a" + bytes([len(message)]) + message):
        try:
            decode_example(content)
        except DamagedRecord:
            continue


def test_claimed_sizes_are_not_believed(tmp_path: Path) -> None:
    beyond = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    for message in (beyond, b"\x0a\x05abc", b"\xff" * 11, b"\x0b", b"\x0a", b"\x09abc"):
        with pytest.raises(DamagedRecord):
            decode_example(message)
    length = struct.pack("<Q", 2**62)
    checked = frame(length)[20:24]  # the check sum of these eight bytes
    with pytest.raises(DamagedRecord, match="length is another"):
        unframe(length + checked + b"abcd" + bytes(4))
