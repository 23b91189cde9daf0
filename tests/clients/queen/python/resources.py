"""What the admin calls of 2.6.0 show: queues, depths, messages, status."""

from harness import check, same, scenario
from lab import acked, numbers, pop, push, raises


@scenario
async def queues_are_listed_with_their_counts(lab):
    a = lab.queen()
    await a.queue("q").namespace("n").task("t").create()
    await push(a, "q", range(3), "x")
    await push(a, "q", range(2), "y")
    await acked(a, (await pop(a, "q", 2, partition="x"))[0])
    (listed,) = [queue for queue in (await a.admin.list_queues())["queues"] if queue["name"] == "q"]
    same((listed["namespace"], listed["task"], listed["partitions"]), ("n", "t", 2))
    same((listed["messages"]["total"], listed["messages"]["pending"] + listed["messages"]["processing"]), (5, 4))


@scenario
async def a_queue_is_shown_with_its_options_and_partitions(lab):
    a = lab.queen()
    await a.queue("q").config({"lease_time": 7}).create()
    await push(a, "q", range(3), "x")
    got = await a.admin.get_queue("q")
    same((got["name"], got["options"]["leaseTime"]), ("q", 7))
    same([partition["name"] for partition in got["partitions"]], ["x"])
    await raises(a.admin.get_queue("none"), "", 404)


@scenario
async def depth_counts_what_is_open_per_partition(lab):
    a = lab.queen()
    await push(a, "q", range(3), "x")
    await push(a, "q", range(2), "y")
    await acked(a, (await pop(a, "q", 10, group="g", partition="x"))[:1], group="g")
    got = await a.admin.get_queue_depth("q", "g")
    same((got["queue"], got["group"], got["pending"], got["partitionsPending"]), ("q", "g", 4, 2))
    same({p["partition"]: p["pending"] for p in got["partitions"]}, {"x": 2, "y": 2})


@scenario
async def overview_namespaces_and_tasks(lab):
    a = lab.queen()
    await a.queue("q").namespace("n").task("t").create()
    await push(a, "q", range(3))
    check(isinstance(await a.admin.get_overview(), dict), "overview")
    check("n" in str(await a.admin.get_namespaces()), "namespaces")
    check("t" in str(await a.admin.get_tasks()), "tasks")


@scenario
async def messages_are_listed_with_their_status(lab):
    a = lab.queen()
    await push(a, "q", range(4))
    got = await pop(a, "q", 3)
    await acked(a, got[0])
    await acked(a, got[1], "dlq")

    async def listed(**filters):
        return sorted((m["data"]["n"], m["status"]) for m in (await a.admin.list_messages(queue="q", **filters))["messages"])

    same(await listed(), [(0, "completed"), (1, "dead_letter"), (2, "pending"), (3, "pending")])
    same(await listed(status="dead_letter"), [(1, "dead_letter")])
    same(await listed(status="completed"), [(0, "completed")])


@scenario
async def one_message_is_shown_by_its_ids(lab):
    a = lab.queen()
    await push(a, "q", [0])
    (got,) = await pop(a, "q")
    shown = await a.admin.get_message(got["partitionId"], "t0")
    same((shown["transactionId"], shown["queue"], shown["partition"], shown["status"], shown["data"]),
         ("t0", "q", "Default", "processing", {"n": 0}))
    await raises(a.admin.get_message(got["partitionId"], "nobody"), "", 404)


@scenario
async def status_calls_answer(lab):
    a = lab.queen()
    await push(a, "q", [0])
    for call in (a.admin.get_status, a.admin.get_queue_stats, a.admin.get_analytics, a.admin.health, a.admin.metrics,
                 a.admin.get_system_metrics, a.admin.get_worker_metrics):
        check(isinstance(await call(), (dict, list)), call.__name__)
    check(isinstance(await a.admin.get_queue_detail("q"), dict), "queue detail")


@scenario
async def maintenance_holds_pops_back(lab):
    """It belongs to the room."""
    a = lab.queen()
    await push(a, "q", [0])
    path = "/api/v1/system/maintenance/pop"
    same((await lab.http("POST", path, json={"enabled": True})).json()["enabled"], True)
    same(await pop(a, "q"), [])
    same((await lab.http("POST", path, json={"enabled": False})).json()["enabled"], False)
    same(numbers(await pop(a, "q")), [0])


@scenario
async def maintenance_loses_no_push(lab):
    a = lab.queen()
    path = "/api/v1/system/maintenance"
    same((await lab.http("POST", path, json={"enabled": True})).json()["maintenanceMode"], True)
    same([item["status"] for item in await push(a, "q", range(3))], ["buffered"] * 3)
    same((await lab.http("POST", path, json={"enabled": False})).json()["maintenanceMode"], False)
    same(numbers(await pop(a, "q")), [0, 1, 2])
