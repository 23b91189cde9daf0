"""Records what a MeshAgent client and the server say: record.py SERVER_URL DIRECTORY NAME...

A loopback proxy in front of a running server. It prints its own address, passes every byte on as it
is, and writes the WebSocket frames of the n-th connection to DIRECTORY/NAME.jsonl of the n-th NAME,
one JSON line per frame. Nothing of the HTTP heads is written: they hold tokens. It ends with the last
of the named connections; exit 1 if something went by that such a line cannot tell.
"""

import asyncio
import base64
import json
import os
import re
import sys
import urllib.parse

BINARY = 2
SHOWN = 80  # characters of a message's JSON in its line


def refuse(text):  # half a recording is worth nothing
    print(f"record.py: {text}", file=sys.stderr, flush=True)
    os._exit(1)


class FrameReader:
    """Finds the frames of one direction in chunks of any size."""

    def __init__(self, masked):
        self.masked, self.in_head, self.bytes = masked, True, bytearray()

    def feed(self, chunk):
        """The frames that are now complete: pairs of opcode and unmasked data."""
        self.bytes += chunk
        if self.in_head:
            head, end, rest = self.bytes.partition(b"\r\n\r\n")
            if not end:
                return
            if not self.masked and not head.startswith(b"HTTP/1.1 101 "):
                refuse(f"the server answered {bytes(head[:12])!r}")
            self.in_head, self.bytes = False, rest
        while frame := self.next():
            yield frame

    def next(self):
        if len(self.bytes) < 2:
            return None
        first, second = self.bytes[:2]
        more = {126: 2, 127: 8}.get(second & 0x7F, 0)
        start = 2 + more + (4 if self.masked else 0)
        if len(self.bytes) < start:
            return None
        length = int.from_bytes(self.bytes[2 : 2 + more], "big") if more else second & 0x7F
        if len(self.bytes) < start + length:
            return None
        # A line holds opcode and data only, so the rest of the header must follow from these.
        if first & 0xF0 != 0x80:
            refuse(f"a fragment or a compressed frame: first byte {first:#x}")
        if bool(second & 0x80) != self.masked:
            refuse("masked from the server or plain from the client")
        if more != (0 if length < 126 else 2 if length < 65536 else 8):
            refuse(f"a length of {length} in {more} bytes")
        data = bytes(self.bytes[start : start + length])
        if self.masked:
            mask = bytes(self.bytes[start - 4 : start])
            data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        del self.bytes[: start + length]
        return first & 0x0F, data


class MessageReader:
    """Joins the packets of one direction."""

    def __init__(self, speaker):
        self.speaker, self.kind, self.left, self.parts = speaker, "", 0, []

    def feed(self, packet):
        """What a message says, on the packet that completes it."""
        id, number = int.from_bytes(packet[:8], "big"), int.from_bytes(packet[8:12], "big")
        if number == 0:
            self.kind, self.parts = packet[16:].decode(), []
            self.left = int.from_bytes(packet[12:16], "big")
        else:
            self.parts.append(packet[12:])
            self.left -= 1
        return None if self.left else meaning(self.speaker, id, self.kind, b"".join(self.parts))


def meaning(speaker, id, kind, data):
    """A line for readers. The JSON in it is the recorded text, or the start of it."""
    start, end = 8, 8 + int.from_bytes(data[:8], "big")
    if data[:1] in (b"{", b" "):  # of the first generation: plain, or after eight spaces
        start, end = data.index(b"{"), len(data)
    text, attachment = data[start:end].decode(), data[end:]
    what = f"request {id} {kind}"
    if speaker == "server":
        what = f"answer {id}" if kind == "__response__" else f"push {kind}"
    elif kind == "room.invoke_tool":
        header = json.loads(text)
        what += f" {header['toolkit']}.{header['tool']}"
        content = re.search(r'"json"\s*:\s*', text)
        if content and "json" in header["arguments"]:
            arguments, end = json.JSONDecoder().raw_decode(text, content.end())
            assert arguments == header["arguments"]["json"], "another `json` came first"
            text = text[content.end() : end]
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return " ".join(filter(None, [what, text, attachment and f"+ {len(attachment)} bytes"]))


async def pump(source, sink, speaker, file):
    frames, messages = FrameReader(masked=speaker == "client"), MessageReader(speaker)
    try:
        while chunk := await source.read(65536):
            for opcode, data in frames.feed(chunk):
                line = {"from": speaker, "opcode": opcode, "data": base64.b64encode(data).decode()}
                if opcode == BINARY and (said := messages.feed(data)):
                    line["meaning"] = said
                print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), file=file)
            sink.write(chunk)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.close()


async def main(url, directory, *names):
    target = urllib.parse.urlsplit(url)
    left, ended = list(names), asyncio.Semaphore(0)

    async def connection(reader, writer):
        if not left:
            refuse("more connections than names")
        with open(os.path.join(directory, f"{left.pop(0)}.jsonl"), "w", encoding="utf-8") as file:
            up_reader, up_writer = await asyncio.open_connection(target.hostname, target.port)
            ways = ((reader, up_writer, "client"), (up_reader, writer, "server"))
            try:
                await asyncio.gather(*(pump(*way, file) for way in ways))
            except Exception as error:
                refuse(repr(error))
            up_writer.close()
            writer.close()
        ended.release()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    for _ in names:
        await ended.acquire()


asyncio.run(main(*sys.argv[1:]))
