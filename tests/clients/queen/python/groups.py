"""Consumer groups: their own cursors, where they begin, moving them."""

import asyncio
import datetime

from harness import check, same, scenario
from lab import acked, at, numbers, pop, push


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


async def read(client, queue, group, **calls):
    """All there is for the group now, acked."""
    got = []
    while messages := await pop(client, queue, group=group, **calls):
        got += numbers(messages)
        await acked(client, messages, group=group)
    return got


@scenario
async def every_group_reads_everything(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    for group in ("one", "two", None):
        same(await read(a, "q", group), [0, 1, 2], str(group))
    await push(a, "q", [3])
    for group in ("one", "two", None):
        same(await read(a, "q", group), [3], str(group))


@scenario
async def a_new_group_reads_from_the_beginning_what_was_consumed(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    same(await read(a, "q", None), [0, 1, 2])
    same(await read(a, "q", "late"), [0, 1, 2])


@scenario
async def leases_of_groups_are_their_own(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    one = await pop(a, "q", group="one")
    two = await pop(a, "q", group="two")
    same((numbers(one), numbers(two)), ([0, 1], [0, 1]))
    check(one[0]["leaseId"] != two[0]["leaseId"], "the same lease")
    await acked(a, one, False, group="one")
    same(await pop(a, "q", group="two"), [])
    same(numbers(await pop(a, "q", group="one")), [0, 1])


@scenario
async def an_ack_without_the_group_does_not_settle_the_groups_message(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (got,) = await pop(a, "q", group="g")
    same((await a.ack(got))["success"], False)
    await acked(a, got, group="g")
    same(await pop(a, "q", group="g"), [])


@scenario
async def mode_new_begins_at_now(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    for mode in ("new", "new-only"):
        same(await pop(a, "q", group=mode, subscription_mode=mode), [])
    await push(a, "q", [2])
    for mode in ("new", "new-only"):
        same(await read(a, "q", mode, subscription_mode=mode), [2])


@scenario
async def mode_all_begins_at_the_beginning(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    same(await read(a, "q", "g", subscription_mode="all"), [0, 1])


@scenario
async def the_first_pop_decides_where_a_group_begins(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    same(await pop(a, "q", group="g", subscription_mode="new"), [])
    same(await pop(a, "q", group="g", subscription_mode="all"), [])
    await push(a, "q", [2])
    same(await read(a, "q", "g", subscription_mode="new"), [2])


@scenario
async def from_now_and_from_a_time(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    await asyncio.sleep(0.05)
    moment = now()
    await asyncio.sleep(0.05)
    await push(a, "q", [2, 3])
    same(await read(a, "q", "time", subscription_from=moment), [2, 3])
    same(await read(a, "q", "now", subscription_from="now"), [])
    same(await read(a, "q", "both", subscription_from=moment, subscription_mode="new"), [2, 3])
    same(await read(a, "q", "nonsense", subscription_from="yesterday-ish"), [0, 1, 2, 3])


@scenario
async def a_partition_that_appears_later_is_read_whole(lab):
    a = lab.queen()
    await push(a, "q", [0], "x")
    same(await pop(a, "q", group="g", subscription_mode="new"), [])
    await push(a, "q", [1, 2], "y")
    same(await read(a, "q", "g", subscription_mode="new"), [1, 2])


@scenario
async def a_deleted_group_begins_anew(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    same(await read(a, "q", "g"), [0, 1])
    got = await a.delete_consumer_group("g")
    same((got["success"], got["consumerGroup"], got["metadataDeleted"]), (True, "g", True))
    same(await read(a, "q", "g"), [0, 1])
    same((await a.delete_consumer_group("nobody"))["success"], True)


@scenario
async def a_group_deleted_without_its_subscription_begins_where_it_first_began(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    same(await pop(a, "q", group="g", subscription_mode="new"), [])
    await push(a, "q", [2])
    same(await read(a, "q", "g"), [2])
    await a.delete_consumer_group("g", False)
    same(await read(a, "q", "g"), [2])


@scenario
async def a_group_is_deleted_for_one_queue(lab):
    a = lab.queen()
    for name in ("q", "r"):
        await push(a, name, range(2))
        same(await read(a, name, "g"), [0, 1])
    await a.admin.delete_consumer_group_for_queue("g", "q")
    same(await read(a, "q", "g"), [0, 1])
    same(await read(a, "r", "g"), [])


@scenario
async def seek_to_the_end_skips_the_rest(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    await pop(a, "q", 1, group="g")
    got = await a.admin.seek_consumer_group("g", "q", {"toEnd": True})
    same((got["success"], got["consumerGroup"], got["queueName"], got["seekToEnd"]), (True, "g", "q", True))
    same(await pop(a, "q", group="g"), [])
    await push(a, "q", [3])
    same(await read(a, "q", "g"), [3])


@scenario
async def seek_to_a_time_reads_again_from_there(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    await asyncio.sleep(0.05)
    moment = now()
    await asyncio.sleep(0.05)
    await push(a, "q", [2, 3])
    same(await read(a, "q", "g"), [0, 1, 2, 3])
    await a.admin.seek_consumer_group("g", "q", {"timestamp": moment})
    same(await read(a, "q", "g"), [2, 3])


@scenario
async def seek_needs_a_goal_and_a_queue(lab):
    await push(lab.queen(), "q", [0])
    same((await lab.http("POST", "/api/v1/consumer-groups/g/queues/q/seek", json={"x": 1})).status_code, 400)
    same((await lab.http("POST", "/api/v1/consumer-groups/g/queues/none/seek", json={"toEnd": True})).status_code, 404)


@scenario
async def seek_of_one_partition_leaves_the_others(lab):
    a = lab.queen()
    for partition in "xy":
        await push(a, "q", range(2), partition)
    path = "/api/v1/consumer-groups/g/queues/q/partitions/x/seek"
    same((await lab.http("POST", path, json={"toEnd": True})).json()["partitionsUpdated"], 1)
    same(await pop(a, "q", group="g", partition="x"), [])
    same(numbers(await pop(a, "q", group="g", partition="y")), [0, 1])


@scenario
async def a_new_subscription_time_moves_no_cursor(lab):
    a = lab.queen()
    await push(a, "q", range(2))
    same(await read(a, "q", "g"), [0, 1])
    got = await a.update_consumer_group_timestamp("g", "2020-01-01T00:00:00Z")
    same((got["success"], got["consumerGroup"]), (True, "g"))
    same(await read(a, "q", "g"), [])


@scenario
async def groups_are_listed(lab):
    a = lab.queen()
    await push(a, "q", range(3))
    await acked(a, (await pop(a, "q", group="g"))[:1], group="g")
    (listed,) = [entry for entry in await a.admin.list_consumer_groups() if entry["name"] == "g"]
    same((listed["queueName"], listed["totalLag"]), ("q", 2))
    check("q" in await a.admin.get_consumer_group("g"), "the group's queues by name")
    check(isinstance(await a.admin.get_lagging_consumers(60), list), "lagging groups are a list")
    await a.admin.refresh_consumer_stats()


@scenario
async def workers_of_a_group_share_and_groups_do_not(lab):
    a = lab.queen()
    for n in range(12):
        await push(a, "q", [n], f"p{n % 4}")
    got = {"one": [], "two": []}

    def handler(group):
        async def note(message):
            got[group].append(message["data"]["n"])
        return note

    await asyncio.gather(*(
        at(lab.queen(), "q", group).batch(2).each().wait(False).idle_millis(1_000).consume(handler(group))
        for group in ("one", "one", "two")))
    same({group: sorted(seen) for group, seen in got.items()}, {"one": list(range(12)), "two": list(range(12))})
