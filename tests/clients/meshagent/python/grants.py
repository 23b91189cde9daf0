"""What a token's api grant allows; a refused call is 1001 and leaves no trace. 0.56.0 only."""

import jwt
from meshagent.api.client import Meshagent
from meshagent.api.keys import parse_api_key
from meshagent.api.participant_token import ApiScope, MessagingGrant, QueuesGrant, StorageGrant

from harness import check, park, refused, same, scenario, setting, sign
from tokens import turned_away

DENIED = 1001


def only(**queues):
    return ApiScope(queues=QueuesGrant(**queues), messaging=MessagingGrant())


async def nothing_was_made(lab):
    same(await (await lab.join("witness")).sizes(), {}, "queues of the room")


@scenario
async def sends_only_where_granted(lab):
    a = await lab.join(api=only(send=["yes"], receive=[]))
    await a.send("yes", {"n": 1})
    for name in ("no", "Yes", "yes ", "ye", "yess", "y*"):
        await refused(a.send(name, {"n": 1}), DENIED)
    await refused(a.receive("yes", wait=False), DENIED)
    await refused(a.receive("yes"), DENIED)
    same(await (await lab.join("witness")).sizes(), {"yes": 1})


@scenario
async def receives_only_where_granted(lab):
    a = await lab.join(api=only(send=[], receive=["yes"]))
    same(await a.receive("yes", wait=False), None)
    for name in ("no", "Yes", "yes "):
        await refused(a.receive(name, wait=False), DENIED)
        await refused(a.receive(name), DENIED)
    await refused(a.send("yes", {"n": 1}), DENIED)
    same(await (await lab.join("witness")).sizes(), {"yes": 0})


@scenario
async def a_granted_receive_is_woken_by_a_granted_send(lab):
    a = await lab.join("alice", api=only(send=["yes"], receive=[]))
    b = await lab.join("bob", api=only(send=[], receive=["yes"]))
    waiting = await park(b, "yes")
    await a.send("yes", {"n": 1})
    same(await waiting, {"n": 1})


@scenario
async def unrestricted_queues_grant_allows_all(lab):
    a = await lab.join(api=only())
    await a.open("q")
    await a.send("q", {"n": 1})
    same(await a.receive("q"), {"n": 1})
    await a.drain("q")
    same(await a.sizes(), {"q": 0})
    await a.close("q")


@scenario
async def star_in_a_grant_is_just_a_name(lab):
    a = await lab.join(api=only(send=["*", "a*"], receive=["*"]))
    await refused(a.send("abc", {"n": 1}), DENIED)
    await refused(a.receive("abc", wait=False), DENIED)
    await a.send("*", {"n": 1})
    same(await a.receive("*"), {"n": 1})


@scenario
async def list_needs_its_grant(lab):
    a = await lab.join(api=only(list=False))
    await refused(a.sizes(), DENIED)
    await a.send("q", {"n": 1})


@scenario
async def open_drain_and_close_need_a_grant_for_that_queue(lab):
    sender = await lab.join("sender", api=only(send=["q"], receive=[]))
    taker = await lab.join("taker", api=only(send=[], receive=["q"]))
    nobody = await lab.join("nobody", api=only(send=[], receive=[]))
    for member in (sender, taker, nobody):
        await refused(member.open("other"), DENIED)
        await refused(member.drain("other"), DENIED)
        await refused(member.close("other"), DENIED)
    await refused(nobody.open("q"), DENIED)
    await nothing_was_made(lab)
    await sender.open("q")
    await sender.send("q", {"n": 1})
    await refused(nobody.drain("q"), DENIED)
    await refused(nobody.close("q"), DENIED)
    await refused(sender.drain("q"), DENIED)
    await taker.drain("q")
    await taker.close("q")
    await taker.open("q")
    await sender.close("q")


async def may_do_nothing(lab, member):
    await refused(member.sizes(), DENIED)
    await refused(member.send("q", {"n": 1}), DENIED)
    await refused(member.receive("q", wait=False), DENIED)
    await refused(member.receive("q"), DENIED)
    for call in (member.open("q"), member.drain("q"), member.close("q")):
        await refused(call, DENIED)
    await refused(member.invoke("messaging", "enable"), DENIED)
    await refused(
        member.invoke("messaging", "broadcast", {"type": "t", "message_json": "{}"}), DENIED
    )
    await nothing_was_made(lab)


async def may_do_all(member):
    await member.send("q", {"n": 1})
    same(await member.receive("q"), {"n": 1})
    same(await member.sizes(), {"q": 0})
    await member.enable()


