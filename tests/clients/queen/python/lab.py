"""What a scenario works with: Queen clients in its room, and the bare HTTP where a shape matters."""

import contextlib
import io
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[2] / "meshagent/python"))

import harness
import httpx
from queen import Queen

from harness import check, same, sign

# The name of "no group" on the wire.
NO_GROUP = "__QUEUE_MODE__"


class Lab(harness.Lab):
    def token(self, name="alice", *, room=None, api=None, **claims):
        """A token of this server; `api` is the grant's scope, everything if left out."""
        grants = [
            {"name": "room", "scope": room or self.room},
            {"name": "api", "scope": {"queues": {}, "messaging": {}} if api is None else api},
        ]
        return sign({"name": name, "exp": int(time.time()) + 3600, "grants": grants} | claims, self.secret)

    def queen(self, *, token=None, url=None, **options):
        """A client; it is closed when the scenario ends. Without a token of its own it may do everything."""
        # 0.13.0 passes the token on only in this form.
        config = {"urls": [url or self.url], "bearer_token": token or self.token()}
        client = Queen(config, **options)
        self.stack.push_async_callback(quietly, client.close)
        return client

    async def http(self, method, path, *, token=None, **options):
        """The answer itself, for statuses and bytes that the client does not show."""
        headers = {"authorization": f"Bearer {token or self.token()}"} | options.pop("headers", {})
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            return await client.request(method, path, headers=headers, **options)


async def quietly(call):
    """The client prints when it closes."""
    with contextlib.redirect_stdout(io.StringIO()):
        await call()


async def push(client, queue, numbers, partition=None, **extra):
    """Pushes {"n": number} each in one call; transaction ids are t0, t1 …"""
    target = client.queue(queue) if partition is None else client.queue(queue).partition(partition)
    items = [{"data": {"n": n} | extra, "transactionId": f"t{n}"} for n in numbers]
    return await target.push(items)


def at(client, queue, group=None, partition=None):
    target = client.queue(queue)
    target = target if partition is None else target.partition(partition)
    return target if group is None else target.group(group)


def patient(target, wait):
    """Sets how long it waits, in ms; 0.13.0 has no call for that."""
    target._timeout_millis = wait
    return target.wait(True)


async def pop(client, queue, batch=100, *, group=None, partition=None, wait=False, **calls):
    """What is there now, or with `wait` (in ms) comes. `calls` are further calls of the builder."""
    target = at(client, queue, group, partition).batch(batch).wait(bool(wait))
    target = patient(target, wait) if wait else target
    for name, argument in calls.items():
        target = getattr(target, name)(argument)
    return await target.pop()


def numbers(messages):
    return [message["data"]["n"] for message in messages]


async def raises(awaitable, text, status=None):
    """Demands an exception with this text, and this HTTP status."""
    try:
        got = await awaitable
    except Exception as error:
        check(text in str(error), f"expected {text!r} in {error!r}")
        response = getattr(error, "response", None)
        same(response is not None and response.status_code, status or False, f"status of {error!r}")
        return error
    raise AssertionError(f"expected an exception, got {got!r}")


async def acked(client, messages, status=True, group=None, **context):
    """Acks and demands success for each."""
    context |= {"group": group} if group else {}
    answer = await client.ack(messages, status, context)
    check(answer["success"] is True, f"ack: {answer}")
    return answer
