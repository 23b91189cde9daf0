"""Transactions: acks and pushes over several queues, all or nothing."""

import asyncio

from harness import check, same, scenario
from lab import acked, numbers, pop, push, raises


async def commit(lab, operations, leases=()):
    body = {"operations": operations, "requiredLeases": list(leases)}
    return (await lab.http("POST", "/api/v1/transaction", json=body)).json()


def ack_of(message, status="completed", **more):
    return {"type": "ack", "transactionId": message["transactionId"], "partitionId": message["partitionId"], "status": status} | more


def push_of(queue, *items):
    return {"type": "push", "items": [{"queue": queue, "payload": {"n": n}, "transactionId": f"t{n}"} for n in items]}


@scenario
async def a_transaction_acks_here_and_pushes_there(lab):
    a = lab.queen()
    await push(a, "in", range(2))
    got = await pop(a, "in", 1)
    answer = await a.transaction().ack(got).queue("out").push([{"data": {"n": 10}}]).queue("log").partition("p").push(
        [{"data": {"n": 20}}, {"data": {"n": 21}}]).commit()
    same(answer["success"], True)
    check(answer["transactionId"], "no transaction id")
    same(numbers(await pop(a, "in")), [1])
    same(numbers(await pop(a, "out")), [10])
    same(numbers(await pop(a, "log", partition="p")), [20, 21])


@scenario
async def results_are_flat_and_in_order(lab):
    a = lab.queen()
    await push(a, "in", [0])
    (got,) = await pop(a, "in")
    answer = await commit(lab, [push_of("out", 1, 2), ack_of(got, leaseId=got["leaseId"]), push_of("out", 3)], [got["leaseId"]])
    same([(r["index"], r["type"], r["success"], r["transactionId"]) for r in answer["results"]],
         [(0, "push", True, "t1"), (1, "push", True, "t2"), (2, "ack", True, "t0"), (3, "push", True, "t3")])
    same([r["queueName"] for r in answer["results"] if r["type"] == "push"], ["out"] * 3)


@scenario
async def a_transaction_with_a_dead_lease_does_nothing(lab):
    a = lab.queen()
    await a.queue("in").config({"lease_time": 1}).create()
    await push(a, "in", [0])
    old = await pop(a, "in")
    new = await pop(a, "in", wait=10_000)
    await raises(a.transaction().ack(old).queue("out").push([{"data": {"n": 1}}]).commit(), "")
    same(await pop(a, "out"), [])
    await acked(a, new)


@scenario
async def the_reason_of_a_rollback_has_a_code(lab):
    a = lab.queen()
    await push(a, "in", [0])
    (got,) = await pop(a, "in")
    answer = await commit(lab, [ack_of(got, leaseId="11111111-2222-3333-4444-555555555555"), push_of("out", 1)])
    same((answer["success"], answer["reason"], answer["results"]), (False, "ack_rejected", []))
    check(answer["error"] and answer["transactionId"], answer)
    answer = await commit(lab, [ack_of(got | {"transactionId": "nobody"}, leaseId=got["leaseId"]), push_of("out", 1)])
    same((answer["success"], answer["reason"]), (False, "ack_rejected"))
    same(await pop(a, "out"), [])


@scenario
async def a_duplicate_push_rolls_everything_back(lab):
    a = lab.queen()
    await push(a, "in", [0])
    await push(a, "out", [1])
    (got,) = await pop(a, "in")
    answer = await commit(lab, [ack_of(got, leaseId=got["leaseId"]), push_of("other", 5), push_of("out", 1)])
    same((answer["success"], answer["reason"]), (False, "duplicate"))
    same(await pop(a, "other"), [])
    await acked(a, got)


@scenario
async def the_first_of_an_id_within_a_transaction_wins(lab):
    answer = await commit(lab, [push_of("out", 1), push_of("out", 1)])
    same((answer["success"], [r.get("duplicate", False) for r in answer["results"]]), (True, [False, True]))
    same(numbers(await pop(lab.queen(), "out")), [1])


@scenario
async def failed_acks_in_a_transaction_charge_a_retry(lab):
    a = lab.queen()
    await a.queue("in").config({"retry_limit": 1}).create()
    await push(a, "in", [0])
    for _ in range(2):
        got = await pop(a, "in")
        await a.transaction().ack(got, "failed").queue("out").push([{"data": {"n": 1}}]).commit()
    same(await pop(a, "in"), [])
    same([m["data"]["n"] for m in (await a.queue("in").dlq().get())["messages"]], [0])
    same(numbers(await pop(a, "out")), [1, 1])


@scenario
async def a_transaction_acks_for_a_group(lab):
    a = lab.queen()
    await push(a, "in", range(2))
    got = await pop(a, "in", 1, group="g")
    await a.transaction().ack(got, "completed", {"consumer_group": "g"}).queue("out").push([{"data": {"n": 5}}]).commit()
    same(numbers(await pop(a, "in", group="g")), [1])
    same(numbers(await pop(a, "in")), [0, 1], "without a group")


@scenario
async def a_transaction_acks_messages_of_several_queues(lab):
    a = lab.queen()
    await push(a, "one", range(2))
    await push(a, "two", range(2))
    first, second = await pop(a, "one"), await pop(a, "two")
    await a.transaction().ack(first).ack(second).queue("out").push([{"data": {"n": 1}}]).commit()
    for name in ("one", "two"):
        same(await pop(a, name), [])
    same(numbers(await pop(a, "out")), [1])


@scenario
async def pushes_of_a_transaction_wake_who_waits(lab):
    a, b = lab.queen(), lab.queen()
    waiting = asyncio.create_task(pop(b, "out", wait=30_000))
    await asyncio.sleep(0.2)
    await a.transaction().queue("out").push([{"data": {"n": 1}}]).commit()
    same(numbers(await waiting), [1])


@scenario
async def a_transaction_without_operations_is_refused_by_the_client(lab):
    await raises(lab.queen().transaction().commit(), "no operations")


@scenario
async def what_is_no_transaction_is_refused(lab):
    bodies = ({}, {"operations": 5}, {"operations": [{"type": "dance"}]}, {"operations": [5]}, [])
    for body in bodies:
        answer = await lab.http("POST", "/api/v1/transaction", json=body)
        same(answer.status_code, 400, f"status for {body}")
        check(answer.json()["error"], "an error without a text")


@scenario
async def a_transaction_may_be_large(lab):
    a = lab.queen()
    await a.transaction().queue("out").push([{"data": {"n": n}} for n in range(500)]).commit()
    same(numbers(await pop(a, "out", 1000)), list(range(500)))


@scenario
async def exactly_once_from_queue_to_queue(lab):
    """Every message moves once, although the first try of each third is rolled back."""
    a = lab.queen()
    await push(a, "in", range(9))
    tried = set()
    moved = 0
    while moved < 9:
        (got,) = await pop(a, "in", 1)
        n = got["data"]["n"]
        if n % 3 == 0 and n not in tried:
            tried.add(n)
            await acked(a, got, "retry")
            await raises(a.transaction().ack(got).queue("out").push([{"data": {"n": n}}]).commit(), "")
            continue
        await a.transaction().ack(got).queue("out").push([{"data": {"n": n}}]).commit()
        moved += 1
    same(numbers(await pop(a, "out")), list(range(9)))
