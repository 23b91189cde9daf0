"""What only 2.6.0 has: commit at delivery, pop sizes chosen by the server, binary bodies refused."""

from harness import check, same, scenario
from lab import at, numbers, pop, push


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
