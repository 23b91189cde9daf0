"""Push: answers, transaction ids, payloads, buffers."""

import asyncio
import json

from harness import check, same, scenario
from lab import numbers, pop, push, raises


def statuses(answer):
    return [item["status"] for item in answer]


@scenario
async def push_answers_in_the_order_of_the_items(lab):
    got = await push(lab.queen(), "q", range(5))
    same([item["index"] for item in got], list(range(5)))
    same([item["transaction_id"] for item in got], [f"t{n}" for n in range(5)])
    same(statuses(got), ["queued"] * 5)
    same({item["queueName"] for item in got}, {"q"})
    check(len({item["message_id"] for item in got}) == 5, f"message ids: {got}")


@scenario
async def push_answers_201_and_mints_transaction_ids(lab):
    items = [{"queue": "q", "payload": {"n": n}} for n in range(2)]
    answer = await lab.http("POST", "/api/v1/push", json={"items": items})
    same(answer.status_code, 201)
    ids = {item["transaction_id"] for item in answer.json()}
    check(len(ids) == 2 and all(ids), f"transaction ids: {ids}")
    same({message["transactionId"] for message in await pop(lab.queen(), "q")}, ids)


@scenario
async def push_of_no_items_is_answered_with_none(lab):
    answer = await lab.http("POST", "/api/v1/push", json={"items": []})
    same((answer.status_code, answer.json()), (201, []))


@scenario
async def push_refuses_what_is_no_push(lab):
    for body in ({}, {"items": None}, {"items": {}}, {"items": [{"payload": 1}]}, {"items": [{"queue": "q"}]}, [], 5,
                 {"items": [5]}, {"items": [{"queue": 5, "payload": 1}]}):
        answer = await lab.http("POST", "/api/v1/push", json=body)
        same(answer.status_code, 400, f"status for {body}")
        check(answer.json()["error"], "an error without a text")
    answer = await lab.http("POST", "/api/v1/push", content=b"{\"items\":[", headers={"content-type": "application/json"})
    same(answer.status_code, 400)
    same(await pop(lab.queen(), "q"), [])


