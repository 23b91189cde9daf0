"""Tokens, rooms, grants, and errors in the words of the protocol. 2.6.0 only: it shows codes."""

import time

from harness import check, same, scenario, sign
from lab import numbers, pop, push, raises


def only(**queues):
    return {"queues": queues}


@scenario
async def without_a_right_token_everything_is_401(lab):
    claims = {"name": "a", "exp": int(time.time()) + 60, "grants": [
        {"name": "room", "scope": lab.room}, {"name": "api", "scope": {"queues": {}}}]}
    wrong = {
        "other secret": sign(claims, "another secret, of 32 bytes and more"),
        "unsigned": sign(claims, lab.secret, "none"),
        "expired": sign(claims | {"exp": int(time.time()) - 3600}, lab.secret),
        "no token": "nonsense",
    }
    for what, token in wrong.items():
        answer = await lab.http("POST", "/api/v1/push", token=token, json={"items": [{"queue": "q", "payload": 1}]})
        same(answer.status_code, 401, what)
        check(answer.json()["error"], "an error without a text")
        await raises(push(lab.queen(token=token), "q", [0]), "", 401)
    same((await lab.http("GET", "/api/v1/resources/queues", headers={"authorization": ""})).status_code, 401)
    same(await pop(lab.queen(), "q"), [])


@scenario
async def a_room_may_stand_in_the_base_url(lab):
    a = lab.queen(url=f"{lab.url}/rooms/{lab.room}/queen")
    await push(a, "q", [1])
    same(numbers(await pop(lab.queen(), "q")), [1], "the room of the token")


@scenario
async def a_token_of_another_room_opens_nothing(lab):
    other = lab.token(room=f"{lab.room}-b")
    await raises(push(lab.queen(token=other, url=f"{lab.url}/rooms/{lab.room}/queen"), "q", [0]), "", 403)
    await push(lab.queen(token=other), "q", [7])
    same(await pop(lab.queen(), "q"), [], "queues of rooms are apart")


@scenario
async def push_needs_send_and_pop_needs_receive(lab):
    sender = lab.queen(token=lab.token(api=only(send=["q"], receive=[])))
    taker = lab.queen(token=lab.token(api=only(send=[], receive=["q"])))
    await push(sender, "q", [0])
    await raises(push(taker, "q", [1]), "not allow", 403)
    await raises(push(sender, "other", [1]), "not allow", 403)
    same(await pop(sender, "q"), [])
    (got,) = await pop(taker, "q")
    same((await sender.ack(got))["success"], False)
    same((await taker.ack(got))["success"], True)


@scenario
async def managing_needs_manage(lab):
    weak = lab.queen(token=lab.token(api=only(send=["q"], receive=["q"])))
    await push(weak, "q", [0])
    await raises(weak.queue("q").create(), "not allow", 403)
    await raises(weak.queue("q").delete(), "not allow", 403)
    await raises(weak.admin.seek_consumer_group("g", "q", {"toEnd": True}), "not allow", 403)
    same(numbers(await pop(weak, "q")), [0])


@scenario
async def a_transaction_needs_all_its_grants(lab):
    a = lab.queen()
    await push(a, "in", [0])
    weak = lab.queen(token=lab.token(api=only(send=["out"], receive=["in"])))
    got = await pop(weak, "in")
    await raises(weak.transaction().ack(got).queue("other").push([{"data": {"n": 1}}]).commit(), "not allow", 403)
    await weak.transaction().ack(got).queue("out").push([{"data": {"n": 1}}]).commit()
    same(numbers(await pop(a, "out")), [1])


@scenario
async def unknown_routes_say_so(lab):
    for method, path in (("GET", "/api/v1/nothing"), ("POST", "/api/v1/push/x"), ("GET", "/api/v1/pop/queue")):
        answer = await lab.http(method, path)
        same((answer.status_code, answer.json().get("code")), (404, "no_such_route"), path)


@scenario
async def the_wrong_method_is_an_error(lab):
    for method, path in (("GET", "/api/v1/push"), ("POST", "/api/v1/pop/queue/q"), ("PUT", "/api/v1/ack")):
        answer = await lab.http(method, path)
        check(answer.status_code in (404, 405), f"{method} {path}: {answer.status_code}")
        check(answer.json()["error"], "an error without a text")


@scenario
async def health_and_metrics_are_public(lab):
    answer = await lab.http("GET", "/health", headers={"authorization": ""})
    same((answer.status_code, answer.json()["status"]), (200, "healthy"))
    answer = await lab.http("GET", "/metrics/prometheus", headers={"authorization": ""})
    same(answer.status_code, 200)


@scenario
async def a_body_past_the_limit_is_413(lab):
    body = b'{"items":[{"queue":"q","payload":"' + b"x" * (65 * 1024 * 1024) + b'"}]}'
    try:
        answer = await lab.http("POST", "/api/v1/push", content=body)
    except Exception as error:  # the server may close before all is sent
        check("Write" in type(error).__name__ or "Read" in type(error).__name__, repr(error))
    else:
        same(answer.status_code, 413)
        check(answer.json()["error"], "an error without a text")
    same(await pop(lab.queen(), "q"), [])


@scenario
async def what_this_server_has_not_is_501(lab):
    """Surfaces of Queen 2 that nothing here does: a code, not a guess."""
    for method, path in (("POST", "/api/v1/ephemeral/push"), ("GET", "/api/v1/ephemeral/queues"), ("POST", "/api/v1/kv"),
                         ("GET", "/api/v1/kv/ns/key"), ("POST", "/api/v1/locks"), ("POST", "/api/v1/timers"),
                         ("DELETE", "/api/v1/timers/q/key"), ("POST", "/streams/v1/queries"), ("POST", "/streams/v1/cycle")):
        answer = await lab.http(method, path, json={})
        same(answer.status_code, 501, path)
        check(answer.json()["error"] and answer.json()["code"], answer.text)
