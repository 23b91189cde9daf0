"""Queen's client and MeshAgent's in one room: one queue, two protocols."""

import asyncio

from harness import same, scenario
from lab import acked, numbers, pop, push
from peers import RemoteMember

KIND = "python-0.56.0"


async def member(lab, name="bob"):
    """A MeshAgent participant, in a process with its own client."""
    joined = await RemoteMember.start(KIND)
    lab.stack.push_async_callback(joined.kill)
    api = {"queues": {}, "messaging": {}}
    await joined.join(lab.url, lab.room, lab.token(name, api=api, version="0.56.0"))
    return joined


@scenario
async def what_queen_pushes_meshagent_receives(lab):
    a, b = lab.queen(), await member(lab)
    payloads = [{"n": n, "text": "Grüße 世界", "deep": [[], {}, None, 1.5]} for n in range(20)]
    await a.queue("q").push([{"data": payload} for payload in payloads])
    same([await b.receive("q") for _ in payloads], payloads)
    same(await b.receive("q", True, False), None)


@scenario
async def what_meshagent_sends_queen_pops(lab):
    a, b = lab.queen(), await member(lab)
    for n in range(5):
        await b.send("q", {"n": n})
    got = []
    while messages := await pop(a, "q", 2):
        got += numbers(messages)
        await acked(a, messages)
    same(got, [0, 1, 2, 3, 4])


@scenario
async def a_push_wakes_a_waiting_meshagent_receive(lab):
    a, b = lab.queen(), await member(lab)
    waiting = asyncio.create_task(b.receive("q"))
    await asyncio.sleep(0)
    await b.sizes()
    await push(a, "q", [1])
    same(await waiting, {"n": 1})


@scenario
async def a_meshagent_send_wakes_a_waiting_pop(lab):
    a, b = lab.queen(), await member(lab)
    waiting = asyncio.create_task(pop(a, "q", wait=30_000))
    await asyncio.sleep(0.3)
    await b.send("q", {"n": 1})
    same(numbers(await waiting), [1])


@scenario
async def both_protocols_share_the_work(lab):
    a, b = lab.queen(), await member(lab)
    await push(a, "q", range(30))
    got = []
    while len(got) < 30:
        got += [message["n"] for message in [await b.receive("q", True, False)] if message]
        messages = await pop(a, "q", 1)
        got += numbers(messages)
        if messages:  # the member's last message may still be on its way, and its partition with it
            await acked(a, messages)
    same(sorted(got), list(range(30)))
    same(await pop(a, "q"), [])


@scenario
async def a_group_of_queen_reads_what_meshagent_sent_and_took(lab):
    a, b = lab.queen(), await member(lab)
    await a.queue("q").create()
    await b.send("q", {"n": 1})
    same(await b.receive("q"), {"n": 1})
    same(numbers(await pop(a, "q", group="audit")), [1])


@scenario
async def a_failed_ack_goes_to_meshagent(lab):
    a, b = lab.queen(), await member(lab)
    await push(a, "q", [1])
    got = await pop(a, "q")
    waiting = asyncio.create_task(b.receive("q"))
    await asyncio.sleep(0)
    await b.sizes()
    await acked(a, got, False)
    same(await waiting, {"n": 1})
