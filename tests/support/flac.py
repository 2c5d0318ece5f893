"""Writes FLAC of any bit depth, rate and stated length, without compression (RFC 9639)."""

from __future__ import annotations

import numpy as np


def flac(
    samples: np.ndarray, rate: int, bits: int = 16, *, total: int | None = None, block: int = 1024
) -> bytes:
    """Returns a FLAC file with verbatim subframes.

    Args:
        samples: integers `(frames, channels)`.
        rate: Hz; each frame refers to the header's.
        bits: a sample, likewise.
        total: number of samples that the header states; by default the true one, 0 for unknown.
        block: samples a frame.
    """
    channels = samples.shape[1]
    total = len(samples) if total is None else total
    info = _bits((block, 16), (block, 16), (0, 24), (0, 24))
    info += _bits((rate, 20), (channels - 1, 3), (bits - 1, 5), (total, 36), (0, 128))
    content = [b"fLaC", b"\x80", len(info).to_bytes(3, "big"), info]
    for number, start in enumerate(range(0, len(samples), block)):
        part = samples[start : start + block]
        head = _bits((0x3FFE, 14), (0, 2), (0b0111, 4), (0, 4), (channels - 1, 4), (0, 4))
        head += chr(number).encode() if number < 0x800 else _long(number)
        head += (len(part) - 1).to_bytes(2, "big")
        head += bytes([_crc(head, 8, 0x07)])
        words = part.T.astype(np.int64) & (2**bits - 1)
        ones = (words[..., None] >> np.arange(bits - 1, -1, -1)) & 1  # (channels, frames, bits)
        rows = ones.reshape(channels, -1).astype(np.uint8)
        kind = np.array([0, 0, 0, 0, 0, 0, 1, 0], np.uint8)  # verbatim
        body = np.packbits(np.concatenate([np.concatenate([kind, row]) for row in rows])).tobytes()
        frame = head + body
        content.append(frame + _crc(frame, 16, 0x8005).to_bytes(2, "big"))
    return b"".join(content)


def _bits(*fields: tuple[int, int]) -> bytes:
    """Returns values of given widths, one behind the other."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _long(number: int) -> bytes:
    """Returns a number of 11 to 16 bits in the form of UTF-8, surrogates included."""
    return bytes([0xE0 | number >> 12, 0x80 | number >> 6 & 63, 0x80 | number & 63])


def _crc(content: bytes, width: int, polynomial: int) -> int:
    top, mask, register = 1 << width - 1, (1 << width) - 1, 0
    for byte in content:
        register ^= byte << width - 8
        for _ in range(8):
            register = (register << 1 ^ (polynomial if register & top else 0)) & mask
    return register
