"""Requests and WebSocket frames as bytes, for clients that do what libraries do not."""

from __future__ import annotations

import os
import socket

import httpx

TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9
PATIENCE = 60.0


def socket_to(url: str, receive_buffer: int | None = None) -> socket.socket:
    """Connects to the server at `url`.

    Args:
        url: of the server.
        receive_buffer: bytes that the kernel keeps for a client that does not read.
    """
    address = httpx.URL(url)
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(PATIENCE)
    connection.connect((address.host, address.port))
    return connection


def websocket_to(
    url: str, path: str = "/v1/audio/stream", receive_buffer: int | None = None, headers: str = ""
) -> socket.socket:
    """Opens a WebSocket, whose frames are then sent and received as bytes."""
    connection = socket_to(url, receive_buffer)
    connection.sendall(upgrade(path, headers))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 101"), answer
    assert b"permessage-deflate" not in answer
    return connection


def upgrade(path: str = "/v1/audio/stream", headers: str = "") -> bytes:
    """Returns the request that opens a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate\r\n{headers}\r\n"
    ).encode()


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, length: int | None = None
) -> bytes:
    """Returns a masked frame of a client.

    Args:
        opcode: what it is.
        payload: its content.
        final: whether it ends its message.
        length: what its header states, if not the length of the payload.
    """
    size = len(payload) if length is None else length
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 2**16:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


def received(connection: socket.socket) -> bytes:
    """Returns all that the server sends until it closes the connection."""
    return b"".join(iter(lambda: connection.recv(2**16), b""))


def ends(connection: socket.socket) -> bool:
    """Reads and drops what the server sends; returns whether it then closes the connection."""
    try:
        while connection.recv(2**16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
