"""TFRecord files and `tf.train.Example` without TensorFlow, which takes seconds to start.

A file is records one after another: length (8 bytes), its check sum (4), payload, its check sum
(4), little-endian; check sums are CRC-32C, rotated and offset ("masked"). The payload is an
`Example` message: a map of names to lists of bytes or integers.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping

import numpy as np

HEADER_BYTES, FOOTER_BYTES = 12, 4
BYTES_LIST, INT64_LIST = 1, 3  # field numbers of the message `Feature`
VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
# The word that leaves a register of all ones, from which the check sum is to start, in a zero one.
PREFIX = (0x641F6454).to_bytes(4, "little")


class DamagedRecord(ValueError):
    """Bytes that are no record, or not the one that was written."""


def frame(payload: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _check_sum(length), payload, _check_sum(payload)))


def unframe(record: bytes) -> bytes:
    """The payload of one whole record; raises `DamagedRecord`."""
    if len(record) < HEADER_BYTES + FOOTER_BYTES:
        raise DamagedRecord(f"{len(record)} bytes are no record")
    length, payload = record[:8], record[HEADER_BYTES:-FOOTER_BYTES]
    if record[8:HEADER_BYTES] != _check_sum(length):
        raise DamagedRecord("the check sum of its length is wrong")
    if struct.unpack("<Q", length)[0] != len(payload):
        raise DamagedRecord("its length is another")
    if record[-FOOTER_BYTES:] != _check_sum(payload):
        raise DamagedRecord("its check sum is wrong")
    return payload


def encode_example(features: Mapping[str, bytes | int]) -> bytes:
    """An `Example` with one value a feature, in order of name; integers are not negative."""
    entries = []
    for name, value in sorted(features.items()):
        if isinstance(value, bytes):
            feature = _field(BYTES_LIST, _field(1, value))
        else:
            feature = _field(INT64_LIST, _field(1, _varint(value)))  # a packed list
        entries.append(_field(1, _field(1, name.encode()) + _field(2, feature)))
    return _field(1, b"".join(entries))


def decode_example(message: bytes) -> dict[str, bytes | int]:
    """The features of an `Example` that have one value of bytes or one integer.

    Raises `DamagedRecord` where the bytes are no such message.
    """
    features: dict[str, bytes | int] = {}
    for entries in _texts(message, 1):
        for entry in _texts(entries, 1):
            name, feature = _last_text(entry, 1), _last_text(entry, 2)
            try:
                key = name.decode()
            except UnicodeDecodeError:
                raise DamagedRecord("a feature's name is not text") from None
            values: list[bytes | int] = []
            for listed in _texts(feature, BYTES_LIST):
                values += _texts(listed, 1)
            for listed in _texts(feature, INT64_LIST):
                for number, value in _fields(listed):
                    if number == 1:
                        values += _varints(value) if isinstance(value, bytes) else [value]
            if len(values) == 1:
                features[key] = values[0]
    return features


# Protocol buffers


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, content: bytes) -> bytes:
    return b"".join((_varint(number << 3 | TEXT), _varint(len(content)), content))


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedRecord("a number in it has no end")


def _varints(packed: bytes) -> list[bytes | int]:
    values: list[bytes | int] = []
    at = 0
    while at < len(packed):
        value, at = _read_varint(packed, at)
        values.append(value)
    return values


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The numbers and values of a message's fields."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        if key & 7 == VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        if key & 7 == TEXT:
            size, at = _read_varint(message, at)
        elif key & 7 in (FIXED64, FIXED32):
            size = 8 if key & 7 == FIXED64 else 4
        else:
            raise DamagedRecord("it is no message")
        if size > len(message) - at:
            raise DamagedRecord("a field in it is longer than the whole")
        yield key >> 3, message[at : at + size]
        at += size


def _texts(message: bytes, number: int) -> list[bytes]:
    return [value for key, value in _fields(message) if key == number and isinstance(value, bytes)]


def _last_text(message: bytes, number: int) -> bytes:
    """A field that is to occur once, of which the last counts; empty where there is none."""
    return (_texts(message, number) or [b""])[-1]


# CRC-32C


def _check_sum(content: bytes) -> bytes:
    """The masked sum as it stands in the file."""
    crc = crc32c(content)
    rotated = crc >> 15 | crc << 17
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """CRC-32C (RFC 3720, appendix B.4) of `content`.

    A message is a polynomial over GF(2), so its front part, multiplied by the power of x by which
    it stands before the rear part, can be added to that: a remainder in log₂ vectorised steps.
    """
    padding = bytes(-len(content) % 4)  # zeros in front change nothing
    words = np.frombuffer(b"".join((padding, PREFIX, content)), "<u4")
    while len(words) > 1:
        level = (len(words) - 1).bit_length() - 1
        front, rear = words[: -(1 << level)], words[-(1 << level) :].copy()
        rear[-len(front) :] ^= _shift(front, level)
        words = rear
    return int(_shift(words, 0)[0]) ^ 0xFFFFFFFF


def _shift(words: np.ndarray, level: int) -> np.ndarray:
    """Words (polynomials modulo the generator) as they count 2^`level` words further ahead."""
    tables = _shift_tables(level)
    octets = words.view(np.uint8).reshape(-1, 4)
    shifted = tables[0][octets[:, 0]]
    for place in (1, 2, 3):
        shifted ^= tables[place][octets[:, place]]
    return shifted


@functools.cache
def _shift_tables(level: int) -> np.ndarray:
    """(4, 256): what each value of each byte of a word becomes; the map is linear."""
    bits = (1 << np.arange(32)).astype("<u4")
    if level == 0:
        for _ in range(32):
            bits = bits >> 1 ^ (bits & 1) * np.uint32(POLYNOMIAL)
    else:
        bits = _shift(_shift(bits, level - 1), level - 1)
    tables = np.zeros((4, 256), "<u4")
    for place in range(4):
        for bit in range(8):
            tables[place, 1 << bit : 2 << bit] = tables[place, : 1 << bit] ^ bits[8 * place + bit]
    return tables
