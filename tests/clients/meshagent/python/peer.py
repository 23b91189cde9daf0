"""A participant in a process of its own, scripted over its standard input and output.

In: {"id", "call", "args"}, a method of Member. Out: {"id", "ok"} or {"id", "error", "code"}, and
on its own {"others": …} or {"heard": …}. Calls are begun in the order of their lines and may end in
any. The end of input ends the process.
"""

import asyncio
import importlib.metadata
import sys

sys.dont_write_bytecode = True  # these folders are part of the sources

from harness import Refused
from lines import from_line, to_line

if importlib.metadata.version("meshagent-api") == "0.0.21":
    from client_0_0_21 import Member
else:
    from client_0_56_0 import Member


def say(value):
    sys.stdout.write(to_line(value))
    sys.stdout.flush()


class Peer:
    member = None

    async def join(self, url, room, token):
        self.member = await Member.join(url, room, token)
        self.member.listeners.append(lambda: say({"others": self.member.others()}))
        self.listener = asyncio.create_task(self.listen())
        return self.member.id

    async def listen(self):
        while True:
            say({"heard": await self.member.inbox.get()})

    async def answer(self, id, call, args):
        target = self if call == "join" else self.member
        try:
            say({"id": id, "ok": await getattr(target, call)(*args)})
        except Refused as error:
            say({"id": id, "error": error.text, "code": error.code})
        except Exception as error:
            say({"id": id, "error": f"{type(error).__name__}: {error}", "code": -1})


async def main():
    peer = Peer()
    calls = set()  # the loop alone would not keep them alive
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        calls.add(asyncio.create_task(peer.answer(**from_line(line))))
        await asyncio.sleep(0)  # the call has written its request before the next begins
    if peer.member:
        await peer.member.leave()
    sys.exit()  # whatever still waits here waits for nobody


asyncio.run(main())
