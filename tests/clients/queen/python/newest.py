"""What only 2.6.0 has: commit at delivery, pop sizes chosen by the server, binary bodies, conflation."""

import asyncio

from harness import check, same, scenario
from lab import acked, at, numbers, pop, push


@scenario
async def commit_on_delivery_needs_no_ack(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    same(numbers(await at(a, "q").batch(2).wait(False).commit_on_delivery().pop()), [0, 1])
    same(numbers(await pop(a, "q")), [2])


@scenario
async def the_server_may_size_a_pop(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    got = await a.queue("q").wait(False).pop()
    check(numbers(got) in ([0], [0, 1], [0, 1, 2]), got)


@scenario
async def framed_pops_are_answered_in_json(lab):
    await push(lab.queen(), "q", range(3))
    answer = await lab.http("GET", "/api/v1/pop/queue/q?batch=3&frames=true")
    same(numbers(answer.json()["messages"]), [0, 1, 2])


@scenario
async def a_refused_batch_ack_says_which(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    got = await pop(a, "q")
    answer = await a.ack([message | {"leaseId": "11111111-2222-3333-4444-555555555555"} for message in got])
    same((answer["success"], [item["success"] for item in answer["results"]]), (False, [False, False]))


@scenario
async def renewing_a_list_asks_once_per_lease(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    got = await a.renew(await pop(a, "q"))
    same([(item["success"], item["renewed"]) for item in got], [(True, 1)])


@scenario
async def fetch_reads_by_offset_without_a_lease(lab):
    a = lab.queen()
    await push(a, "q", range(5), "x")
    await push(a, "q", range(2), "y")
    await pop(a, "q", partition="x")
    got = await a.queue("q").fetch(["x", "y", "none"], offsets={"x": 2})
    same([(r["offset"], r["transactionId"], r["payload"]) for r in got["x"]["records"]],
         [(n, f"t{n}", {"n": n}) for n in (2, 3, 4)])
    same((got["x"]["highWatermark"], got["x"]["logStartOffset"], got["x"]["nextOffset"]), (5, 0, 5))
    same([r["offset"] for r in got["y"]["records"]], [0, 1])
    same(got["none"]["records"], [])
    same((await a.queue("nowhere").fetch("x"))["x"]["records"], [])
    same((await a.queue("q").fetch("x", offsets={"x": 9}))["x"]["records"], [])


@scenario
async def fetch_reads_thousands_in_order(lab):
    a = lab.queen()
    for first in range(0, 2500, 500):
        await push(a, "q", range(first, first + 500))
    got = await a.queue("q").fetch("Default", max_bytes=4000)
    same([r["payload"]["n"] for r in got["Default"]["records"]], list(range(2500)))


@scenario
async def changed_partitions_are_found_by_time(lab):
    a = lab.queen()
    await push(a, "q", range(3), "x")
    first = await a.queue("q").changed_since()
    same([(p["name"], p["lastOffset"], p["logStart"]) for p in first["partitions"]], [("x", 2, 0)])
    await asyncio.sleep(0.05)
    moment = (await a.queue("q").changed_since())["safeTime"]
    await asyncio.sleep(0.05)
    await push(a, "q", range(1), "y")
    same([p["name"] for p in (await a.queue("q").changed_since(moment))["partitions"]], ["y"])
    same((await a.queue("nowhere").changed_since())["partitions"], [])


@scenario
async def renewing_a_dead_lease_is_a_failure(lab):
    a = lab.queen()
    await push(a, "q", [0])
    got = await pop(a, "q")
    await acked(a, got)
    same((await a.renew(got[0]))["success"], False)
    same((await a.renew("11111111-2222-3333-4444-555555555555"))["success"], False)


@scenario
async def conflation_gives_the_newest_of_each_partition_and_its_ack_is_for_all_before(lab):
    a = lab.queen()
    await push(a, "q", range(3), "x")
    await push(a, "q", range(3, 5), "y")
    got = await pop(a, "q", group="g", partitions=2, conflation=True, subscription_mode="all")
    same(sorted(numbers(got)), [2, 4])
    await push(a, "q", [5], "x")
    same(await pop(a, "q", group="g", conflation=True), [])
    await acked(a, got, group="g")
    got = await pop(a, "q", group="g", partitions=2, conflation=True)
    same(numbers(got), [5])
    await acked(a, got, False, group="g")
    same(numbers(await pop(a, "q", group="g", conflation=True)), [5])
    same(numbers(await pop(a, "q", group="h", partition="x", subscription_mode="all")), [0, 1, 2, 5])


@scenario
async def conflation_needs_a_group_and_acks(lab):
    a = lab.queen()
    same(await pop(a, "q", group="g", conflation=True), [])
    for query in ("conflation=true", "conflation=true&consumerGroup=g&autoAck=true"):
        same((await lab.http("GET", f"/api/v1/pop/queue/q?{query}")).status_code, 400)


@scenario
async def a_binary_push_is_a_push(lab):
    a = lab.queen(binary_push=True)
    got = await push(a, "q", range(3), "x", text="\u00fc")
    same([(item["status"], item["transaction_id"]) for item in got], [("queued", f"t{n}") for n in range(3)])
    same([item["status"] for item in await push(a, "q", range(2, 4), "x")], ["duplicate", "queued"])
    same([(m["data"]["n"], m["transactionId"]) for m in await pop(a, "q")], [(n, f"t{n}") for n in range(4)])


@scenario
async def a_waiting_pop_may_wait_for_its_batch_to_fill(lab):
    a = lab.queen()
    await a.queue("q").config({"minPopWaitTime": 3000}).create()
    await push(a, "q", [0])
    same(numbers(await pop(a, "q", batch=3, group="g", subscription_mode="all")), [0])
    waiting = asyncio.create_task(pop(a, "q", batch=3, wait=20_000))
    await asyncio.sleep(0.5)
    check(not waiting.done(), "it did not wait for more")
    await push(a, "q", [1, 2])
    got = await waiting
    same(numbers(got), [0, 1, 2])
    await acked(a, got)
    waiting = asyncio.create_task(pop(a, "q", batch=3, wait=20_000))
    await push(a, "q", [3])
    same(numbers(await waiting), [3])