@scenario
async def one_push_may_go_to_several_queues_and_partitions(lab):
    items = [{"queue": q, "partition": p, "payload": {"n": n}} for n, (q, p) in enumerate(
        [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1")])]
    answer = await lab.http("POST", "/api/v1/push", json={"items": items})
    same([(i["index"], i["queueName"], i["status"]) for i in answer.json()],
         [(0, "a", "queued"), (1, "b", "queued"), (2, "a", "queued"), (3, "a", "queued")])
    a = lab.queen()
    same(numbers(await pop(a, "a", partition="1")), [0, 3])
    same(numbers(await pop(a, "a", partition="2")), [2])
    same(numbers(await pop(a, "b", partition="1")), [1])


@scenario
async def the_first_of_a_transaction_id_wins(lab):
    a = lab.queen()
    (first,) = await a.queue("q").push([{"data": {"n": 1}, "transactionId": "x"}])
    (second,) = await a.queue("q").push([{"data": {"n": 2}, "transactionId": "x"}])
    same((first["status"], second["status"]), ("queued", "duplicate"))
    same(second["message_id"], first["message_id"], "message id of the duplicate")
    same(numbers(await pop(a, "q")), [1])


@scenario
async def a_transaction_id_counts_within_one_push(lab):
    a = lab.queen()
    got = await a.queue("q").push([{"data": {"n": n}, "transactionId": id} for n, id in enumerate("xyxz")])
    same(statuses(got), ["queued", "queued", "duplicate", "queued"])
    same(numbers(await pop(a, "q")), [0, 1, 3])


@scenario
async def a_transaction_id_counts_per_partition(lab):
    a = lab.queen()
    for partition in ("one", "two"):
        (got,) = await a.queue("q").partition(partition).push([{"data": {"n": 1}, "transactionId": "x"}])
        same(got["status"], "queued")
    same(len(await pop(a, "q", partition="one")), 1)
    same(len(await pop(a, "q", partition="two")), 1)


@scenario
async def a_transaction_id_is_remembered_after_the_message_is_consumed(lab):
    a = lab.queen()
    await push(a, "q", [0])
    await a.ack(await pop(a, "q"))
    same(statuses(await push(a, "q", [0])), ["duplicate"])
    same(await pop(a, "q"), [])


@scenario
async def concurrent_pushes_of_one_transaction_id_store_one(lab):
    clients = [lab.queen() for _ in range(4)]
    answers = await asyncio.gather(*(push(client, "q", [0]) for client in clients * 10))
    same(sorted(status for answer in answers for status in statuses(answer)), ["duplicate"] * 39 + ["queued"])
    same(numbers(await pop(clients[0], "q")), [0])


@scenario
async def callbacks_of_push_hear_what_became_of_the_items(lab):
    a = lab.queen()
    heard = {"success": [], "duplicate": []}

    async def success(items):
        heard["success"] += [item["transactionId"] for item in items]

    async def duplicate(items, error):
        heard["duplicate"] += [item["transactionId"] for item in items]

    await push(a, "q", [1])
    await a.queue("q").push([{"data": {"n": n}, "transactionId": f"t{n}"} for n in range(3)]).on_success(
        success).on_duplicate(duplicate)
    same(heard, {"success": ["t0", "t2"], "duplicate": ["t1"]})


PAYLOADS = [
    None, True, False, 0, -1, 2**53 - 1, 1.5, 1e300, "", "text", "\u0000\u001f\u2028 Grüße 世界 \U0001f680", [], {}, [[], {}, None],
    {"deep": {"er": [1, {"x": None}]}}, {"": "empty key"}, {"data": {"data": 1}}, {"a" * 1000: "b" * 10_000},
]


@scenario
async def payloads_come_back_as_they_are(lab):
    a = lab.queen()
    await a.queue("q").push([{"data": payload} for payload in PAYLOADS])
    same([message["data"] for message in await pop(a, "q")], PAYLOADS)


@scenario
async def payloads_come_back_byte_for_byte(lab):
    """No number is written anew, no key moved, no escape resolved."""
    texts = ['1.0', '1e5', '100000000000000000000000', '-0.0', '{"b":1,"a":2,"b":3}', '"\\u00e9\\/"', '[ 1 , 2 ]', '"é"', '{ "x" : 1E+2 }']
    items = ",".join(f'{{"queue":"q","payload":{text}}}' for text in texts)
    answer = await lab.http("POST", "/api/v1/push", content=f'{{"items":[{items}]}}'.encode(),
                            headers={"content-type": "application/json"})
    same(answer.status_code, 201)
    body = (await lab.http("GET", "/api/v1/pop/queue/q?batch=100")).text
    at = 0
    for text in texts:
        found = body.find(f'"data":{text}', at)
        check(found >= 0, f"{text} is not in {body}")
        at = found + 1


@scenario
async def five_megabytes_pass(lab):
    a = lab.queen()
    payload = {"blob": "0123456789" * 500_000}
    await a.queue("q").push([{"data": payload}])
    (got,) = await pop(a, "q")
    check(got["data"] == payload, "the payload changed")


@scenario
async def thousands_of_messages_keep_their_order(lab):
    a = lab.queen()
    for first in range(0, 3000, 500):
        same(set(statuses(await push(a, "q", range(first, first + 500)))), {"queued"})
    got = []
    while messages := await pop(a, "q", 400):
        got += numbers(messages)
        await a.ack(messages)
    same(got, list(range(3000)))


@scenario
async def transaction_ids_and_trace_ids_come_with_the_message(lab):
    a = lab.queen()
    trace = "0b9c1e9e-6f0e-4e0a-9d55-1f5d0c5b8c11"
    await a.queue("q").partition("p").push([{"data": {"n": 1}, "transactionId": "täx/1", "traceId": trace}])
    (got,) = await pop(a, "q", partition="p")
    same((got["transactionId"], got["traceId"], got["partition"]), ("täx/1", trace, "p"))
    same(got["producerSub"], "alice", "who sent it, by the token")


@scenario
async def a_claimed_sender_is_ignored(lab):
    items = [{"queue": "q", "payload": 1, "producerSub": "mallory"}]
    await lab.http("POST", "/api/v1/push", json={"items": items})
    (got,) = await pop(lab.queen(), "q")
    same(got["producerSub"], "alice")


@scenario
async def full_queues_take_no_more(lab):
    """The guide's maxSize."""
    a = lab.queen()
    await a.queue("q").config({"max_size": 3}).create()
    await push(a, "q", range(3))
    await raises(push(a, "q", [3]), "")
    same(numbers(await pop(a, "q")), [0, 1, 2])


@scenario
async def delayed_messages_come_when_they_are_due(lab):
    a = lab.queen()
    await a.queue("q").config({"delayed_processing": 2}).create()
    await push(a, "q", range(2))
    same(await pop(a, "q"), [])
    loop = asyncio.get_running_loop()
    began = loop.time()
    same(numbers(await pop(a, "q", wait=20_000)), [0, 1])
    check(loop.time() - began > 1.0, "too early")


@scenario
async def a_new_delay_counts_for_stored_messages(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    await a.queue("q").config({"delayed_processing": 3600}).create()
    same(await pop(a, "q"), [])
    await a.queue("q").config({"delayed_processing": 0}).create()
    same(numbers(await pop(a, "q")), [0, 1])


@scenario
async def a_window_buffer_gathers_what_comes_meanwhile(lab):
    a = lab.queen()
    await a.queue("q").config({"window_buffer": 2}).create()
    await push(a, "q", [0])
    same(await pop(a, "q"), [])
    await push(a, "q", [1])
    same(numbers(await pop(a, "q", wait=20_000)), [0, 1])


@scenario
async def a_full_window_buffer_does_not_wait(lab):
    a = lab.queen()
    await a.queue("q").config({"window_buffer": 3600}).create()
    await push(a, "q", range(99))
    same(await pop(a, "q"), [])
    await push(a, "q", [99])
    same(numbers(await pop(a, "q", batch=100)), list(range(100)))


@scenario
async def a_buffer_is_sent_when_it_is_full(lab):
    a = lab.queen()
    for n in range(10):
        got = await a.queue("q").buffer({"message_count": 10, "time_millis": 60_000}).push([{"data": {"n": n}}])
        same(got["buffered"], True)
    same(numbers(await pop(a, "q", wait=20_000)), list(range(10)))


@scenario
async def a_buffer_is_sent_when_its_time_is_up(lab):
    a = lab.queen()
    await a.queue("q").buffer({"message_count": 1000, "time_millis": 200}).push([{"data": {"n": 1}}])
    same(numbers(await pop(a, "q", wait=20_000)), [1])


@scenario
async def buffers_are_sent_when_asked_and_when_the_client_closes(lab):
    a = lab.queen()
    options = {"message_count": 1000, "time_millis": 60_000}
    await a.queue("q").buffer(options).push([{"data": {"n": 1}}])
    await a.queue("r").buffer(options).push([{"data": {"n": 2}}])
    await a.queue("q").flush_buffer()
    same(numbers(await pop(a, "q")), [1])
    same(await pop(a, "r"), [])
    await a.flush_all_buffers()
    same(numbers(await pop(a, "r")), [2])


@scenario
async def encrypted_queues_give_back_what_they_got(lab):
    a = lab.queen()
    await a.queue("q").config({"encryption_enabled": True}).create()
    await a.queue("q").push([{"data": {"secret": "ü"}}])
    same((await pop(a, "q"))[0]["data"], {"secret": "ü"})


@scenario
async def a_body_without_a_content_type_is_read(lab):
    body = json.dumps({"items": [{"queue": "q", "payload": {"n": 1}}]}).encode()
    same((await lab.http("POST", "/api/v1/push", content=body)).status_code, 201)
    same(numbers(await pop(lab.queen(), "q")), [1])
