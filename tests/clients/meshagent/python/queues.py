"""Each queue call, with its success and its error, for every generation."""

import asyncio

from harness import check, drop, park, park_many, refused, same, scenario, stays_quiet

NOT_FOUND, EXISTS, INVALID_STATE = 5001, 5002, 1006


@scenario
async def list_of_an_empty_room_is_empty(lab):
    a = await lab.join()
    same(await a.sizes(), {})


@scenario
async def list_says_names_and_sizes(lab):
    a = await lab.join()
    await a.send("q", {"n": 1})
    await a.send("q", {"n": 2})
    await a.open("r")
    same(await a.sizes(), {"q": 2, "r": 0})


@scenario
async def open_makes_a_queue(lab):
    a = await lab.join()
    await a.open("q")
    same(await a.sizes(), {"q": 0})
    await a.send("q", {"n": 1}, create=False)
    same(await a.receive("q", create=False), {"n": 1})


@scenario
async def open_of_an_open_queue_is_refused(lab):
    a, b = await lab.members("alice", "bob")
    await a.open("q")
    await refused(a.open("q"), EXISTS)
    await refused(b.open("q"), EXISTS)


@scenario
async def open_of_a_queue_made_by_send_is_refused(lab):
    a = await lab.join()
    await a.send("q", {"n": 1})
    await refused(a.open("q"), EXISTS)
    same(await a.sizes(), {"q": 1})


@scenario
async def open_of_a_queue_made_by_receive_is_refused(lab):
    a = await lab.join()
    same(await a.receive("q", wait=False), None)
    await refused(a.open("q"), EXISTS)


@scenario
async def send_then_receive_gives_the_message(lab):
    a, b = await lab.members("alice", "bob")
    await a.send("q", {"text": "hello", "list": [1, 2.5, None, True], "more": {"deep": []}})
    got = await b.receive("q")
    same(got, {"text": "hello", "list": [1, 2.5, None, True], "more": {"deep": []}})
    same(await b.receive("q", wait=False), None)


@scenario
async def send_creates_the_queue_by_default(lab):
    a = await lab.join()
    await a.send("q", {"n": 1})
    same(await a.sizes(), {"q": 1})


@scenario
async def send_to_a_missing_queue_without_create_is_refused(lab):
    a = await lab.join()
    await refused(a.send("q", {"n": 1}, create=False), NOT_FOUND)
    same(await a.sizes(), {})


@scenario
async def receive_from_a_missing_queue_without_create_is_refused(lab):
    a = await lab.join()
    await refused(a.receive("q", create=False, wait=False), NOT_FOUND)
    await refused(a.receive("q", create=False, wait=True), NOT_FOUND)
    same(await a.sizes(), {})


@scenario
async def receive_without_wait_gives_nothing_and_creates_the_queue(lab):
    a = await lab.join()
    same(await a.receive("q", wait=False), None)
    same(await a.sizes(), {"q": 0})
    await a.send("q", {"n": 1}, create=False)


@scenario
async def receive_with_wait_creates_the_queue_while_it_waits(lab):
    a, b = await lab.members("alice", "bob")
    waiting = await park(a, "q")
    same(await b.sizes(), {"q": 0})
    await b.send("q", {"n": 1}, create=False)
    same(await waiting, {"n": 1})


@scenario
async def receive_parks_until_another_participant_sends(lab):
    a, b = await lab.members("alice", "bob")
    waiting = await park(a, "q")
    await stays_quiet(waiting)
    await b.send("q", {"n": 1})
    same(await waiting, {"n": 1})
    # Handed over directly, it never counts.
    same(await b.sizes(), {"q": 0})


@scenario
async def receive_parks_until_the_same_connection_sends(lab):
    a = await lab.join()
    waiting = await park(a, "q")
    await a.send("q", {"n": 1})
    same(await waiting, {"n": 1})


@scenario
async def receive_on_one_queue_does_not_hold_up_another(lab):
    a = await lab.join()
    waiting = await park(a, "q")
    await a.send("r", {"n": 1})
    same(await a.receive("r"), {"n": 1})
    check(not waiting.done(), "the receive on q ended")
    await drop(waiting)


@scenario
async def messages_come_in_the_order_of_pipelined_sends(lab):
    a, b = await lab.members("alice", "bob")
    await asyncio.gather(*(a.send("q", {"n": n}) for n in range(500)))
    same(await b.sizes(), {"q": 500})
    same([(await b.receive("q"))["n"] for _ in range(500)], list(range(500)))


@scenario
async def pipelined_receives_take_messages_in_their_order(lab):
    a, b = await lab.members("alice", "bob")
    for n in range(50):
        await a.send("q", {"n": n})
    got = await asyncio.gather(*(b.receive("q") for _ in range(50)))
    same([message["n"] for message in got], list(range(50)))


