"""The guide's windows over queues. 0.13.0 only: later clients have no call for them."""

import asyncio
import datetime

from harness import check, same, scenario
from lab import acked, pop, push, raises
from queen.stream import Window


def stream(client, name, *sources, seconds=1, grace=0, lease=60, partitioned=True):
    builder = client.stream(name, "ns").sources(list(sources)).tumbling_time(seconds).grace_period(grace).lease_timeout(lease)
    return builder.partitioned() if partitioned else builder


def consumer(client, name, group="g", wait=5_000):
    made = client.consumer(name, group)
    made._poll_timeout = wait
    return made


async def settle(client, window, success=True):
    return await client._http_client.post(
        "/api/v1/stream/ack", {"windowId": window.id, "leaseId": window.leaseId, "success": success})


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


async def sources(client, *names):
    for name in names:
        await client.queue(name).create()


async def filled(reader, client):
    """The next window that is not empty; empty ones are acked."""
    while True:
        window = await reader.poll_window()
        check(window is not None, "no window came")
        if window.messages:
            return window
        await settle(client, window)


def n_of(window):
    return [message["data"]["n"] for message in window.messages]


@scenario
async def define_answers_with_the_stream(lab):
    a = lab.queen()
    await sources(a, "q")
    got = await stream(a, "s", "q").define()
    same((got["success"], got["name"]), (True, "s"))
    check(got["stream_id"], got)
    body = {"name": "t", "namespace": "ns", "source_queue_names": ["q", "unknown"], "partitioned": False, "window_type": "tumbling",
            "window_duration_ms": 1000, "window_grace_period_ms": 0, "window_lease_timeout_ms": 1000}
    same((await lab.http("POST", "/api/v1/stream/define", json=body)).status_code, 201)
    for wrong in ({"name": None}, {"namespace": None}, {"window_duration_ms": 0}, {"window_type": "sliding"}, {"source_queue_names": 5}):
        answer = await lab.http("POST", "/api/v1/stream/define", json=body | wrong)
        same(answer.status_code, 400, f"status for {wrong}")
        check(answer.json()["error"], "an error without a text")


