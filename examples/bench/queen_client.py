"""How fast Queen's Python client is against this server, and against a responder that does nothing:

    pip install queen-mq==2.6.0
    anteroom serve --dev --data DIR &          # or --memory
    python examples/bench/queen_client.py http://127.0.0.1:8080

Prints the time from a push to a pop that waits already, and for batches of 1 and 100 the messages per second that eight
clients push, and pop and acknowledge. The responder is asked by the same calls and gives what this server gave: its
figure is what the client can do."""

import asyncio
import contextlib
import io
import os
import statistics
import sys
import time

import httpx
from queen import Queen

CLIENTS = 8
SECONDS = 3


async def quietly(awaitable):
    with contextlib.redirect_stdout(io.StringIO()):
        return await awaitable


async def latency(url, rounds=300):
    pusher, popper = Queen(url), Queen(url)
    times = []
    for number in range(rounds):
        waiting = asyncio.create_task(popper.queue("bench-parked").batch(1).wait(True).pop())
        await asyncio.sleep(0.01)
        begun = time.perf_counter()
        await pusher.queue("bench-parked").push([{"data": {"n": number}}])
        messages = await waiting
        times.append(time.perf_counter() - begun)
        await popper.ack(messages[0])
    await quietly(pusher.close())
    await quietly(popper.close())
    times.sort()
    return 1000 * statistics.median(times), 1000 * times[len(times) * 99 // 100]


async def for_a_while(work):
    """Messages per second of all clients together."""
    end = time.perf_counter() + SECONDS

    async def worker(number):
        done = 0
        while time.perf_counter() < end:
            done += await work(number)
        return done

    return sum(await asyncio.gather(*map(worker, range(CLIENTS)))) / SECONDS


async def rates(url, batch):
    clients = [Queen(url) for _ in range(CLIENTS)]
    queues = [f"bench-{batch}-{number}" for number in range(CLIENTS)]
    items = [{"data": {"text": "x" * 1000}} for _ in range(batch)]

    async def push(number):
        await clients[number].queue(queues[number]).push([dict(item) for item in items])
        return batch

    async def pop_and_ack(number):
        messages = await clients[number].queue(queues[number]).batch(batch).wait(False).pop()
        if messages:
            await clients[number].ack(messages)
        return len(messages)

    pushed = await for_a_while(push)
    popped = await for_a_while(pop_and_ack)
    for client in clients:
        await quietly(client.close())
    return pushed, popped


class Responder:
    """Answers every request with what the server answered to one like it."""

    def __init__(self, answers):
        self.answers = answers

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line[15:])
                await reader.readexactly(length)
                path = head.split(b" ", 2)[1].split(b"?")[0]
                kind = next(kind for kind in (b"/push", b"/ack/batch", b"/ack", b"/pop") if kind in path)
                writer.write(self.answers[kind])
                await writer.drain()


async def recorded(url, batch):
    """Answers as this server gives them."""
    answers = {}
    async with httpx.AsyncClient(base_url=url) as http:
        items = [{"queue": "bench-sample", "payload": {"text": "x" * 1000}, "transactionId": os.urandom(8).hex()} for _ in range(batch)]
        push = await http.post("/api/v1/push", json={"items": items})
        pop = await http.get(f"/api/v1/pop/queue/bench-sample?batch={batch}")
        acks = [
            {"transactionId": one["transactionId"], "partitionId": one["partitionId"], "leaseId": one["leaseId"], "status": "completed"}
            for one in pop.json()["messages"]
        ]
        one = await http.post("/api/v1/ack", json=acks[0])
        many = await http.post("/api/v1/ack/batch", json={"acknowledgments": acks[1:] or acks})
        for kind, answer in ((b"/push", push), (b"/pop", pop), (b"/ack", one), (b"/ack/batch", many)):
            head = f"HTTP/1.1 {answer.status_code} OK\r\ncontent-type: application/json\r\ncontent-length: {len(answer.content)}\r\n\r\n"
            answers[kind] = head.encode() + answer.content
    return answers


def respond(answers, port):
    async def run():
        server = await asyncio.start_server(Responder(answers).serve, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(run())


async def main(url):
    p50, p99 = await latency(url)
    print(f"push to waiting pop: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    for batch in (1, 100):
        port = 18900 + batch
        answers = await recorded(url, batch)
        child = os.fork()
        if child == 0:
            respond(answers, port)
        await asyncio.sleep(0.5)
        ours = await rates(url, batch)
        bare = await rates(f"http://127.0.0.1:{port}", batch)
        os.kill(child, 9)
        for what, our, other in zip(("push", "pop + ack"), ours, bare):
            print(f"batch {batch}, {what}: {our:,.0f}/s, responder {other:,.0f}/s, ratio {our / other:.2f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
