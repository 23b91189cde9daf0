"""Records what a Queen client and the server say: record_queen.py SERVER_URL DIRECTORY

Runs the sessions below with the Queen client of the Python that runs it, through a loopback proxy in front of a running
server, and writes each to DIRECTORY/NAME.jsonl: a line per request and a line per answer. Of the heads only what is read
is written: method, path, status, type of the body.
"""

import asyncio
import contextlib
import http.server
import json
import os
import sys
import threading
import urllib.error
import urllib.request

from queen import Queen

lines = []


def line(head, body):
    """One line; the body stands in it to the letter, if there is one."""
    assert b"\n" not in body
    end = f',"body":{body.decode()}}}' if body else "}"
    return json.dumps(head, separators=(",", ":"))[:-1] + end


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = urllib.request.Request(sys.argv[1] + self.path, data=body or None, method=self.command)
        kind = self.headers.get("content-type")
        if kind:
            request.add_header("content-type", kind)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read()
        said = {"from": "client", "method": self.command, "path": self.path}
        lines.append(line(said | ({"type": kind} if kind else {}), body))
        lines.append(line({"from": "server", "status": answer.status}, text))
        self.send_response(answer.status)
        self.send_header("content-type", answer.headers["content-type"] or "application/json")
        if answer.status != 204:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PUT = pass_on

    def log_message(self, *args):
        pass


def items(*numbers):
    return [{"transactionId": f"t{n}", "data": {"n": n, "text": "ü\u2028"}} for n in numbers]


async def messages(a):
    """Push, pop, ack: what completes, fails, repeats, and dies."""
    q = a.queue("jobs")
    await q.config({"lease_time": 60, "retry_limit": 1}).create()
    await q.partition("x").push(items(1, 2, 3, 4))
    await q.partition("x").push(items(4, 5))
    await q.partition("y").push([{"transactionId": "plain", "data": [1.50, "text", None]}])
    got = await a.queue("jobs").partition("x").batch(3).wait(False).pop()
    await a.queue("jobs").partition("x").batch(3).wait(False).pop()
    await a.renew(got)
    await a.ack(got[0], True)
    await a.ack(got[0], True)
    await a.ack([{**got[1], "_status": "failed", "_error": "broken"}, {**got[2], "_status": "completed"}])
    for _ in range(2):
        got = await a.queue("jobs").partition("x").batch(2).wait(False).pop()
        await a.ack(got, False, {"error": "poison"})
    await a.queue("jobs").dlq().limit(10).get()
    got = await a.queue("jobs").partition("x").batch(9).wait(False).pop()
    await a.ack(got, True)
    await a.queue("jobs").batch(9).wait(False).pop()
    await a.queue("nowhere").wait(False).pop()


async def groups(a):
    """Groups with their own cursors; moved, and forgotten."""
    await a.queue("news").push(items(1, 2))
    for group in ("one", "two"):
        got = await a.queue("news").group(group).subscription_mode("all").batch(9).wait(False).pop()
        await a.ack(got, True, {"group": group})
    late = a.queue("news").group("late").subscription_mode("new")
    await late.wait(False).pop()
    await a.queue("news").push(items(3))
    got = await a.queue("news").group("late").wait(False).pop()
    await a.ack(got[0], "retry", {"group": "late"})
    await a.admin.seek_consumer_group("one", "news", {"toEnd": True})
    await a.delete_consumer_group("two")
    got = await a.queue("news").group("two").batch(9).wait(False).pop()
    await a.ack([{**message, "leaseId": "1-bmV3cw"} for message in got], True, {"group": "two"})


async def transactions(a):
    """Acks and pushes of several queues together."""
    await a.queue("in").push(items(1, 2))
    got = await a.queue("in").batch(2).wait(False).pop()
    both = a.transaction().ack(got[0], "completed").queue("out").push(items(10))
    await both.queue("log").partition("p").push(items(11)).commit()
    with contextlib.suppress(Exception):  # 2.6.0 names its pushes, so this is a repetition
        await a.transaction().ack(got[1], "completed").queue("out").push(items(10)).commit()
    await a.queue("in").batch(2).wait(False).pop()
    await a.queue("out").wait(False).pop()
    await a.queue("out").delete()


async def main(directory):
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    for session in (messages, groups, transactions):
        lines.clear()
        client = Queen({"urls": [f"http://127.0.0.1:{proxy.server_port}"], "retry_attempts": 1})
        await session(client)
        await client.close()
        with open(os.path.join(directory, f"{session.__name__}.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


asyncio.run(main(sys.argv[2]))
