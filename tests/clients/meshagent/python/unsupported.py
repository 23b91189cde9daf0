"""The rest of the Room API is refused at once and harms no connection. 0.56.0 only."""

import asyncio

from harness import Refused, check, refused, same, scenario
from client_0_56_0 import errors

INVALID_REQUEST = 1002
TEXT = "not supported by this server"


async def not_supported(member, call):
    async def translated():
        with errors():
            return await call

    await refused(translated(), INVALID_REQUEST, TEXT)
    await member.send("q", {"still": "connected"})
    same(await member.receive("q"), {"still": "connected"})


@scenario
async def storage_is_not_supported(lab):
    a = await lab.join()
    storage = a.client.storage
    await not_supported(a, storage.exists(path="f"))
    await not_supported(a, storage.stat(path="f"))
    await not_supported(a, storage.list(path="/"))
    await not_supported(a, storage.move(source_path="f", destination_path="g"))
    await not_supported(a, storage.delete("f"))
    await not_supported(a, storage.download_url(path="f"))


@scenario
async def storage_transfers_are_not_supported(lab):
    """These send streams of chunks besides the request."""
    a = await lab.join()
    await not_supported(a, a.client.storage.upload(path="f", data=b"x" * 300_000))
    await not_supported(a, a.client.storage.download(path="f"))


@scenario
async def sync_is_not_supported(lab):
    a = await lab.join()
    await not_supported(a, a.client.sync.create(path="d"))
    await not_supported(a, a.client.sync.describe(path="d"))
    await not_supported(a, a.client.sync.open(path="d"))


@scenario
async def datasets_and_sqlite_are_not_supported(lab):
    a = await lab.join()
    await not_supported(a, a.client.datasets.list_tables())
    await not_supported(a, a.invoke("database", "list_tables"))
    await not_supported(a, a.invoke("sqlite", "list_databases"))


@scenario
async def memory_is_not_supported(lab):
    a = await lab.join()
    await not_supported(a, a.client.memory.list())


@scenario
async def containers_and_services_are_not_supported(lab):
    a = await lab.join()
    await not_supported(a, a.client.containers.list())
    await not_supported(a, a.client.services.list())
    await not_supported(a, a.client.services.restart(service_id="s"))
    await not_supported(a, a.invoke("mounts", "list"))


@scenario
async def livekit_and_calls_are_not_supported(lab):
    a = await lab.join()
    await not_supported(a, a.client.livekit.get_connection_info())
    await not_supported(a, a.client.call(name="n", url="http://127.0.0.1:9/", arguments={}))


@scenario
async def messaging_streams_are_not_supported(lab):
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await a.sees("bob")
    other = a.client.messaging.get_participant(b.id)
    await not_supported(a, a.client.messaging.stream(to=other, type="t", message={}))
    await a.tell(b.id, "chat", {"n": 1})
    same((await b.hears("chat"))["message"], {"n": 1})


@scenario
async def unknown_toolkits_tools_and_requests_are_refused(lab):
    a = await lab.join()
    await not_supported(a, a.invoke("no-such-toolkit", "tool"))
    await not_supported(a, a.request("no.such.request", {}))
    for toolkit in ("queues", "messaging"):
        await refused(a.invoke(toolkit, "no-such-tool"), INVALID_REQUEST)
    await a.send("q", {"n": 1})


@scenario
async def list_of_toolkits_is_answered_empty(lab):
    a = await lab.join()
    same(await a.client.list_toolkits(), [])


@scenario
async def developer_logs_are_dropped_or_refused(lab):
    """Both are allowed, silence is not."""
    a = await lab.join()
    try:
        await a.invoke("developer", "log", {"type": "t", "data": {}})
    except Refused as error:
        check(error.code == INVALID_REQUEST, str(error))
    await a.send("q", {"n": 1})


@scenario
async def malformed_arguments_are_refused(lab):
    a = await lab.join()
    for tool, arguments in (
        ("send", {}),
        ("send", {"name": "q"}),
        ("send", {"message": {}}),
        ("send", {"name": 1, "message": {}}),
        ("send", {"name": "q", "message": {}, "create": "yes"}),
        ("receive", {}),
        ("receive", {"name": None}),
        ("receive", {"name": "q", "wait": "yes"}),
        ("open", {}),
        ("drain", {"name": ["q"]}),
        ("close", {}),
    ):
        await refused(a.invoke("queues", tool, arguments), INVALID_REQUEST)
    same(await a.sizes(), {})


@scenario
async def both_spellings_work_on_one_connection(lab):
    """Direct requests are what clients before 0.30 send."""
    a = await lab.join()
    await a.request("queues.send", {"name": "q", "create": True, "message": {"n": 1}})
    same(await a.receive("q"), {"n": 1})
    await a.send("q", {"n": 2})
    got = await a.request("queues.receive", {"name": "q", "create": True, "wait": False})
    same(got.json, {"n": 2})
    await refused(a.request("queues.open", {"name": "q"}), 5002)


@scenario
async def many_unsupported_calls_at_once_are_all_answered(lab):
    a = await lab.join()
    calls = [a.invoke("storage", "list", {"path": "/"}) for _ in range(300)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        check(isinstance(answer, Refused) and answer.code == INVALID_REQUEST, repr(answer))
    same(await a.sizes(), {})
