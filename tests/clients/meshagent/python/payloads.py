"""Messages come back exactly, whatever JSON they are, and in any size and number."""

import asyncio
import json

from harness import check, park_many, refused, same, scenario

EXACT = {
    "beyond 64 bits": [2**63, -(2**63) - 1, 2**64 + 1, 10**100],
    "tiny and negative zero": [5e-324, -0.0, 0.0, 1e308, 0.1, 1.0, 1e16],
    "nul": "a\u0000b",
    "lone surrogates": ["\ud800", "\udfff x", "\udc00\ud800"],
    "text": "Grüße, 世界, \U0001f680, e\u0301, \u2028 \ufeff",
    "Schlüssel \u0000 \U0001f511": {"": [[], {}, None, True, False]},
    "escapes": '"\\/\b\f\n\r\t\u007f\u001f',
    "__meshagent__": {"v": "only the header's own key is the client's"},
}


def exactly(got, sent):
    """Compared as text: Python takes -0.0 and 0.0, 1 and 1.0 for equal."""
    same(json.dumps(got), json.dumps(sent))


@scenario
async def messages_come_back_exactly(lab):
    a, b = await lab.members("alice", "bob")
    await a.send("q", EXACT)
    exactly(await b.receive("q"), EXACT)


@scenario
async def messages_come_back_exactly_to_parked_receivers(lab):
    a, b = await lab.members("alice", "bob")
    waiting = (await park_many(b, "q", 1))[0]
    await a.send("q", EXACT)
    exactly(await waiting, EXACT)


@scenario
async def messages_may_be_any_json_value(lab):
    a, b = await lab.members("alice", "bob")
    values = ["", "text", "null", [], [1, [2]], {}, 0, 1, -1.5, 2**70, True, False]
    for value in values:
        await a.send("q", value)
    for value in values:
        exactly(await b.receive("q", wait=False), value)
    same(await b.sizes(), {"q": 0})


@scenario
async def a_message_that_is_not_json_is_refused(lab):
    """Python writes NaN and Infinity, which are no JSON."""
    a = await lab.join()
    for value in (float("nan"), float("inf"), {"deep": [float("-inf")]}):
        await refused(a.send("q", value), 1002)
    same(await a.sizes(), {})
    await a.send("q", {"still": "connected"})


@scenario
async def five_megabytes_go_in_and_out(lab):
    a, b = await lab.members("alice", "bob")
    message = {"blob": "0123456789" * 500_000, "end": "ü"}
    await a.send("q", message)
    check(await b.receive("q") == message, "the big message changed")


@scenario
async def small_calls_work_behind_big_messages(lab):
    a, b = await lab.members("alice", "bob")
    message = {"blob": "x" * 1_000_000}
    *_, sizes = await asyncio.gather(*(a.send("q", message) for _ in range(3)), a.sizes())
    same(sizes, {"q": 3})
    *got, sizes = await asyncio.gather(*(b.receive("q") for _ in range(3)), b.sizes())
    check(got == [message] * 3, "the big messages changed")
    same(sizes, {"q": 0})


@scenario
async def messages_of_every_length_around_a_packet_go_through(lab):
    """Data is cut at 1024 bytes; lengths near it must not matter."""
    a, b = await lab.members("alice", "bob")
    lengths = [*range(700, 1100), *range(1900, 2100)]
    waiting = await park_many(b, "q", len(lengths))
    await asyncio.gather(*(a.send("q", {"t": "y" * length}) for length in lengths))
    got = await asyncio.gather(*waiting)
    same(sorted(len(message["t"]) for message in got), lengths)


@scenario
async def hundred_parked_receivers_get_one_message_each(lab):
    a, b = await lab.members("alice", "bob")
    waiting = await park_many(b, "q", 100)
    same(await b.sizes(), {"q": 0}, "list behind parked receivers")
    await asyncio.gather(*(a.send("q", {"n": n}) for n in range(100)))
    got = await asyncio.gather(*waiting)
    same(sorted(message["n"] for message in got), list(range(100)))
    same(await b.receive("q", wait=False), None)


@scenario
async def other_calls_are_answered_while_a_hundred_receives_wait(lab):
    a = await lab.join()
    waiting = await park_many(a, "q", 100)
    await a.open("r")
    await a.send("r", {"n": 1})
    same(await a.receive("r"), {"n": 1})
    await a.drain("r")
    await a.close("r")
    await refused(a.receive("missing", create=False), 5001)
    same(sum(task.done() for task in waiting), 0, "answered receives")
