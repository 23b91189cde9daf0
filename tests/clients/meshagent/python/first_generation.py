"""What only the first generation has. 0.0.21 only."""

import contextlib

from meshagent.api import MessageStreamChunk, RoomException

from client_0_0_21 import errors
from harness import check, refused, same, scenario

TEXT = "not supported by this server"


@scenario
async def plain_handshake_gives_room_and_session(lab):
    a = await lab.join()
    client = a.client
    same(client.room_name, lab.room)
    check(client.session_id and client.room_url, "no session id or room url")
    same(client.local_participant.get_attribute("name"), "alice")


@scenario
async def attributes_with_text_beyond_ascii_travel_as_plain_json(lab):
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await b.sees("alice")
    await a.set_attribute("mood", "größer \U0001f680")
    await b.sees_attribute("alice", "mood", "größer \U0001f680")


@scenario
async def streams_between_old_clients_pass_through(lab):
    """They are ordinary messages to the server."""
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await a.sees("bob")
    to = a.client.messaging._participants[b.id]
    writer = await a.client.messaging.create_stream(to=to, header={"name": "f"})
    for n in range(3):
        await writer.write(MessageStreamChunk(header={"n": n}, data=bytes([n]) * 5000))
    await writer.close()
    chunks = [(chunk.header, bytes(chunk.data)) async for chunk in b.streams[0].read_chunks()]
    same(chunks, [({"n": n}, bytes([n]) * 5000) for n in range(3)])


@scenario
async def other_apis_are_not_supported(lab):
    a = await lab.join()
    client = a.client
    for call in (
        client.storage.exists(path="f"),
        client.storage.list(path="/"),
        client.storage.open(path="f"),
        client.sync.open(path="d"),
        client.sync.create(path="d"),
        client.database.list_tables(),
        client.livekit.get_connection_info(),
        client.agents.list_agents(),
        client.agents.ask(agent="a", arguments={}),
        client.agents.make_call(name="n", url="http://127.0.0.1:9/", arguments={}),
        client.agents.invoke_tool(toolkit="t", tool="t", arguments={}),
        client.send_request("no.such.request", {}),
    ):

        async def translated(call=call):
            with errors():
                return await call

        await refused(translated(), 1002, TEXT)
        await a.send("q", {"still": "connected"})
        same(await a.receive("q"), {"still": "connected"})


@scenario
async def list_of_toolkits_is_answered_empty(lab):
    a = await lab.join()
    same(await a.client.agents.list_toolkits(), [])


@scenario
async def tokens_of_the_first_generation_may_do_all(lab):
    a = await lab.join()
    check("version" not in lab.claims(), "this SDK writes a version after all")
    await a.send("q", {"n": 1})
    same(await a.receive("q"), {"n": 1})
    same(await a.sizes(), {"q": 0})
    await a.enable()


@scenario
async def developer_logs_are_dropped_or_refused(lab):
    """Both are allowed, silence is not."""
    a = await lab.join()
    with contextlib.suppress(RoomException):
        await a.client.developer.log(type="t", data={})
    await a.send("q", {"n": 1})
