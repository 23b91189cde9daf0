"""After a cut of its TCP connection the client 0.56.0 comes back by itself. 0.56.0 only."""

from harness import check, park, park_many, refused, same, scenario, size_is, stays_quiet
from peers import peer
from proxy import Proxy


async def raised(task):
    """The client fails what was pending by itself, with a code of its own."""
    try:
        got = await task
    except Exception as error:
        return error
    raise AssertionError(f"the parked receive ended with {got!r}")


async def back(member):
    """Waits until the client has noticed the cut and come back."""
    await member.client.wait_until_connected()


async def comes_back(lab, reset):
    proxy = await Proxy.start(lab)
    a = await lab.join("alice")
    b = await lab.join("bob", url=proxy.url)
    waiting = await park(b, "q")
    proxy.cut(reset)
    await raised(waiting)
    await back(b)
    same(proxy.connections, 2, "connections")
    waiting = await park(b, "q")
    await a.send("q", {"n": 1})
    same(await waiting, {"n": 1})
    await b.send("r", {"n": 2})
    same(await a.receive("r"), {"n": 2})


@scenario
async def client_comes_back_after_a_reset(lab):
    await comes_back(lab, reset=True)


@scenario
async def client_comes_back_after_a_close_without_a_close_frame(lab):
    await comes_back(lab, reset=False)


@scenario
async def messages_sent_while_a_client_is_away_wait_for_it(lab):
    proxy = await Proxy.start(lab)
    a = await lab.join("alice")
    b = await lab.join("bob", url=proxy.url)
    waiting = await park_many(b, "q", 3)
    proxy.swallow = True
    for n in range(5):
        await a.send("q", {"n": n})
    await proxy.swallowed.wait()
    proxy.cut()
    for task in waiting:
        await raised(task)
    proxy.swallow = False
    await back(b)
    await size_is(a, "q", 5)
    same([(await b.receive("q"))["n"] for _ in range(5)], list(range(5)))


@scenario
async def attributes_and_messaging_are_restored_after_a_cut(lab):
    proxy = await Proxy.start(lab)
    a = await lab.join("alice")
    b = await lab.join("bob", url=proxy.url)
    await a.enable()
    await b.enable()
    await b.set_attribute("mood", "good")
    await a.sees_attribute("bob", "mood", "good")
    old = b.id
    await a.set_attribute("mood", "calm")
    waiting = await park(b, "q")
    proxy.cut()
    await raised(waiting)
    await back(b)
    await a.until(lambda: a.find("bob") == b.id and old not in a.others() or b.id == old)
    await a.sees_attribute("bob", "mood", "good")
    await b.sees_attribute("alice", "mood", "calm")
    await a.tell(b.id, "chat", {"n": 1})
    same((await b.hears("chat"))["message"], {"n": 1})
    await b.tell(a.id, "chat", {"n": 2})
    same((await a.hears("chat"))["from"], b.id)


@scenario
async def a_client_that_was_cut_leaves_no_ghost(lab):
    """Its old connection's receivers take nothing, and it is listed once."""
    proxy = await Proxy.start(lab)
    a = await lab.join("alice")
    b = await lab.join("bob", url=proxy.url)
    await a.enable()
    await b.enable()
    for _ in range(3):
        waiting = await park_many(b, "q", 5)
        proxy.cut()
        for task in waiting:
            await raised(task)
        await back(b)
        await b.until(lambda: b.client.messaging.online)
    for n in range(5):
        await a.send("q", {"n": n})
    await size_is(a, "q", 5)
    same([(await b.receive("q"))["n"] for _ in range(5)], list(range(5)))
    await a.until(lambda: len(a.others()) == 1 and a.find("bob") == b.id)


@scenario
async def pings_of_a_waiting_client_are_answered(lab):
    """The client cuts a connection whose pongs do not come within half its heartbeat."""
    proxy = await Proxy.start(lab)
    token = lab.token("bob")
    a = await lab.join("alice")
    b = await lab.client.Member.join(proxy.url, lab.room, token, heartbeat=0.2)
    lab.stack.push_async_callback(b.leave)
    waiting = await park(b, "q")
    for _ in range(4):
        await stays_quiet(waiting)
    await a.send("q", {"n": 1})
    same(await waiting, {"n": 1})
    same(proxy.connections, 1, "connections")


@scenario
async def dismiss_makes_the_client_leave(lab):
    """An ordinary message to the server; the client that gets it disconnects."""
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await a.sees("bob")
    await a.tell(b.id, "dismiss", {})
    await b.client.wait_for_close()
    await a.misses("bob")


@scenario
async def a_polite_leave_is_seen_at_once_and_final(lab):
    a = await lab.join("alice")
    await a.enable()
    b = await peer(lab, "bob")
    await b.enable()
    await a.sees("bob")
    await b.leave()
    await a.misses("bob")
    check(b.process.returncode == 0, f"the peer ended with {b.process.returncode}")
    await refused(a.tell(b.id, "chat", {}), 1003)
