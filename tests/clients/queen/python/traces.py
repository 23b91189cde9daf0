"""Traces: what handlers note about messages."""

from harness import check, same, scenario
from lab import at, pop, push


async def trace(lab, message, **more):
    body = {"transactionId": message["transactionId"], "partitionId": message["partitionId"], "data": {"text": "x"}} | more
    return await lab.http("POST", "/api/v1/traces", json=body)


@scenario
async def a_handler_traces_its_message(lab):
    a = lab.queen()
    await push(a, "q", [0], "p")
    seen = []

    async def handler(message):
        seen.append(message)
        got = await message["trace"]({"data": {"step": 1}, "traceName": ["order-1", "customer-2"], "eventType": "info"})
        same(got["success"], True)
        check(got["traceId"], got)
        await message["trace"]({"data": {"step": 2}, "traceName": "order-1"})
        await message["trace"]({"data": {"step": 3}, "eventType": "error"})

    await at(a, "q", "g").batch(1).each().limit(1).consume(handler)
    (message,) = seen
    got = (await a.admin.get_traces_for_message(message["partitionId"], message["transactionId"]))["traces"]
    same([(t["event_type"], t["data"], t["consumer_group"]) for t in got],
         [("info", {"step": 1}, "g"), ("info", {"step": 2}, "g"), ("error", {"step": 3}, "g")])
    same([sorted(t["trace_names"] or []) for t in got], [["customer-2", "order-1"], ["order-1"], []])
    check(got[0]["created_at"] <= got[1]["created_at"] and got[0]["id"] != got[1]["id"], got)


@scenario
async def traces_are_found_by_name(lab):
    a = lab.queen()
    await push(a, "q", [0], "p")
    await push(a, "r", [1])
    (first,), (second,) = await pop(a, "q", partition="p"), await pop(a, "r")
    same((await trace(lab, first, traceNames=["n"], data={"step": 1})).status_code, 201)
    await trace(lab, second, traceNames="n", data={"step": 2})
    await trace(lab, second, traceNames=["m"], data={"step": 3})
    got = await a.admin.get_traces_by_name("n")
    same(got["total"], 2)
    same(sorted((t["data"]["step"], t["transaction_id"], t["queue_name"], t["partition_name"], t["message_payload"]["n"])
                for t in got["traces"]), [(1, "t0", "q", "p", 0), (2, "t1", "r", "Default", 1)])
    same({t["partition_id"] for t in got["traces"]}, {first["partitionId"], second["partitionId"]})
    got = await a.admin.get_traces_by_name("n", limit=1, offset=1)
    same((len(got["traces"]), got["total"]), (1, 2))
    same((await a.admin.get_traces_by_name("nobody"))["traces"], [])


@scenario
async def trace_names_are_counted(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    messages = await pop(a, "q")
    for message, names in ((messages[0], ["a", "b"]), (messages[0], ["a"]), (messages[1], ["a"])):
        await trace(lab, message, traceNames=names)
    got = await a.admin.get_trace_names()
    same({t["trace_name"]: (t["trace_count"], t["message_count"]) for t in got["trace_names"]}, {"a": (3, 2), "b": (1, 1)})
    same(got["total"], 2)
    check(all(t["last_seen"] for t in got["trace_names"]), got)


@scenario
async def a_trace_without_ids_or_data_is_refused(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (message,) = await pop(a, "q")
    for missing in ("transactionId", "partitionId", "data"):
        body = {"transactionId": message["transactionId"], "partitionId": message["partitionId"], "data": 1}
        del body[missing]
        answer = await lab.http("POST", "/api/v1/traces", json=body)
        same(answer.status_code, 400, missing)
        check(answer.json()["error"], "an error without a text")
    for name in ("", "x" * 300, 5, [5], [f"n{n}" for n in range(1000)]):
        same((await trace(lab, message, traceNames=name)).status_code, 400, f"status for {str(name)[:20]}")
    same((await a.admin.get_traces_for_message(message["partitionId"], "t0"))["traces"], [])


@scenario
async def traces_outlive_the_message(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (message,) = await pop(a, "q")
    await trace(lab, message, traceNames=["n"])
    await a.ack(message)
    await a.queue("q").delete()
    same(len((await a.admin.get_traces_for_message(message["partitionId"], "t0"))["traces"]), 1)


@scenario
async def messages_without_traces_have_none(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (message,) = await pop(a, "q")
    same(await a.admin.get_traces_for_message(message["partitionId"], "t0"), {"traces": []})
    same((await a.admin.get_trace_names())["trace_names"], [])


@scenario
async def traces_need_the_grant_to_receive(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (message,) = await pop(a, "q")
    weak = lab.token(api={"queues": {"send": ["q"], "receive": []}})
    body = {"transactionId": "t0", "partitionId": message["partitionId"], "data": 1}
    same((await lab.http("POST", "/api/v1/traces", token=weak, json=body)).status_code, 403)
    path = f"/api/v1/traces/{message['partitionId']}/t0"
    same((await lab.http("GET", path, token=weak)).status_code, 403)


@scenario
async def traces_do_not_show_among_the_queues(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (message,) = await pop(a, "q")
    await trace(lab, message, traceNames=["n"])
    same([queue["name"] for queue in (await a.admin.list_queues())["queues"]], ["q"])
