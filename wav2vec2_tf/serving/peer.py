"""A TCP connection whose every read and write is bounded in time and memory."""

from __future__ import annotations

import asyncio

from wav2vec2_tf.serving.addresses import authority

READ_BYTES = 2**16  # read at once
WRITE_SECONDS = 10.0  # in which a client must read `PROGRESS_BYTES` of an answer
PROGRESS_BYTES = 2**14
CLOSE_SECONDS = 2.0  # for a client to read the last answer and close its end


class Peer:
    """The other end of a connection.

    Nothing is read ahead of what the caller asks for, but for the two buffers of `READ_BYTES` of
    asyncio's reader: a client that sends more waits. A client that does not read what is written
    is disconnected after `WRITE_SECONDS`.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._transport = writer.transport
        self._transport.set_write_buffer_limits(high=0)  # `drain` waits until all is sent
        self._reading = asyncio.Lock()
        self.name = authority(writer.get_extra_info("peername") or ("unknown", 0))
        """Address and port, for the log."""

    @property
    def closed(self) -> bool:
        """Whether the connection is closed, as far as reading and writing have shown it."""
        return self._transport.is_closing()

    async def read(self, most: int = READ_BYTES) -> bytes:
        """Returns what has arrived, up to `most` bytes; empty when nothing more will."""
        async with self._reading:  # one that was just cancelled may not have left yet
            try:
                return await self._reader.read(most)
            except OSError:
                return b""

    async def write(self, data: bytes) -> None:
        """Sends all of `data`; has no effect once the client is disconnected."""
        if self.closed:
            return
        self._transport.write(data)
        while waiting := self._transport.get_write_buffer_size():
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._writer.drain()
                    return
            except OSError:  # the time is over, or the connection
                left = self._transport.get_write_buffer_size()
                if self.closed or left > max(0, waiting - PROGRESS_BYTES):
                    self.abort()
                    return

    async def close(self) -> None:
        """Sends what is left, and closes the connection when the client does, or soon after.

        Bytes that are not read would make the client lose an answer that it has not read yet.
        """
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if not self.closed:
                    self._transport.write_eof()
                while await self.read():
                    pass
        except OSError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._transport.abort()