@scenario
async def a_window_holds_the_messages_of_its_time(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q", seconds=2).define()
    await push(a, "q", range(3), "p")
    reader = consumer(a, "s", wait=15_000)
    waiting = asyncio.create_task(filled(reader, a))
    await asyncio.sleep(2.5)
    await push(a, "q", [3], "p")  # a later message closes the window
    window = await waiting
    same(window.key, "p")
    start, end = parse(window.start), parse(window.end)
    same((end - start).total_seconds(), 2.0)
    same(int(start.timestamp() * 1000) % 2000, 0, "aligned to its length")
    for message in window.messages:
        check(start <= parse(message["createdAt"]) < end, f"{message['createdAt']} not in {window.start}..{window.end}")
        check(message["id"] and message["transactionId"].startswith("t"), message)
    got = n_of(window)
    await settle(a, window)
    while got != [0, 1, 2]:  # the three may have met the border of a window
        window = await filled(reader, a)
        got += n_of(window)
        await settle(a, window)


@scenario
async def the_last_window_waits_for_a_later_message(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await asyncio.sleep(1.5)
    same(await consumer(a, "s", wait=1_000).poll_window(), None)


@scenario
async def grace_holds_a_window_open(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q", seconds=1, grace=2).define()
    await push(a, "q", [0])
    await asyncio.sleep(1.2)
    await push(a, "q", [1])
    same(await consumer(a, "s", wait=500).poll_window(), None, "not past the grace")
    await asyncio.sleep(2.5)
    await push(a, "q", [2])
    window = await filled(consumer(a, "s"), a)
    same(n_of(window)[0], 0)


@scenario
async def windows_of_a_key_come_in_order_one_at_a_time(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    for n in range(4):
        await push(a, "q", [n], "p")
        await asyncio.sleep(1.0)
    await push(a, "q", [4], "p")
    reader = consumer(a, "s", wait=1_000)
    first = await reader.poll_window()
    same(await reader.poll_window(), None, "the key is leased")
    seen, last = [], None
    window = first
    while window is not None:
        if last is not None:
            same(window.start, last, "the next window begins where the last one ended")
        last = window.end
        seen += n_of(window)
        await settle(a, window)
        window = await reader.poll_window()
    same(seen, [0, 1, 2, 3])


@scenario
async def keys_have_windows_of_their_own(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0], "x")
    await push(a, "q", [0], "y")
    await asyncio.sleep(2.2)
    await push(a, "q", [1], "x")
    first = await filled(consumer(a, "s"), a)
    second = await filled(consumer(a, "s"), a)
    same(sorted((w.key, n_of(w)) for w in (first, second)), [("x", [0]), ("y", [0])])


@scenario
async def a_global_stream_has_one_key(lab):
    a = lab.queen()
    await sources(a, "q", "r")
    await stream(a, "s", "q", "r", seconds=2, partitioned=False).define()
    await push(a, "q", [0], "x")
    await push(a, "q", [1], "y")
    await push(a, "r", [2])
    await asyncio.sleep(4.2)
    await push(a, "q", [3], "x")
    reader = consumer(a, "s")
    got = []
    while len(got) < 3:
        window = await filled(reader, a)
        same(window.key, "__GLOBAL__")
        got += n_of(window)
        await settle(a, window)
    same(sorted(got), [0, 1, 2])


@scenario
async def same_named_partitions_of_sources_merge(lab):
    a = lab.queen()
    await sources(a, "q", "r")
    await stream(a, "s", "q", "r", seconds=2).define()
    await push(a, "q", [0], "x")
    await push(a, "r", [1], "x")
    await asyncio.sleep(4.2)
    await push(a, "r", [2], "x")
    reader, got = consumer(a, "s"), []
    while len(got) < 2:
        window = await filled(reader, a)
        same(window.key, "x")
        got += n_of(window)
        await settle(a, window)
    same(got, [0, 1])


@scenario
async def a_refused_window_comes_again(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    reader = consumer(a, "s")
    window = await filled(reader, a)
    same(await settle(a, window, False), {"success": True, "acked": False})
    again = await filled(reader, a)
    same((again.start, again.key, n_of(again)), (window.start, window.key, n_of(window)))
    same(await settle(a, again), {"success": True, "acked": True})
    await raises(settle(a, again), "", 400)


@scenario
async def a_window_whose_lease_ran_out_comes_again(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q", lease=1).define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    reader = consumer(a, "s")
    window = await filled(reader, a)
    again = await filled(reader, a)
    same(n_of(again), n_of(window))
    check(again.leaseId != window.leaseId, "the same lease")
    await raises(settle(a, window), "", 400)
    await settle(a, again)


@scenario
async def a_renewed_lease_lasts(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q", lease=1).define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    window = await filled(consumer(a, "s"), a)
    got = await a._http_client.post("/api/v1/stream/renew-lease", {"leaseId": window.leaseId, "extend_ms": 20_000})
    same(got["success"], True)
    check(got["lease_expires_at"], got)
    same(await consumer(a, "s", wait=2_000).poll_window(), None)
    same((await settle(a, window))["acked"], True)
    await raises(a._http_client.post("/api/v1/stream/renew-lease", {"leaseId": window.leaseId, "extend_ms": 1}), "", 404)


@scenario
async def groups_have_windows_each(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    for group in ("one", "two"):
        same(n_of(await filled(consumer(a, "s", group), a)), [0])


@scenario
async def process_runs_the_callback_and_acks(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q", seconds=2).define()
    await push(a, "q", range(3))
    await asyncio.sleep(4.2)
    await push(a, "q", [3])
    reader, sums = consumer(a, "s", wait=1_000), []

    async def callback(window):
        check(isinstance(window, Window), window)
        sums.append(window.aggregate({"count": True, "sum": ["data.n"]}))
        if sum(s["count"] for s in sums) >= 3:
            reader.stop()

    await reader.process(callback)
    same((sum(s["count"] for s in sums), sum(s["sum"]["data.n"] for s in sums)), (3, 3))


@scenario
async def seek_goes_back(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    reader = consumer(a, "s")
    window = await filled(reader, a)
    await settle(a, window)
    same(await reader.seek(window.start), {"success": True})
    again = await filled(reader, a)
    same((again.start, n_of(again)), (window.start, [0]))


@scenario
async def polling_does_not_consume_from_the_queue(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    await settle(a, await filled(consumer(a, "s"), a))
    same([m["data"]["n"] for m in await pop(a, "q")], [0, 1])


@scenario
async def what_was_consumed_is_still_in_the_window(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    await push(a, "q", [0])
    await acked(a, await pop(a, "q"))
    await asyncio.sleep(2.2)
    await push(a, "q", [1])
    same(n_of(await filled(consumer(a, "s"), a)), [0])


@scenario
async def unknown_streams_are_404(lab):
    a = lab.queen()
    await raises(consumer(a, "none").poll_window(), "", 404)
    await raises(consumer(a, "none").seek("2026-01-01T00:00:00Z"), "", 404)


@scenario
async def windows_need_grants(lab):
    a = lab.queen()
    await sources(a, "q")
    await stream(a, "s", "q").define()
    weak = lab.queen(token=lab.token(api={"queues": {"send": ["q"], "receive": []}}))
    await raises(consumer(weak, "s").poll_window(), "not allow", 403)
    await raises(stream(weak, "t", "q").define(), "not allow", 403)