@scenario
async def api_grant_without_queues_denies_queues(lab):
    a = await lab.join(api=ApiScope(storage=StorageGrant(), messaging=MessagingGrant()))
    await refused(a.send("q", {"n": 1}), DENIED)
    await refused(a.sizes(), DENIED)
    await a.enable()
    await nothing_was_made(lab)


@scenario
async def empty_api_grant_denies_everything(lab):
    await may_do_nothing(lab, await lab.join(api=ApiScope()))


@scenario
async def token_without_api_grant_may_do_nothing(lab):
    for version in ("0.56.0", "0.6.0", "0.10.0", "1.0.0"):
        await may_do_nothing(lab, await lab.join(version, api=None, version=version))


@scenario
async def token_without_api_grant_of_an_old_version_may_do_all(lab):
    for n, version in enumerate(("0.5.99", "0.5.0", "0.0.21")):
        member = await lab.join(version, api=None, version=version, room=f"{lab.room}-{n}")
        await may_do_all(member)


@scenario
async def token_without_api_grant_and_version_may_do_all(lab):
    claims = lab.claims(api=None)
    del claims["version"]
    await may_do_all(await lab.join(token=sign(claims, lab.secret)))


@scenario
async def messaging_needs_its_grants(lab):
    b = await lab.join("bob")
    await b.enable()
    for grant in (MessagingGrant(send=False), MessagingGrant(broadcast=False)):
        a = await lab.join(api=ApiScope(queues=QueuesGrant(), messaging=grant))
        await a.enable()
        if grant.send:
            await a.tell(b.id, "chat", {"n": 1})
            await refused(a.broadcast("all", {"n": 2}), DENIED)
        else:
            await refused(a.tell(b.id, "chat", {"n": 2}), DENIED)
            await a.broadcast("all", {"n": 1})
        same((await b.inbox.get())["message"], {"n": 1})
    await b.sizes()
    same(b.inbox.qsize(), 0, "what bob heard beyond the grants")


@scenario
async def token_with_two_api_grants_is_refused(lab):
    claims = lab.claims(api=only(send=["a"]))
    claims["grants"].append({"name": "api", "scope": {"queues": {}}})
    await turned_away(lab, sign(claims, lab.secret))


@scenario
async def token_with_a_grant_of_a_wrong_type_is_refused(lab):
    for queues in ({"send": "q"}, {"receive": [1]}, {"send": {}}):
        claims = lab.claims(api=None)
        claims["grants"].append({"name": "api", "scope": {"queues": queues}})
        await turned_away(lab, sign(claims, lab.secret))


@scenario
async def null_in_a_grant_means_all(lab):
    claims = lab.claims(api=None)
    queues = {"send": None, "receive": None, "list": True}
    claims["grants"].append({"name": "api", "scope": {"queues": queues, "messaging": {}}})
    await may_do_all(await lab.join(token=sign(claims, lab.secret)))


@scenario
async def token_made_with_the_api_key_is_accepted(lab):
    token = lab.client.token("alice", lab.room).to_jwt(api_key=setting("ANTEROOM_API_KEY"))
    same(bool(jwt.decode(token, options={"verify_signature": False})["kid"]), True)
    await may_do_all(await lab.join(token=token))


@scenario
async def token_that_names_the_api_key_but_has_another_signature_is_refused(lab):
    token = lab.client.token("alice", lab.room).to_jwt(api_key=setting("ANTEROOM_API_KEY"))
    claims = jwt.decode(token, options={"verify_signature": False})
    await turned_away(lab, sign(claims, lab.secret))


@scenario
async def api_key_opens_a_room_over_http(lab):
    """What the command line does: ask for a token with the key, then connect with it."""
    key = setting("ANTEROOM_API_KEY")
    account = Meshagent(base_url=lab.url, token=key)
    try:
        project = parse_api_key(key).project_id
        info = await account.connect_room(project_id=project, room=lab.room)
    finally:
        await account.close()
    same((info.room_name, info.project_id), (lab.room, project))
    await may_do_all(await lab.join(token=info.jwt))


@scenario
async def wrong_api_key_opens_no_room(lab):
    key = setting("ANTEROOM_API_KEY")
    for wrong in (key + "x", "ma-nonsense", lab.secret):
        account = Meshagent(base_url=lab.url, token=wrong)
        try:
            await account.connect_room(project_id=parse_api_key(key).project_id, room=lab.room)
        except Exception as error:
            check("Status=401" in str(error) or "Status=403" in str(error), f"got {error!r}")
        else:
            raise AssertionError(f"a room for the key {wrong}")
        finally:
            await account.close()
