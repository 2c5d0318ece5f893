"""How many samples a packet of Vorbis or Opus in Ogg decodes to, by its first bytes."""

from __future__ import annotations

from typing import Protocol

MODE_BITS = 41
"""Size of a Vorbis mode: whether its block is long, twice 16 zeros, and its mapping."""
MOST_MODES, MOST_MAPPINGS = 64, 64


class Codec(Protocol):
    """A stream's codec."""

    headers: int
    """Number of packets before the first one with audio."""
    rate: int
    """Hz, of positions; 0 if it is not known."""

    def samples(self, packet: bytes) -> int:
        """Returns the number of samples that a packet adds, by its first two bytes."""


class Opus:
    """Opus (RFC 6716, section 3.1)."""

    headers, rate = 2, 48000

    def samples(self, packet: bytes) -> int:
        """See `Codec`."""
        if len(packet) < 2:
            packet += bytes(2)
        code, count = packet[0] >> 3, (1, 2, 2, packet[1] & 63)[packet[0] & 3]
        if code < 12:  # SILK
            return count * (480, 960, 1920, 2880)[code & 3]
        return count * (480 << (code & 1) if code < 16 else 120 << (code & 3))


class Vorbis:
    """Vorbis I (sections 4.2 and 4.3): each block overlaps half of the one before."""

    headers = 3

    def __init__(self, identification: bytes, setup: bytes) -> None:
        """Reads the first and the third packet of a stream."""
        head = identification.ljust(30, b"\0")
        self.rate = int.from_bytes(head[12:16], "little")
        sizes = (1 << (head[28] & 15), 1 << (head[28] >> 4))
        self._blocks = [sizes[is_long] for is_long in _modes(setup)] or [0]
        self._mask = (1 << (len(self._blocks) - 1).bit_length()) - 1
        self._before = 0

    def samples(self, packet: bytes) -> int:
        """See `Codec`."""
        mode = packet[0] >> 1 & self._mask if packet else 0
        block = self._blocks[mode] if mode < len(self._blocks) else 0
        samples = (self._before + block) // 4 if self._before else 0
        self._before = block
        return samples


def _modes(setup: bytes) -> list[int]:
    """Returns for each mode whether its block is long.

    The modes end the packet but for a bit that is set, and their number is before them. What
    precedes it, the codebooks, need not be read then.
    """
    number = int.from_bytes(setup, "little")
    at = number.bit_length() - 1
    modes: list[int] = []
    found = modes
    while len(modes) < MOST_MODES and at >= MODE_BITS + 6:
        at -= MODE_BITS
        mode = number >> at & (1 << MODE_BITS) - 1
        if mode >> 1 & 0xFFFFFFFF or mode >> 33 >= MOST_MAPPINGS:
            break
        modes.insert(0, mode & 1)
        if (number >> at - 6 & 63) + 1 == len(modes):
            found = [*modes]
    return found if found is not modes else []
