"""Put on PYTHONPATH of the command line client: ends it if it reaches for anything but loopback."""

import os
import sys

LOOPBACK = {None, "", "localhost", "127.0.0.1", "::1", b"localhost", b"127.0.0.1", b"::1"}


def loopback_only(event, args):
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # others are local sockets
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if host not in LOOPBACK:
        os.write(2, f"the client reached for {host}\n".encode())
        os._exit(97)


sys.addaudithook(loopback_only)
