"""The addresses of a server: sockets bound to them, and how they are written."""

from __future__ import annotations

import errno
import socket
from typing import Any

from wav2vec2_tf.utils.errors import UserError

NOT_OF_THIS_MACHINE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def bind_sockets(host: str, port: int) -> list[socket.socket]:
    """Returns sockets that are bound to all addresses of a host, and do not listen yet.

    Args:
        host: an address, with or without brackets, or a name: of its addresses, those are left out
            that this machine does not have, as `::1` where IPv6 is off. `::` includes IPv4.
        port: 0 takes a free one, the same for all addresses.

    Raises:
        UserError: an address is in use, none is one of this machine, or the name is unknown.
    """
    bare = host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host
    sockets: list[socket.socket] = []
    unusable: OSError | None = None
    try:
        found = socket.getaddrinfo(
            bare or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses = dict.fromkeys((family, address) for family, *_, address in found)
        for family, (name, _, *scope) in addresses:
            port = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(_bound(family, (name, port, *scope), alone=len(addresses) == 1))
            except OSError as error:
                if error.errno not in NOT_OF_THIS_MACHINE:
                    raise
                unusable = error
        if not sockets and unusable is not None:
            raise unusable
    except (OSError, OverflowError, UnicodeError) as error:
        for bound in sockets:
            bound.close()
        raise UserError(f"cannot listen on host {host}, port {port}: {error}") from None
    return sockets


def _bound(family: int, address: tuple[Any, ...], *, alone: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # `::` takes IPv4 too, unless IPv4 has a socket of its own
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
        made.bind(address)
    except (OSError, OverflowError):
        made.close()
        raise
    return made


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a bound socket."""
    return f"http://{authority(listener.getsockname())}"


def authority(address: tuple[Any, ...]) -> str:
    """Returns the address of a socket as a URL has it: `127.0.0.1:8000`, `[::1]:8000`."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
