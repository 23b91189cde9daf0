"""Pop: what is given out, to whom, how much, and when."""

import asyncio
import re

from harness import check, drop, same, scenario, stays_quiet
from lab import NO_GROUP, acked, at, numbers, patient, pop, push


@scenario
async def pop_of_an_unknown_or_empty_queue_is_204_without_a_body(lab):
    for path in ("/api/v1/pop/queue/q", "/api/v1/pop/queue/q/partition/p", "/api/v1/pop/queue/q?wait=true&timeout=100",
                 "/api/v1/pop?namespace=n", "/api/v1/pop?task=t&wait=true&timeout=100"):
        answer = await lab.http("GET", path)
        same((answer.status_code, answer.content), (204, b""), path)


@scenario
async def pop_says_all_there_is_to_say(lab):
    await push(lab.queen(), "q", [5], "p")
    got = (await lab.http("GET", "/api/v1/pop/queue/q/partition/p?consumerGroup=g&batch=3")).json()
    (message,) = got["messages"]
    same((got["success"], got["queue"], got["partition"], got["consumerGroup"], got["partitionsClaimed"]),
         (True, "q", "p", "g", 1))
    same((message["partition"], message["consumerGroup"], message["data"], message["transactionId"]),
         ("p", "g", {"n": 5}, "t5"))
    same((message["leaseId"], message["partitionId"]), (got["leaseId"], got["partitionId"]))
    same((message["traceId"], message["deliveryAttempt"]), (None, 1))
    check(message["leaseId"] and message["partitionId"] and message["id"], f"no ids in {message}")
    check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z", message["createdAt"]), message["createdAt"])


@scenario
async def pop_without_a_group_says_the_reserved_one(lab):
    await push(lab.queen(), "q", [0])
    got = (await lab.http("GET", "/api/v1/pop/queue/q")).json()
    same((got["consumerGroup"], got["messages"][0]["consumerGroup"]), (NO_GROUP, NO_GROUP))
    same(got["partition"], "Default")


@scenario
async def pop_gives_at_most_the_batch(lab):
    a = lab.queen()
    await push(a, "q", range(10))
    first = await pop(a, "q", 4)
    same(numbers(first), [0, 1, 2, 3])
    await acked(a, first)
    second = await pop(a, "q", 4)
    same(numbers(second), [4, 5, 6, 7])
    await acked(a, second)
    same(numbers(await pop(a, "q", 4)), [8, 9])


@scenario
async def a_leased_partition_is_nobody_elses(lab):
    a, b = lab.queen(), lab.queen()
    await push(a, "q", range(4))
    same(numbers(await pop(a, "q", 2)), [0, 1])
    same(await pop(b, "q", 2), [])
    same(await pop(a, "q", 2), [])


@scenario
async def workers_share_partitions(lab):
    a = lab.queen()
    for partition in "xyz":
        await push(a, "q", range(2), partition)
    got = [await pop(lab.queen(), "q", 10) for _ in range(4)]
    same([numbers(messages) for messages in got], [[0, 1], [0, 1], [0, 1], []])
    same(sorted(messages[0]["partition"] for messages in got[:3]), ["x", "y", "z"])


@scenario
async def one_pop_may_claim_several_partitions_under_one_lease(lab):
    a = lab.queen()
    for partition in "xyz":
        await push(a, "q", range(3), partition)
    got = (await lab.http("GET", "/api/v1/pop/queue/q?partitions=2&batch=100")).json()
    same((got["partitionsClaimed"], len(got["messages"])), (2, 6))
    same({message["leaseId"] for message in got["messages"]}, {got["leaseId"]})
    first, second = got["messages"][:3], got["messages"][3:]
    for messages in (first, second):
        same((numbers(messages), len({m["partitionId"] for m in messages})), ([0, 1, 2], 1))
    check(first[0]["partition"] != second[0]["partition"], "the same partition twice")
    same(first[0]["partition"], got["partition"])
    results = (await acked(a, got["messages"]))["results"]
    same([(item["index"], item["success"]) for item in results], [(n, True) for n in range(6)])
    same(len(await pop(a, "q", 10)), 3)


@scenario
async def the_batch_is_the_budget_of_all_partitions(lab):
    a = lab.queen()
    for partition in "xyz":
        await push(a, "q", range(3), partition)
    got = (await lab.http("GET", "/api/v1/pop/queue/q?partitions=3&batch=4")).json()
    same((len(got["messages"]), got["partitionsClaimed"]), (4, 2))


