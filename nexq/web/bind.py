"""A listening socket, or a clear word why not."""

from __future__ import annotations

import socket

from nexq.errors import ConfigError


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError that names the port when it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigError(f"Cannot listen on {host}:{port}: {error}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.strerror == "Address already in use":
            raise ConfigError(f"Port {port} on {host} is taken by another program: choose another, --port N.") from None
        raise ConfigError(f"Cannot listen on {host}:{port}: {error}.") from None
    listener.setblocking(False)
    return listener
