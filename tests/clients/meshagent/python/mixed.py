"""Clients of different make in one room: 0.56.0 here, the other in a process. 0.56.0 only."""

import asyncio

from harness import check, park, park_many, refused, same, scenario, size_is
from payloads import exactly
from peers import peer
from presence import meet

OLD, JAVASCRIPT = "python-0.0.21", "javascript-0.39.9"

# What JavaScript can hold: no integers beyond 2^53, no -0.0 (it writes 0).
COMMON = {
    "numbers": [0, -1, 2**53 - 1, 0.1, 5e-324, 1.5e300],
    "text": "a\u0000b \ud800 \U0001f680 \u2028 Grüße 世界",
    "Schlüssel": [[], {}, None, True, False, ""],
}


async def wake(lab, kind):
    """A parked receive of either is woken by a send of the other."""
    a = await lab.join("alice")
    b = await peer(lab, "bob", kind)
    waiting = await park(b, "q")
    await a.send("q", COMMON)
    exactly(await waiting, COMMON)
    waiting = await park(a, "q")
    await b.send("q", COMMON)
    exactly(await waiting, COMMON)


async def keep_order(lab, kind):
    a = await lab.join("alice")
    b = await peer(lab, "bob", kind)
    for sender, taker, queue in ((a, b, "q"), (b, a, "r")):
        await asyncio.gather(*(sender.send(queue, {"n": n}) for n in range(200)))
        got = await asyncio.gather(*(taker.receive(queue) for _ in range(200)))
        same([message["n"] for message in got], list(range(200)))


async def survive(lab, kind, stop):
    a = await lab.join("alice")
    victim = await peer(lab, "victim", kind)
    await park_many(victim, "q", 10)
    if stop:
        victim.stop()
        for n in range(12):
            await a.send("q", {"n": n})
        await victim.kill()
    else:
        await victim.kill()
        for n in range(12):
            await a.send("q", {"n": n})
    await size_is(a, "q", 12)
    same([(await a.receive("q"))["n"] for _ in range(12)], list(range(12)))


async def get_errors(lab, kind, codes):
    a = await lab.join("alice")
    b = await peer(lab, "bob", kind)
    await a.open("q")
    error = await refused(b.open("q"), 5002)
    check(not codes or error.code == 5002, f"no code in {error}")
    await refused(b.send("missing", {}, False), 5001)
    waiting = await park(b, "q")
    await a.close("q")
    await refused(waiting, 1006)


@scenario
async def parked_receives_of_0_0_21_and_0_56_0_wake_each_other(lab):
    await wake(lab, OLD)


@scenario
async def parked_receives_of_javascript_and_python_wake_each_other(lab):
    await wake(lab, JAVASCRIPT)


@scenario
async def order_holds_between_0_0_21_and_0_56_0(lab):
    await keep_order(lab, OLD)


@scenario
async def order_holds_between_javascript_and_python(lab):
    await keep_order(lab, JAVASCRIPT)


@scenario
async def python_0_56_0_and_0_0_21_meet_talk_and_part(lab):
    a = await lab.client.Member.join(lab.url, lab.room, lab.token("alice"))
    await meet(a, await peer(lab, "bob", OLD))


@scenario
async def python_0_0_21_and_0_56_0_meet_talk_and_part(lab):
    await meet(await peer(lab, "alice", OLD), await lab.join("bob"))


@scenario
async def python_and_javascript_meet_talk_and_part(lab):
    a = await lab.client.Member.join(lab.url, lab.room, lab.token("alice"))
    await meet(a, await peer(lab, "bob", JAVASCRIPT))


@scenario
async def javascript_and_python_meet_talk_and_part(lab):
    await meet(await peer(lab, "alice", JAVASCRIPT), await lab.join("bob"))


@scenario
async def javascript_and_0_0_21_meet_talk_and_part(lab):
    await meet(await peer(lab, "alice", JAVASCRIPT), await peer(lab, "bob", OLD))


@scenario
async def three_makes_hear_one_broadcast(lab):
    a = await lab.join("alice")
    others = [await peer(lab, kind, kind) for kind in (OLD, JAVASCRIPT)]
    for member in (a, *others):
        await member.enable()
    for name in (OLD, JAVASCRIPT):
        await a.sees(name)
    await a.broadcast("all", {"text": "ü"}, b"\x00\x01")
    for member in others:
        same((await member.hears("all"))["attachment"], b"\x00\x01")


@scenario
async def killing_a_parked_0_0_21_loses_nothing(lab):
    await survive(lab, OLD, stop=False)


@scenario
async def stopping_and_killing_a_parked_0_0_21_loses_nothing(lab):
    await survive(lab, OLD, stop=True)


@scenario
async def killing_a_parked_javascript_loses_nothing(lab):
    await survive(lab, JAVASCRIPT, stop=False)


@scenario
async def stopping_and_killing_a_parked_javascript_loses_nothing(lab):
    await survive(lab, JAVASCRIPT, stop=True)


@scenario
async def errors_reach_0_0_21(lab):
    await get_errors(lab, OLD, codes=False)


@scenario
async def errors_reach_javascript(lab):
    await get_errors(lab, JAVASCRIPT, codes=True)


@scenario
async def five_megabytes_from_python_to_javascript_and_back(lab):
    a = await lab.join("alice")
    b = await peer(lab, "bob", JAVASCRIPT)
    message = {"blob": "0123456789" * 500_000}
    await a.send("q", message)
    check(await b.receive("q") == message, "the message to JavaScript changed")
    await b.send("r", message)
    check(await a.receive("r") == message, "the message from JavaScript changed")
