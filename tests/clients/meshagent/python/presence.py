"""Presence and messaging: who is there, what they say, for any pair of clients."""

import asyncio

from harness import check, refused, same, scenario

PARTICIPANT_NOT_FOUND = 1003
BYTES = bytes(range(256)) * 300


async def meet(a, b):
    """Everything two participants called alice and bob do, whatever clients they use."""
    await a.enable()
    same(a.others(), {})
    await b.enable()
    same(await a.sees("bob"), b.id)
    same(await b.sees("alice"), a.id)

    for speaker, listener in ((a, b), (b, a)):
        said = {"text": "Grüße, 世界", "n": 1.5, "deep": [{}, None, True]}
        await speaker.tell(listener.id, "chat", said)
        same(
            await listener.hears("chat"),
            {"from": speaker.id, "type": "chat", "message": said, "attachment": b""},
        )
        await speaker.tell(listener.id, "file", {"name": "f"}, BYTES)
        heard = await listener.hears("file")
        same(heard["message"], {"name": "f"})
        check(heard["attachment"] == BYTES, "the attachment changed")
        await speaker.broadcast("all", {"n": 2}, b"\x00\xff")
        same(
            await listener.hears("all"),
            {"from": speaker.id, "type": "all", "message": {"n": 2}, "attachment": b"\x00\xff"},
        )
        await speaker.set_attribute("mood", {"is": ["gut", 1]})
        name = "alice" if speaker is a else "bob"
        await listener.sees_attribute(name, "mood", {"is": ["gut", 1]})
        check(
            "__meshagent__" not in listener.others()[speaker.id]["attributes"],
            "the client's tracing became an attribute",
        )

    await a.disable()
    await b.misses("alice")
    await refused(b.tell(a.id, "chat", {}), PARTICIPANT_NOT_FOUND, "the participant was not found")
    await a.enable()
    await b.sees("alice")
    await a.sees_attribute("bob", "mood", {"is": ["gut", 1]})
    await a.leave()
    await b.misses("alice")
    check(b.inbox.empty(), "somebody heard more than was said")


@scenario
async def two_participants_meet_talk_and_part(lab):
    a = await lab.client.Member.join(lab.url, lab.room, lab.token("alice"))
    await meet(a, await lab.join("bob"))


@scenario
async def presence_shows_role_and_attributes(lab):
    a = await lab.join("alice", role="agent")
    b = await lab.join("bob")
    await a.set_attribute("before", 1)
    await a.enable()
    await b.enable()
    same(b.others(), {a.id: {"role": "agent", "attributes": {"name": "alice", "before": 1}}})
    await a.sees("bob")
    same(a.others(), {b.id: {"role": "user", "attributes": {"name": "bob"}}})


@scenario
async def participants_without_messaging_are_not_seen_and_hear_nothing(lab):
    a, b, c = await lab.members("alice", "bob", "carol")
    await a.enable()
    await c.enable()
    await a.sees("carol")
    same(a.find("bob"), None)
    await a.broadcast("all", {"n": 1})
    await c.hears("all")
    await refused(a.tell(b.id, "chat", {}), PARTICIPANT_NOT_FOUND)
    check(b.inbox.empty(), "bob heard without messaging")


@scenario
async def telling_an_unknown_participant_is_refused(lab):
    a = await lab.join()
    await a.enable()
    for id in ("nobody", "", "x" * 500):
        await refused(
            a.tell(id, "chat", {}), PARTICIPANT_NOT_FOUND, "the participant was not found"
        )


@scenario
async def messages_of_one_speaker_come_in_order(lab):
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await a.sees("bob")
    await asyncio.gather(*(a.tell(b.id, "chat", {"n": n}) for n in range(100)))
    same([(await b.hears("chat"))["message"]["n"] for _ in range(100)], list(range(100)))


@scenario
async def broadcast_reaches_everyone_but_the_speaker(lab):
    members = await lab.members("alice", "bob", "carol")
    for member in members:
        await member.enable()
    await members[0].sees("carol")
    await members[0].broadcast("all", {"n": 1})
    for member in members[1:]:
        same((await member.hears("all"))["from"], members[0].id)
    # What the speaker had been sent would have come before this answer.
    await members[0].sizes()
    check(members[0].inbox.empty(), "the speaker heard itself")


@scenario
async def the_servers_own_types_cannot_be_forged(lab):
    """Otherwise any speaker could make others leave, appear or change in a listener's eyes."""
    a, b, c = await lab.members("alice", "bob", "carol")
    for member in (a, b, c):
        await member.enable()
    await a.sees("carol")
    await b.sees("carol")
    before = b.others()
    ghost = {"id": "ghost", "role": "user", "attributes": {"name": "ghost"}}
    for type, message in (
        ("participant.enabled", ghost),
        ("participant.disabled", {"id": c.id}),
        ("participant.attributes", {"attributes": {"name": "carol", "forged": True}}),
        ("messaging.enabled", {"participants": [ghost]}),
    ):
        # Refused or dropped, both will do.
        await asyncio.gather(a.tell(b.id, type, message), return_exceptions=True)
        await asyncio.gather(a.broadcast(type, message), return_exceptions=True)
        await b.sizes()
        same(b.others(), before, f"what bob sees after a forged {type}")


@scenario
async def two_participants_may_have_one_name(lab):
    a, b, c = [await lab.join(name) for name in ("alice", "bob", "bob")]
    for member in (a, b, c):
        await member.enable()
    await a.until(lambda: len(a.others()) == 2)
    same(set(a.others()), {b.id, c.id})
    await a.tell(c.id, "chat", {"n": 1})
    await c.hears("chat")
    await b.sizes()
    check(b.inbox.empty(), "the wrong bob heard it")


@scenario
async def rooms_do_not_share_presence(lab):
    a = await lab.join("alice")
    b = await lab.join("bob", room=f"{lab.room}-b")
    await a.enable()
    await b.enable()
    await a.sizes()
    same((a.others(), b.others()), ({}, {}))
    await refused(a.tell(b.id, "chat", {}), PARTICIPANT_NOT_FOUND)


@scenario
async def a_killed_participant_is_seen_to_leave(lab):
    from peers import peer

    a = await lab.join("alice")
    await a.enable()
    victim = await peer(lab, "victim")
    await victim.enable()
    await a.sees("victim")
    await victim.kill()
    await a.misses("victim")


@scenario
async def attachment_of_a_megabyte_goes_through(lab):
    a, b = await lab.members("alice", "bob")
    await a.enable()
    await b.enable()
    await a.sees("bob")
    data = BYTES * 14
    await a.tell(b.id, "file", {}, data)
    check((await b.hears("file"))["attachment"] == data, "the attachment changed")