@scenario
async def pop_of_a_partition_gives_that_partition(lab):
    a = lab.queen()
    await push(a, "q", [1], "x")
    await push(a, "q", [2], "y")
    same(numbers(await pop(a, "q", partition="y")), [2])
    same(await pop(a, "q", partition="y"), [])
    same(numbers(await pop(a, "q", partition="x")), [1])
    same(await pop(a, "q", partition="z"), [])


@scenario
async def order_holds_within_a_partition(lab):
    a = lab.queen()
    for n in range(30):
        await push(a, "q", [n], "xyz"[n % 3])
    for name, first in zip("xyz", range(3)):
        same(numbers(await pop(a, "q", partition=name)), list(range(first, 30, 3)))


@scenario
async def a_waiting_pop_is_woken_by_a_push(lab):
    a, b = lab.queen(), lab.queen()
    waiting = asyncio.create_task(pop(a, "q", wait=30_000))
    await stays_quiet(waiting)
    await push(b, "q", [1])
    same(numbers(await waiting), [1])


@scenario
async def a_waiting_pop_of_a_partition_wakes_for_that_partition(lab):
    a, b = lab.queen(), lab.queen()
    waiting = asyncio.create_task(pop(a, "q", partition="x", wait=30_000))
    await push(b, "q", [1], "y")
    await stays_quiet(waiting)
    await push(b, "q", [2], "x")
    same(numbers(await waiting), [2])


@scenario
async def a_waiting_pop_ends_with_nothing_at_its_timeout(lab):
    loop = asyncio.get_running_loop()
    began = loop.time()
    same(await pop(lab.queen(), "q", wait=700), [])
    check(loop.time() - began >= 0.65, "it did not wait")


@scenario
async def a_waiting_pop_is_woken_when_the_lease_is_given_back(lab):
    a, b = lab.queen(), lab.queen()
    await push(a, "q", range(2))
    (held,) = await pop(a, "q", 1)
    waiting = asyncio.create_task(pop(b, "q", wait=30_000))
    await stays_quiet(waiting)
    await acked(a, held, False)
    same(numbers(await waiting), [0, 1])


@scenario
async def a_waiting_pop_is_woken_by_the_ack_before_it(lab):
    a, b = lab.queen(), lab.queen()
    await push(a, "q", range(2))
    (held,) = await pop(a, "q", 1)
    waiting = asyncio.create_task(pop(b, "q", wait=30_000))
    await stays_quiet(waiting)
    await acked(a, held)
    same(numbers(await waiting), [1])


@scenario
async def many_waiting_pops_take_each_message_once(lab):
    """Twenty partitions, so that nobody waits for a lease."""
    clients = [lab.queen() for _ in range(20)]
    waiting = [asyncio.create_task(pop(client, "q", 1, wait=30_000)) for client in clients]
    await asyncio.sleep(0.3)
    for n in range(20):
        await push(clients[0], "q", [n], f"p{n}")
    got = await asyncio.gather(*waiting)
    same(sorted(n for messages in got for n in numbers(messages)), list(range(20)))


@scenario
async def a_pop_that_was_given_up_takes_nothing(lab):
    a, b = lab.queen(), lab.queen()
    for _ in range(5):
        waiting = asyncio.create_task(pop(a, "q", wait=30_000))
        await asyncio.sleep(0.1)
        await drop(waiting)
    await asyncio.sleep(0.2)
    await push(b, "q", [1])
    same(numbers(await pop(b, "q", wait=5_000)), [1])


@scenario
async def a_lease_that_ran_out_is_delivered_again_and_charges_nothing(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 1, "retry_limit": 0}).create()
    await push(a, "q", range(2))
    for attempt in (1, 2, 3):
        got = await pop(a, "q", wait=10_000)
        same((numbers(got), [m["deliveryAttempt"] for m in got]), ([0, 1], [attempt] * 2))
    await acked(a, got)
    same(await pop(a, "q"), [])
    same((await a.queue("q").dlq().get())["messages"], [])


@scenario
async def an_ack_after_the_lease_ran_out_is_refused(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 1}).create()
    await push(a, "q", range(2))
    old = await pop(a, "q", 1)
    new = await pop(a, "q", 1, wait=10_000)
    same(numbers(new), [0])
    got = await a.ack(old[0])
    same((got["success"], got["error"]), (False, "invalid or expired lease"))
    await acked(a, new)
    same(numbers(await pop(a, "q")), [1])


