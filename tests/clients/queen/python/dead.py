"""Dead letters: listed, replayed, purged."""

import asyncio
import datetime

from harness import check, same, scenario
from lab import acked, numbers, pop, push


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


async def kill(client, queue, group=None, partition=None, **context):
    """Makes a dead letter of the next message."""
    (got,) = await pop(client, queue, 1, group=group, partition=partition)
    await acked(client, got, "dlq", group, **context)
    return got


async def letters(lab, query):
    answer = await lab.http("GET", f"/api/v1/dlq?{query}")
    same(answer.status_code, 200)
    return answer.json()


@scenario
async def dead_letters_say_all_there_is_to_say(lab):
    a = lab.queen()
    await push(a, "q", [5], "p")
    dead = await kill(a, "q", "g", "p", error="broken")
    (letter,) = (await a.queue("q").dlq().get())["messages"]
    same({name: letter[name] for name in ("transactionId", "partitionId", "queue", "partition", "consumerGroup", "errorMessage", "data")},
         {"transactionId": "t5", "partitionId": dead["partitionId"], "queue": "q", "partition": "p", "consumerGroup": "g",
          "errorMessage": "broken", "data": {"n": 5}})
    same(letter["createdAt"], dead["createdAt"])
    check(letter["failedAt"] >= letter["createdAt"], letter)
    check(letter["id"] and isinstance(letter["retryCount"], int), letter)


@scenario
async def dead_letters_are_listed_newest_first_in_pages(lab):
    a = lab.queen()
    await push(a, "q", range(5))
    for _ in range(5):
        await kill(a, "q")
    got = await a.queue("q").dlq().limit(2).get()
    same(([m["data"]["n"] for m in got["messages"]], got["total"]), ([4, 3], 2))
    same(got["pagination"], {"limit": 2, "offset": 0})
    got = await a.queue("q").dlq().limit(2).offset(4).get()
    same([m["data"]["n"] for m in got["messages"]], [0])
    same((await a.queue("q").dlq().offset(9).get())["messages"], [])


@scenario
async def dead_letters_are_filtered_by_group_partition_and_time(lab):
    a = lab.queen()
    for n, (group, partition) in enumerate((("g", "x"), ("g", "y"), ("h", "x"))):
        await push(a, "q", [n], partition)
    await kill(a, "q", "g", "x")
    await kill(a, "q", "g", "y")
    await asyncio.sleep(0.05)
    moment = now()
    await asyncio.sleep(0.05)
    await kill(a, "q", "h", "y")

    async def found(target):
        return [(m["consumerGroup"], m["partition"]) for m in (await target.get())["messages"]]

    same(await found(a.queue("q").dlq()), [("h", "y"), ("g", "y"), ("g", "x")])
    same(await found(a.queue("q").dlq("g")), [("g", "y"), ("g", "x")])
    same(await found(a.queue("q").partition("x").dlq()), [("g", "x")])
    same(await found(a.queue("q").dlq().from_(moment)), [("h", "y")])
    same(await found(a.queue("q").dlq().to(moment)), [("g", "y"), ("g", "x")])
    same(await found(a.queue("other").dlq()), [])


@scenario
async def a_retried_dead_letter_comes_again(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    dead = await kill(a, "q")
    answer = await lab.http("POST", f"/api/v1/messages/{dead['partitionId']}/{dead['transactionId']}/retry")
    same(answer.status_code, 200)
    got = await pop(a, "q")
    same(numbers(got), [1, 0])
    check(got[1]["transactionId"].startswith("dlq:"), got[1])
    same((await a.queue("q").dlq().get())["messages"], [])


@scenario
async def the_admin_api_retries_too(lab):
    a = lab.queen()
    await push(a, "q", [0])
    dead = await kill(a, "q")
    await a.admin.retry_message(dead["partitionId"], dead["transactionId"])
    same(numbers(await pop(a, "q")), [0])


@scenario
async def a_dead_letter_is_replayed_by_its_id(lab):
    a = lab.queen()
    await push(a, "q", [0])
    await kill(a, "q")
    (letter,) = (await a.queue("q").dlq().get())["messages"]
    same((await lab.http("POST", f"/api/v1/dlq/{letter['id']}/replay")).status_code, 200)
    same(numbers(await pop(a, "q")), [0])
    same((await lab.http("POST", f"/api/v1/dlq/{letter['id']}/replay")).status_code, 404)


@scenario
async def retry_of_what_is_not_dead_is_404(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (got,) = await pop(a, "q")
    path = f"/api/v1/messages/{got['partitionId']}/{got['transactionId']}"
    same((await lab.http("POST", f"{path}/retry")).status_code, 404)
    same((await lab.http("DELETE", path)).status_code, 404)
    same((await lab.http("POST", f"/api/v1/messages/{got['partitionId']}/nobody/retry")).status_code, 404)


@scenario
async def delete_of_a_message_removes_its_dead_letter(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    dead = await kill(a, "q")
    await kill(a, "q")
    await a.admin.delete_message(dead["partitionId"], dead["transactionId"])
    same([m["data"]["n"] for m in (await a.queue("q").dlq().get())["messages"]], [1])


@scenario
async def dead_letters_of_a_queue_are_purged(lab):
    a = lab.queen()
    for name in "qr":
        await push(a, name, [0])
        await kill(a, name)
    same((await lab.http("DELETE", "/api/v1/dlq?queue=q")).status_code, 200)
    same((await letters(lab, "queue=q"))["messages"], [])
    same(len((await letters(lab, "queue=r"))["messages"]), 1)


@scenario
async def without_dead_lettering_the_exhausted_message_is_dropped(lab):
    options = {"retryLimit": 0, "deadLetterQueue": False, "dlqAfterMaxRetries": False}
    await lab.http("POST", "/api/v1/configure", json={"queue": "q", "options": options})
    a = lab.queen()
    await push(a, "q", range(2))
    await acked(a, await pop(a, "q", 1), False)
    same(numbers(await pop(a, "q")), [1])
    same((await letters(lab, "queue=q"))["messages"], [])


@scenario
async def a_dead_letter_of_one_group_is_read_by_the_others(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    await kill(a, "q", "g")
    same(numbers(await pop(a, "q", group="h")), [0, 1])
