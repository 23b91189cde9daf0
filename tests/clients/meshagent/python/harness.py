"""The table of scenarios and the command line of a driver.

Knows nothing of the client under test: that is the `client` module a driver hands in, one per
generation, each with a `Member` (a participant in a room) and `token` (the client's own token), or a `Lab`.
"""

import asyncio
import base64
import contextlib
import faulthandler
import hashlib
import hmac
import json
import os
import sys
import time
import traceback
import zlib

# One scenario may take this long, everything included.
DEADLINE_S = 120
# Where something must *not* happen, this long is waited for it.
QUIET_S = 0.3

PASSED, FAILED, USAGE, SKIPPED = 0, 1, 2, 3

SCENARIOS = {}


def scenario(function):
    """Puts a scenario into the table; its name says the behaviour."""
    assert function.__name__ not in SCENARIOS, f"two scenarios named {function.__name__}"
    SCENARIOS[function.__name__] = function
    return function


class Refused(Exception):
    """The server answered an error. Clients before 0.28.15 see no code: it is None there."""

    def __init__(self, text, code=None):
        super().__init__(f"{text} (code {code})")
        self.text = text
        self.code = code


class Skip(Exception):
    """The scenario needs something that the caller need not provide."""


class Usage(Exception):
    """No scenario works without this."""


def setting(name, missing=Skip):
    value = os.environ.get(name)
    if not value:
        raise missing(f"{name} is not set")
    return value


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, expected, what="value"):
    check(got == expected, f"{what}: expected {expected!r}, got {got!r}")


async def refused(awaitable, code, text=None):
    """Demands an error answer with this code, and this text somewhere in it."""
    try:
        got = await awaitable
    except Refused as error:
        check(error.code in (None, code), f"expected code {code}, got {error}")
        check(error.text.strip(), "an error without a text")
        check(text is None or text in error.text, f"expected {text!r} in the text, got {error}")
        return error
    raise AssertionError(f"expected an error with code {code}, got {got!r}")


async def park(member, queue, **options):
    """A `receive` that waits at the server when this returns.

    Requests of one connection take effect in order, so an answered `list` proves it.
    """
    (task,) = await park_many(member, queue, 1, **options)
    check(not task.done(), f"receive on {queue} did not wait: {task}")
    return task


async def park_many(member, queue, count, **options):
    tasks = [asyncio.create_task(member.receive(queue, **options)) for _ in range(count)]
    for task in tasks:
        # Some end with a connection that is cut on purpose, and nobody asks how.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.sleep(0)  # the tasks now have written their requests
    await member.sizes()
    return tasks


async def until(question, expected, what):
    """Asks again until the answer is the expected one; for what no event announces."""
    got = await question()
    try:
        while got != expected:
            await asyncio.sleep(0.02)
            got = await question()
    except asyncio.CancelledError:
        print(f"{what}: expected {expected!r}, last seen {got!r}", file=sys.stderr)
        raise


async def size_is(member, queue, size):
    async def ask():
        return (await member.sizes()).get(queue)

    await until(ask, size, f"size of {queue}")


async def stays_quiet(task):
    """The task must still be waiting after a while."""
    done, _ = await asyncio.wait([task], timeout=QUIET_S)
    check(not done, f"expected no answer, got {task}")


async def drop(task):
    """Cancels a call as user code would; the client tells the server nothing."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Refused):
        await task


def sign(claims, secret, alg="HS256"):
    """A JWT by hand, for tokens that the client's own classes would not make.

    `claims` may be a JSON text, so that a claim can be there twice.
    """
    payload = claims if isinstance(claims, str) else json.dumps(claims)
    parts = [json.dumps({"alg": alg, "typ": "JWT"}), payload]
    signed = ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts)
    if alg.lower() == "none":
        return signed + "."
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    mac = hmac.new(secret.encode(), signed.encode(), digest).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def now():
    return int(time.time())


class Lab:
    """What one scenario works with: the server's address, its room, and who joined."""

    def __init__(self, client, name):
        self.client = client
        self.url = setting("ANTEROOM_URL", Usage)
        self.secret = setting("ANTEROOM_SECRET", Usage)
        # A room per scenario, also when the caller gives one ROOM to several of them.
        self.room = f"{setting('ROOM', Usage)}-{zlib.crc32(name.encode()):08x}"
        self.stack = contextlib.AsyncExitStack()

    def token(self, name="alice", *, room=None, **options):
        """A token as the client's own classes make it."""
        return self.client.token(name, room or self.room, **options).to_jwt(token=self.secret)

    def claims(self, name="alice", *, room=None, **options):
        """The same token before it is signed, to be spoilt."""
        return self.client.token(name, room or self.room, **options).to_json()

    async def join(self, name="alice", *, token=None, room=None, url=None, **options):
        """Joins in this process. Other options go into the token."""
        room = room or self.room
        token = token or self.token(name, room=room, **options)
        member = await self.client.Member.join(url or self.url, room, token)
        self.stack.push_async_callback(member.leave)
        return member

    async def members(self, *names):
        return [await self.join(name) for name in names]


async def run(client, name):
    lab = getattr(client, "Lab", Lab)(client, name)
    async with lab.stack:
        await SCENARIOS[name](lab)


def main(client):
    if sys.argv[1:] == ["--list"]:
        print("\n".join(SCENARIOS))
        return PASSED
    if len(sys.argv) != 2 or sys.argv[1] not in SCENARIOS:
        print(f"usage: {sys.argv[0]} --list | SCENARIO", file=sys.stderr)
        return USAGE
    name = sys.argv[1]
    # A client that blocks its own loop, or hangs while leaving, is ended from outside it.
    faulthandler.dump_traceback_later(DEADLINE_S + 5, exit=True)
    try:
        asyncio.run(asyncio.wait_for(run(client, name), DEADLINE_S))
    except Skip as reason:
        print(reason, file=sys.stderr)
        return SKIPPED
    except Usage as reason:
        print(reason, file=sys.stderr)
        return USAGE
    except (asyncio.TimeoutError, TimeoutError):
        traceback.print_exc()
        print(f"{name}: not done within {DEADLINE_S} s", file=sys.stderr)
        return FAILED
    except Exception as error:
        traceback.print_exc()
        print(f"{name}: {str(error)[:500]}", file=sys.stderr)
        return FAILED
    return PASSED
