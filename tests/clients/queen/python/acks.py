"""Ack: the cursor, the lease, retries, batches."""

from harness import check, same, scenario
from lab import acked, numbers, pop, push


async def verdicts(client, messages, **group):
    """Acks messages that carry a `_status` each; what became of each, in order."""
    answer = await client.ack(messages, True, group or None)
    return [item["success"] for item in answer["results"]]


def marked(messages, *statuses):
    return [message | {"_status": status} for message, status in zip(messages, statuses)]


@scenario
async def ack_answers_an_array_of_one(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (m,) = await pop(a, "q")
    body = {"transactionId": m["transactionId"], "partitionId": m["partitionId"], "leaseId": m["leaseId"], "status": "completed",
            "error": None, "consumerGroup": None}
    answer = await lab.http("POST", "/api/v1/ack", json=body)
    same(answer.status_code, 200)
    (item,) = answer.json()
    same((item["index"], item["transactionId"], item["success"], item["error"], item["leaseReleased"], item["dlq"]),
         (0, "t0", True, None, True, False))


@scenario
async def ack_completes_what_came_before_it(lab):
    a = lab.queen()
    await push(a, "q", range(5))
    got = await pop(a, "q", 4)
    await acked(a, got[2])
    # The lease stays for the rest of the batch.
    same(await pop(a, "q"), [])
    await acked(a, got[3])
    same(numbers(await pop(a, "q")), [4])


@scenario
async def ack_of_what_is_settled_already_is_a_success_that_does_nothing(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    got = await pop(a, "q")
    await acked(a, got[1])
    answer = await a.ack(got[0], True)
    same((answer["success"], answer.get("noop")), (True, True))
    answer = await a.ack(got[0], False)
    same(answer["success"], False)
    check("already" in answer["error"], answer)


@scenario
async def the_ack_that_settled_the_batch_may_be_repeated(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    got = await pop(a, "q")
    await acked(a, got)
    await acked(a, got)
    same(await pop(a, "q"), [])


@scenario
async def ack_of_an_unknown_message_is_refused(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    got = await pop(a, "q", 1)
    answer = await a.ack(got[0] | {"transactionId": "nobody"})
    same(answer["success"], False)
    check("unresolvable" in answer["error"], answer)
    # t1 is there, but nobody was given it.
    answer = await a.ack(got[0] | {"transactionId": "t1"})
    same(answer["success"], False)
    await acked(a, got)
    same(numbers(await pop(a, "q")), [1, 2])


@scenario
async def ack_with_a_foreign_lease_is_refused(lab):
    a = lab.queen()
    await push(a, "q", [0], "x")
    await push(a, "q", [1], "y")
    (x,) = await pop(a, "q", partition="x")
    (y,) = await pop(a, "q", partition="y")
    answer = await a.ack(x | {"leaseId": y["leaseId"]})
    same((answer["success"], answer["error"]), (False, "invalid or expired lease"))
    answer = await a.ack(x | {"leaseId": "11111111-2222-3333-4444-555555555555"})
    same((answer["success"], answer["error"]), (False, "invalid or expired lease"))
    await acked(a, x)
    await acked(a, y)


@scenario
async def ack_without_a_lease_is_not_checked(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    got = await pop(a, "q")
    await acked(a, [{"transactionId": m["transactionId"], "partitionId": m["partitionId"]} for m in got])
    same(await pop(a, "q"), [])


@scenario
async def ack_with_a_partition_that_does_not_exist_is_refused(lab):
    a = lab.queen()
    for partition in ("nonsense", "00000000-0000-0000-0000-000000000000", "ä/ö", "x" * 500):
        answer = await a.ack({"transactionId": "t0", "partitionId": partition})
        same(answer["success"], False, partition)
        check(answer["error"], "no text")


@scenario
async def a_failed_ack_gives_the_batch_back(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    await acked(a, await pop(a, "q"), False)
    got = await pop(a, "q")
    same((numbers(got), got[0]["deliveryAttempt"]), ([0, 1, 2], 2))


@scenario
async def a_message_is_dead_after_its_retries(lab):
    a = lab.queen()
    await a.queue("q").config({"retry_limit": 2}).create()
    await push(a, "q", range(2))
    for _ in range(3):
        (got,) = await pop(a, "q", 1)
        same(got["data"]["n"], 0)
        await acked(a, got, False, error="no luck")
    same(numbers(await pop(a, "q")), [1])
    letters = (await a.queue("q").dlq().get())["messages"]
    same([(m["data"], m["errorMessage"], m["transactionId"]) for m in letters], [({"n": 0}, "no luck", "t0")])


@scenario
async def a_completed_message_starts_the_count_anew(lab):
    a = lab.queen()
    await a.queue("q").config({"retry_limit": 1}).create()
    await push(a, "q", range(2))
    await acked(a, await pop(a, "q", 1), False)
    await acked(a, await pop(a, "q", 1))
    await acked(a, await pop(a, "q", 1), False)
    same(numbers(await pop(a, "q", 1)), [1])
    same((await a.queue("q").dlq().get())["messages"], [])


@scenario
async def retry_gives_back_without_a_charge(lab):
    a = lab.queen()
    await a.queue("q").config({"retry_limit": 0}).create()
    await push(a, "q", [0])
    for _ in range(3):
        await acked(a, await pop(a, "q"), "retry")
    same(numbers(await pop(a, "q")), [0])


@scenario
async def dlq_is_at_once(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    (first,) = await pop(a, "q", 1)
    answer = await a.ack(first, "dlq", {"error": "broken"})
    same((answer["success"], answer["dlq"]), (True, True))
    same(numbers(await pop(a, "q")), [1])
    (letter,) = (await a.queue("q").dlq().get())["messages"]
    same((letter["data"], letter["errorMessage"]), ({"n": 0}, "broken"))


@scenario
async def other_words_for_completed_are_understood_and_unknown_ones_fail(lab):
    a = lab.queen()
    await push(a, "q", range(5))
    for word in ("success", "acked", "ok", "completed"):
        await acked(a, await pop(a, "q", 1), word)
    await acked(a, await pop(a, "q", 1), "whatever")
    got = await pop(a, "q")
    same((numbers(got), got[0]["deliveryAttempt"]), ([4], 2))


@scenario
async def a_mixed_batch_stops_at_the_first_failure(lab):
    """What was completed after it comes again; nothing is lost."""
    a = lab.queen()
    await push(a, "q", range(5))
    got = await pop(a, "q")
    same(await verdicts(a, marked(got, True, True, False, True, True)), [True] * 5)
    again = await pop(a, "q")
    same(numbers(again), [2, 3, 4])
    await acked(a, again)
    same(await pop(a, "q"), [])


@scenario
async def a_mixed_batch_with_a_dead_letter_goes_on_behind_it(lab):
    a = lab.queen()
    await push(a, "q", range(4))
    got = await pop(a, "q")
    same(await verdicts(a, marked(got, True, "dlq", True, True)), [True] * 4)
    same(await pop(a, "q"), [])
    same([m["data"]["n"] for m in (await a.queue("q").dlq().get())["messages"]], [1])


@scenario
async def the_order_of_a_batch_does_not_matter(lab):
    a = lab.queen()
    await push(a, "q", range(4))
    got = await pop(a, "q")
    same(await verdicts(a, marked(got[::-1], True, False, True, True)), [True] * 4)
    same(numbers(await pop(a, "q")), [2, 3])


@scenario
async def a_batch_over_two_partitions_settles_each_by_itself(lab):
    a = lab.queen()
    for partition in "xy":
        await push(a, "q", range(3), partition)
    x, y = await pop(a, "q", partition="x"), await pop(a, "q", partition="y")
    same(await verdicts(a, marked(x, True, False, True) + marked(y, True, True, True)), [True] * 6)
    same(numbers(await pop(a, "q", partition="x")), [1, 2])
    same(await pop(a, "q", partition="y"), [])


@scenario
async def refused_and_taken_acks_of_one_batch_are_told_apart(lab):
    a = lab.queen()
    for partition in "xy":
        await push(a, "q", range(1), partition)
    x, y = await pop(a, "q", partition="x"), await pop(a, "q", partition="y")
    answer = await a.ack([x[0] | {"leaseId": "11111111-2222-3333-4444-555555555555"}, y[0]])
    same([item["success"] for item in answer["results"]], [False, True])


@scenario
async def a_failed_batch_charges_once_and_then_is_dead(lab):
    a = lab.queen()
    await a.queue("q").config({"retry_limit": 1}).create()
    await push(a, "q", range(3))
    await acked(a, await pop(a, "q"), False)
    again = await pop(a, "q")
    same(numbers(again), [0, 1, 2])
    await acked(a, again, False)
    same(sorted(m["data"]["n"] for m in (await a.queue("q").dlq().get())["messages"]), [0, 1, 2])


@scenario
async def renewing_keeps_the_lease(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 2}).create()
    await push(a, "q", range(2))
    got = await pop(a, "q", 1)
    renewed = await a.renew(got[0])
    same((renewed["success"], renewed["leaseId"]), (True, got[0]["leaseId"]))
    check(renewed["newExpiresAt"], "no new expiry")
    same(await pop(a, "q", wait=3_500), [])
    await acked(a, got)


@scenario
async def one_renewal_serves_all_partitions_of_a_pop(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 2}).create()
    for partition in "xy":
        await push(a, "q", range(1), partition)
    got = (await lab.http("GET", "/api/v1/pop/queue/q?partitions=2&batch=10")).json()
    same(got["partitionsClaimed"], 2)
    answer = await lab.http("POST", f"/api/v1/lease/{got['leaseId']}/extend", json={"seconds": 30})
    body = answer.json()
    same((answer.status_code, body["success"], body["renewed"]), (200, True, 2))
    check(body["newExpiresAt"] == body["expiresAt"] == body["lease_expires_at"], body)
    same(await pop(a, "q", wait=3_000), [])


@scenario
async def a_renewal_never_shortens(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 100}).create()
    await push(a, "q", [0])
    (got,) = await pop(a, "q")
    extend = f"/api/v1/lease/{got['leaseId']}/extend"
    long = (await lab.http("POST", extend, json={"seconds": 200})).json()["newExpiresAt"]
    same((await lab.http("POST", extend, json={"seconds": 1})).json()["newExpiresAt"], long)
    # No body at all is how the client says "the default".
    same((await lab.http("POST", extend)).json()["newExpiresAt"], long)


@scenario
async def ack_refuses_what_is_no_ack(lab):
    bodies = [{}, {"transactionId": "t"}, {"partitionId": "p"}, [], 5]
    for path, wrong in (("/api/v1/ack", bodies), ("/api/v1/ack/batch", [{}, {"acknowledgments": 5}, {"acknowledgments": [5]}])):
        for body in wrong:
            answer = await lab.http("POST", path, json=body)
            same(answer.status_code, 400, f"status for {path} {body}")
            check(answer.json()["error"], "an error without a text")
