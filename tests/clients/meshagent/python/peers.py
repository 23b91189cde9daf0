"""Members in processes of their own: other generations, other languages, and those to be killed."""

import asyncio
import contextlib
import pathlib
import signal
import sys

from harness import Refused, setting
from lines import from_line, to_line
from member import Observer

HERE = pathlib.Path(__file__).parent


def command(kind):
    """How to start a peer: `same` is this driver's own client."""
    if kind == "same":
        return [sys.executable, HERE / "peer.py"]
    if kind.startswith("python-"):
        variable = f"ANTEROOM_PY_{kind.removeprefix('python-').replace('.', '_')}_ENV"
        environment = pathlib.Path(setting(variable))  # made by setup.sh
        return [environment / "venv/bin/python", HERE / "peer.py"]
    if kind == "javascript-0.39.9":
        setting("ANTEROOM_JS_ENV")
        return ["node", HERE.parent / "javascript/peer.mjs"]
    raise ValueError(kind)


class RemoteMember(Observer):
    """Has the calls of Member; each travels to the process and back."""

    def __init__(self, process):
        super().__init__()
        self.process = process
        self.id = None
        self._others = {}
        self._answers = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, kind):
        process = await asyncio.create_subprocess_exec(
            *command(kind),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        return cls(process)

    def others(self):
        return self._others

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*args, **options):
            return await self._call(name, *args, **options)

        return call

    # Spelt out because they have options, which travel by position.
    async def send(self, queue, message, create=True):
        return await self._call("send", queue, message, create)

    async def receive(self, queue, create=True, wait=True):
        return await self._call("receive", queue, create, wait)

    async def tell(self, to, type, message, attachment=None):
        return await self._call("tell", to, type, message, attachment)

    async def broadcast(self, type, message, attachment=None):
        return await self._call("broadcast", type, message, attachment)

    async def join(self, url, room, token):
        self.id = await self._call("join", url, room, token)

    async def _call(self, call, *args):
        id = len(self._answers)
        self._answers[id] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(to_line({"id": id, "call": call, "args": args}).encode())
        return await self._answers[id]

    async def _read(self):
        while line := await self.process.stdout.readline():
            said = from_line(line)
            if "others" in said:
                self._others = said["others"]
                self.changed()
            elif "heard" in said:
                self.inbox.put_nowait(said["heard"])
            elif self._answers[said["id"]].done():
                pass  # cancelled here; the peer does not know
            elif "error" in said:
                self._answers[said["id"]].set_exception(Refused(said["error"], said["code"]))
            else:
                self._answers[said["id"]].set_result(said["ok"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the peer's process ended"))
                answer.exception()  # seen, should nobody ask

    def stop(self):
        """Stops the process: its socket stays open and takes what is sent, but nobody reads."""
        self.process.send_signal(signal.SIGSTOP)

    async def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reader

    async def leave(self):
        """Lets the process leave the room properly."""
        if self.process.returncode is None:
            self.process.stdin.close()
            await self.process.wait()
        await self._reader


async def peer(lab, name, kind="same", *, url=None, **options):
    """Joins in a process of its own. Other options go into the token."""
    member = await RemoteMember.start(kind)
    lab.stack.push_async_callback(member.kill)
    await member.join(url or lab.url, lab.room, lab.token(name, **options))
    return member