@scenario
async def a_pop_may_say_how_long_its_lease_is(lab):
    await push(lab.queen(), "q", [0])
    same((await lab.http("GET", "/api/v1/pop/queue/q?leaseSeconds=1")).status_code, 200)
    same((await lab.http("GET", "/api/v1/pop/queue/q")).status_code, 204)
    same((await lab.http("GET", "/api/v1/pop/queue/q?wait=true&timeout=10000")).status_code, 200)


@scenario
async def auto_ack_settles_at_delivery(lab):
    a = lab.queen()
    await push(a, "q", range(4))
    got = (await lab.http("GET", "/api/v1/pop/queue/q?autoAck=true&batch=3")).json()
    same((numbers(got["messages"]), got["leaseId"]), ([0, 1, 2], ""))
    same(numbers(await pop(a, "q")), [3])


@scenario
async def pop_by_namespace_and_task_looks_at_all_their_queues(lab):
    a = lab.queen()
    for name, namespace, task in (("a", "n1", "t1"), ("b", "n1", "t2"), ("c", "n2", "t1")):
        await a.queue(name).namespace(namespace).task(task).create()
        await a.queue(name).push([{"data": {"from": name}}])

    async def from_all(**labels):
        got = []
        while True:
            target = a.queue().batch(10).wait(False)
            for label, value in labels.items():
                target = getattr(target, label)(value)
            messages = await target.pop()
            if not messages:
                return sorted(got)
            got += [message["data"]["from"] for message in messages]
            await acked(a, messages, group=labels.get("group"))

    same(await from_all(namespace="n1", task="t1", group="g1"), ["a"])
    same(await from_all(namespace="n1", group="g2"), ["a", "b"])
    same(await from_all(task="t1", group="g3"), ["a", "c"])
    same(await from_all(namespace="none"), [])
    same((await lab.http("GET", "/api/v1/pop")).status_code, 400)


@scenario
async def a_waiting_pop_by_namespace_is_woken_by_a_new_queue(lab):
    a, b = lab.queen(), lab.queen()
    await b.queue("a").namespace("n").create()
    waiting = asyncio.create_task(patient(a.queue().namespace("n").batch(1), 30_000).pop())
    await stays_quiet(waiting)
    await b.queue("b").namespace("n").create()
    await b.queue("b").push([{"data": {"n": 1}}])
    same(numbers(await waiting), [1])


@scenario
async def dotted_names_make_namespace_and_task(lab):
    a = lab.queen()
    await push(a, "billing.invoice", [1])
    got = await a.queue().namespace("billing").task("invoice").batch(1).wait(False).pop()
    same(numbers(got), [1])


@scenario
async def higher_priority_goes_first(lab):
    """The guide's promise for pops over several queues."""
    a = lab.queen()
    for name, priority in (("low", 1), ("high", 10), ("middle", 5)):
        await a.queue(name).namespace("n").config({"priority": priority}).create()
        await a.queue(name).push([{"data": {"from": name}}])
    got = [(await a.queue().namespace("n").batch(1).wait(False).pop())[0]["data"]["from"] for _ in range(3)]
    same(got, ["high", "middle", "low"])


@scenario
async def names_are_taken_as_they_are(lab):
    """The client does not encode names in paths; httpx encodes what a URL cannot hold."""
    a = lab.queen()
    for queue, partition in (("a b", "c d"), ("Grüße", "世界"), ("x:y@z", "p=q&r"), ("a.b-c_d~e", "f+g")):
        await push(a, queue, [1], partition)
        got = await pop(a, queue, partition=partition)
        same((numbers(got), got[0]["partition"]), ([1], partition), queue)
        await acked(a, got)


@scenario
async def nonsense_in_the_query_is_refused_or_ignored(lab):
    await push(lab.queen(), "q", [0])
    for query in ("batch=x", "batch=-1", "timeout=x", "batch=99999999999999999999", "partitions=x", "leaseSeconds=x"):
        answer = await lab.http("GET", f"/api/v1/pop/queue/q?{query}&autoAck=false&leaseSeconds=1")
        check(answer.status_code in (200, 204, 400), f"{query}: {answer.status_code}")
    answer = await lab.http("GET", "/api/v1/pop/queue/q?consumerGroup=g&unknown=1&autopilot=true&frames=true")
    same((answer.status_code, answer.headers["content-type"].split(";")[0]), (200, "application/json"))


@scenario
async def one_connection_serves_many_requests(lab):
    """Clients keep connections for many requests."""
    a = lab.queen()
    for n in range(50):
        await push(a, "q", [n])
    for n in range(50):
        got = await at(a, "q").batch(1).wait(n % 2 == 0).pop()
        same(numbers(got), [n])
        await acked(a, got)