@scenario
async def pipelined_calls_of_one_connection_take_effect_in_order(lab):
    a = await lab.join()
    answers = await asyncio.gather(
        a.sizes(),
        a.send("q", {"n": 1}),
        a.sizes(),
        a.receive("q", wait=False),
        a.sizes(),
        a.receive("q", wait=False),
        a.close("q"),
        a.send("q", {"n": 2}),
        a.open("q"),
        a.send("q", {"n": 3}),
        a.sizes(),
        return_exceptions=True,
    )
    same(answers[:7], [{}, None, {"q": 1}, {"n": 1}, {"q": 0}, None, None])
    check(isinstance(answers[7], Exception), f"send to a closed queue: {answers[7]}")
    same(answers[8:], [None, None, {"q": 1}])


@scenario
async def two_consumers_share_the_messages(lab):
    a, b, c = await lab.members("alice", "bob", "carol")
    waiting = [await park_many(member, "q", 20) for member in (b, c)]
    await asyncio.gather(*(a.send("q", {"n": n}) for n in range(40)))
    got = await asyncio.gather(*waiting[0], *waiting[1])
    same(sorted(message["n"] for message in got), list(range(40)))


@scenario
async def drain_removes_the_messages_and_keeps_the_queue(lab):
    a, b = await lab.members("alice", "bob")
    await a.send("q", {"n": 1})
    await a.send("q", {"n": 2})
    await b.drain("q")
    same(await a.sizes(), {"q": 0})
    same(await a.receive("q", create=False, wait=False), None)


@scenario
async def drain_leaves_parked_receivers_parked(lab):
    a, b = await lab.members("alice", "bob")
    waiting = await park(a, "q")
    await b.drain("q")
    await stays_quiet(waiting)
    await b.send("q", {"n": 1})
    same(await waiting, {"n": 1})


@scenario
async def drain_of_a_missing_queue_is_refused(lab):
    a = await lab.join()
    await refused(a.drain("q"), NOT_FOUND)
    same(await a.sizes(), {})


@scenario
async def close_of_a_missing_queue_is_refused(lab):
    a = await lab.join()
    await refused(a.close("q"), NOT_FOUND)
    same(await a.sizes(), {})


@scenario
async def closed_queue_refuses_send_and_receive(lab):
    a = await lab.join()
    await a.open("q")
    await a.close("q")
    for create in (True, False):
        await refused(a.send("q", {"n": 1}, create=create), INVALID_STATE)
        await refused(a.receive("q", create=create, wait=False), INVALID_STATE)
        await refused(a.receive("q", create=create, wait=True), INVALID_STATE)


@scenario
async def close_ends_parked_receivers_with_an_error(lab):
    a, b = await lab.members("alice", "bob")
    mine = await park(a, "q")
    theirs = await park_many(b, "q", 3)
    await a.close("q")
    for waiting in (mine, *theirs):
        await refused(waiting, INVALID_STATE)


@scenario
async def closed_queue_opens_again_with_its_messages(lab):
    a = await lab.join()
    await a.send("q", {"n": 1})
    await a.close("q")
    await a.open("q")
    same(await a.receive("q", wait=False), {"n": 1})
    await a.send("q", {"n": 2}, create=False)
    same(await a.receive("q"), {"n": 2})


@scenario
async def rooms_do_not_share_queues(lab):
    a = await lab.join()
    b = await lab.join(room=f"{lab.room}-b")
    await a.send("q", {"n": 1})
    same(await b.sizes(), {})
    same(await b.receive("q", wait=False), None)


@scenario
async def rooms_may_have_any_name(lab):
    """Clients ask for lower case, digits and hyphens only, but send what they are given."""
    names = [f"{lab.room}{end}" for end in ("", "_A.b~c", " with blanks", "-größer-世界")]
    for name in names:
        a = await lab.join(room=name)
        same(a.client.room_name, name)
        await a.send("q", {"room": name})
    for name in names:
        same(await (await lab.join(room=name)).receive("q"), {"room": name})


@scenario
async def queue_names_are_compared_as_they_are(lab):
    a = await lab.join()
    names = ["q", "Q", " q", "q ", "q/r", "../q", "q%20", "Grüße", "队列", "a:c?d#e", "x" * 255]
    for name in names:
        await a.send(name, {"name": name})
    same(await a.sizes(), {name: 1 for name in names})
    for name in names:
        same(await a.receive(name, wait=False), {"name": name})


@scenario
async def impossible_queue_names_are_refused(lab):
    a = await lab.join()
    for name in ("", "a\u0000b", "a\nb", "\u007f", "\u0085", "x" * 256):
        for call in (a.send(name, {}), a.receive(name, wait=False), a.open(name)):
            await refused(call, 1002)
    same(await a.sizes(), {})
