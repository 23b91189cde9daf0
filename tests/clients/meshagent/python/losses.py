"""Clients that cancel, die or fall silent: nothing may be lost, nothing may change its order."""

import asyncio

from harness import drop, park, park_many, same, scenario, size_is
from peers import peer
from proxy import Proxy


async def take(member, queue, count):
    return [(await member.receive(queue))["n"] for _ in range(count)]


@scenario
async def receive_with_timeout_in_a_loop_loses_nothing(lab):
    """The usual worker loop. Cancelling tells the server nothing, so old waiters pile up there."""
    a, b = await lab.members("alice", "bob")
    got = []
    for n in range(40):
        for _ in range(n % 4):
            try:
                await asyncio.wait_for(b.receive("q"), 0.01)
            except (asyncio.TimeoutError, TimeoutError):
                pass
            else:
                raise AssertionError("a message before it was sent")
        live = await park(b, "q")
        await a.send("q", {"n": n})
        got.append((await asyncio.wait_for(live, 5))["n"])
    same(got, list(range(40)))
    same(await a.sizes(), {"q": 0})


@scenario
async def cancelled_receivers_of_a_closed_connection_take_nothing(lab):
    a, b = await lab.members("alice", "bob")
    gone = await peer(lab, "gone")
    for _ in range(5):
        await drop(await park(gone, "q"))
    await gone.leave()
    for n in range(5):
        await a.send("q", {"n": n})
    same(await take(b, "q", 5), list(range(5)))


@scenario
async def leaving_with_a_parked_receive_loses_nothing(lab):
    a, b = await lab.members("alice", "bob")
    gone = await peer(lab, "gone")
    await park(gone, "q")
    await gone.leave()
    await a.send("q", {"n": 1})
    same(await b.receive("q"), {"n": 1})


@scenario
async def killing_a_parked_client_loses_nothing(lab):
    a, b = await lab.members("alice", "bob")
    victim = await peer(lab, "victim")
    await park_many(victim, "q", 20)
    await victim.kill()
    for n in range(20):
        await a.send("q", {"n": n})
    # Those handed to the dead connection come back in front.
    await size_is(a, "q", 20)
    same(await take(b, "q", 20), list(range(20)))


@scenario
async def killing_a_parked_client_lets_a_live_one_receive(lab):
    a, b = await lab.members("alice", "bob")
    victim = await peer(lab, "victim")
    await park_many(victim, "q", 20)
    waiting = await park_many(b, "q", 20)
    await victim.kill()
    for n in range(20):
        await a.send("q", {"n": n})
    got = await asyncio.gather(*waiting)
    same(sorted(message["n"] for message in got), list(range(20)))


@scenario
async def stopping_and_killing_a_parked_client_loses_nothing(lab):
    """The kernel of a stopped process takes the answers; it dies without reading them."""
    a, b = await lab.members("alice", "bob")
    victim = await peer(lab, "victim")
    await park_many(victim, "q", 20)
    victim.stop()
    for n in range(25):
        await a.send("q", {"n": n})
    await victim.kill()
    await size_is(a, "q", 25)
    same(await take(b, "q", 25), list(range(25)))


@scenario
async def killing_in_the_middle_of_a_stream_of_messages_keeps_the_order(lab):
    a, b = await lab.members("alice", "bob")
    victim = await peer(lab, "victim")
    await asyncio.gather(*(a.send("q", {"n": n}) for n in range(200)))
    got = await asyncio.gather(*(victim.receive("q") for _ in range(50)))
    same([message["n"] for message in got], list(range(50)))
    # Answered behind the receives: their receipts are on the way before these requests.
    await victim.sizes()
    await victim.sizes()
    victim.stop()
    await victim.kill()
    await size_is(a, "q", 150)
    same(await take(b, "q", 150), list(range(50, 200)))


async def cut_off(lab, reset):
    a, b = await lab.members("alice", "bob")
    proxy = await Proxy.start(lab)
    # In a process of its own: 0.56.0 hangs when it is left while it comes back.
    victim = await peer(lab, "victim", url=proxy.url)
    waiting = await park_many(victim, "q", 10)
    proxy.swallow = True
    for n in range(15):
        await a.send("q", {"n": n})
    await proxy.swallowed.wait()
    proxy.cut(reset)
    await size_is(a, "q", 15)
    same(await take(b, "q", 15), list(range(15)))
    for task in waiting:
        await drop(task)


@scenario
async def resetting_the_connection_of_a_parked_client_loses_nothing(lab):
    await cut_off(lab, reset=True)


@scenario
async def closing_the_connection_of_a_parked_client_loses_nothing(lab):
    await cut_off(lab, reset=False)


@scenario
async def received_messages_do_not_come_again_after_a_cut(lab):
    a, b = await lab.members("alice", "bob")
    proxy = await Proxy.start(lab)
    # In a process of its own: 0.56.0 hangs when it is left while it comes back.
    victim = await peer(lab, "victim", url=proxy.url)
    for n in range(10):
        await a.send("q", {"n": n})
    same(await take(victim, "q", 5), list(range(5)))
    # Answered behind the receives: their receipts are on the way before these requests.
    await victim.sizes()
    await victim.sizes()
    proxy.cut()
    same(await take(b, "q", 5), list(range(5, 10)))
    same(await b.receive("q", wait=False), None)
