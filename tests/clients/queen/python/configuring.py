"""Queues: made, configured and deleted."""

from harness import check, same, scenario
from lab import numbers, pop, push, raises


@scenario
async def configure_answers_with_the_effective_options(lab):
    a = lab.queen()
    got = await a.queue("q").namespace("shop").task("billing").config({"lease_time": 7, "priority": 4}).create()
    same((got["configured"], got["queue"], got["namespace"], got["task"]), (True, "q", "shop", "billing"))
    options = got["options"]
    expected = {
        "leaseTime": 7, "retryLimit": 3, "priority": 4, "delayedProcessing": 0, "windowBuffer": 0, "maxSize": 0,
        "retentionSeconds": 0, "completedRetentionSeconds": 0, "encryptionEnabled": False,
    }
    same({name: options.get(name) for name in expected}, expected)


@scenario
async def configure_without_options_gives_the_defaults(lab):
    got = await lab.queen().queue("q").create()
    same(got["configured"], True)
    same((got["options"]["leaseTime"], got["options"]["retryLimit"]), (300, 3))


@scenario
async def configure_keeps_what_it_does_not_name(lab):
    first = {"queue": "q", "namespace": "shop", "task": "t", "options": {"leaseTime": 7, "retryLimit": 9}}
    same((await lab.http("POST", "/api/v1/configure", json=first)).status_code, 200)
    second = {"queue": "q", "namespace": None, "task": None, "options": {"retryLimit": 2}}
    got = (await lab.http("POST", "/api/v1/configure", json=second)).json()
    same((got["options"]["leaseTime"], got["options"]["retryLimit"]), (7, 2))
    same((got["namespace"], got["task"]), ("shop", "t"))


@scenario
async def configure_with_null_takes_the_default_again(lab):
    await lab.http("POST", "/api/v1/configure", json={"queue": "q", "options": {"leaseTime": 7}})
    got = (await lab.http("POST", "/api/v1/configure", json={"queue": "q", "options": {"leaseTime": None}})).json()
    same(got["options"]["leaseTime"], 300)


@scenario
async def configure_in_replace_mode_resets_the_rest(lab):
    await lab.http("POST", "/api/v1/configure", json={"queue": "q", "options": {"leaseTime": 7, "retryLimit": 9}})
    replace = {"queue": "q", "mode": "replace", "options": {"retryLimit": 2}}
    got = (await lab.http("POST", "/api/v1/configure", json=replace)).json()
    same((got["options"]["leaseTime"], got["options"]["retryLimit"]), (300, 2))


@scenario
async def configure_takes_options_at_the_top_level(lab):
    got = (await lab.http("POST", "/api/v1/configure", json={"queue": "q", "leaseTime": 8})).json()
    same(got["options"]["leaseTime"], 8)


@scenario
async def configure_refuses_what_is_no_queue(lab):
    for body in ({}, {"queue": None}, {"queue": 5}, {"queue": "a\u0000b"}, {"queue": "x" * 300}):
        answer = await lab.http("POST", "/api/v1/configure", json=body)
        same(answer.status_code, 400, f"status for {body}")
        check(answer.json()["error"], "an error without a text")
    answer = await lab.http("POST", "/api/v1/configure", content=b"{", headers={"content-type": "application/json"})
    same(answer.status_code, 400)


@scenario
async def configure_refuses_values_that_mean_nothing(lab):
    for options in ({"leaseTime": "long"}, {"retryLimit": -1}, {"leaseTime": 1e30}, {"maxSize": -5}):
        answer = await lab.http("POST", "/api/v1/configure", json={"queue": "q", "options": options})
        same(answer.status_code, 400, f"status for {options}")


@scenario
async def delete_removes_the_queue_and_its_messages(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    got = await a.queue("q").delete()
    same((got["deleted"], got["queue"], got["existed"]), (True, "q", True))
    same(await pop(a, "q"), [])
    await push(a, "q", [7])
    same(numbers(await pop(a, "q")), [7])


@scenario
async def delete_of_an_unknown_queue_says_so(lab):
    got = await lab.queen().queue("q").delete()
    same((got["deleted"], got["existed"]), (False, False))


@scenario
async def deleted_queues_forget_groups_and_transaction_ids(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    await pop(a, "q", group="g")
    await a.queue("q").delete()
    same([item["status"] for item in await push(a, "q", range(2))], ["queued", "queued"])
    same(numbers(await pop(a, "q", group="g")), [0, 1])


@scenario
async def callbacks_hear_of_success_and_error(lab):
    a = lab.queen()
    heard = []

    async def hear(value):
        heard.append(value)

    await a.queue("q").create().on_success(hear)
    same(heard[0]["configured"], True)
    weak = lab.queen(token=lab.token(api={"queues": {"send": ["q"], "receive": []}}))
    got = await weak.queue("q").create().on_error(hear)
    same(got["success"], False)
    check(isinstance(heard[1], Exception), f"no exception: {heard}")
    await raises(weak.queue("q").create(), "not allow", 403)


@scenario
async def lease_time_of_the_queue_counts(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 1}).create()
    await push(a, "q", [0])
    same(numbers(await pop(a, "q")), [0])
    same(await pop(a, "q"), [])
    # The lease ends by itself and wakes who waits.
    same(numbers(await pop(a, "q", 1, wait=10_000)), [0])
