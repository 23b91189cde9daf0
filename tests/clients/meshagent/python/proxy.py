"""A loopback proxy that can be told to fail the way networks do."""

import asyncio
import contextlib
import socket
import struct
import urllib.parse


class Proxy:
    """Forwards bytes. `cut` ends all connections; `swallow` hides what the server says."""

    def __init__(self, url):
        target = urllib.parse.urlsplit(url)
        self.target = (target.hostname, target.port)
        self.connections = 0
        self.swallow = False
        self.swallowed = asyncio.Event()
        self._writers = set()
        self._pumps = set()

    @classmethod
    async def start(cls, lab):
        proxy = cls(lab.url)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def end():
            server.close()
            proxy.cut()
            await asyncio.gather(*proxy._pumps, return_exceptions=True)

        lab.stack.push_async_callback(end)
        return proxy

    async def _serve(self, reader, writer):
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection(*self.target)
        self._writers |= {writer, up_writer}
        for source, sink, from_server in ((reader, up_writer, False), (up_reader, writer, True)):
            pump = asyncio.create_task(self._pump(source, sink, from_server))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source, sink, from_server):
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if from_server and self.swallow:
                    self.swallowed.set()
                    continue
                sink.write(data)
                await sink.drain()
            sink.close()

    def cut(self, reset=True):
        """Ends every connection at once, by RST or by FIN, both without a close frame."""
        for writer in self._writers:
            if reset:
                connection = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    # Lingering for no time makes the close a reset.
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                writer.transport.abort()
            else:
                writer.close()
        self._writers.clear()
