"""Tokens that must be refused before the upgrade, and those that must not.

A client ends for good only on status 403; on others the newer ones try again for ever. So a refusal
here is an error within the deadline, and exactly one connection that the server saw.
"""

import json

from harness import check, now, same, scenario, sign
from proxy import Proxy

HOUR = 3600


async def turned_away(lab, token, room=None):
    proxy = await Proxy.start(lab)
    try:
        await lab.join(token=token, room=room, url=proxy.url)
    except Exception as error:
        check("status 403" in str(error), f"expected a refusal with status 403, got {error!r}")
        same(proxy.connections, 1, "attempts to connect")
        return
    raise AssertionError("joined with a token that must be refused")


async def let_in(lab, token):
    same(await (await lab.join(token=token)).sizes(), {})


@scenario
async def token_without_exp_is_accepted(lab):
    await let_in(lab, sign(lab.claims(), lab.secret))


@scenario
async def token_with_exp_ahead_is_accepted(lab):
    await let_in(lab, sign(lab.claims(exp=now() + HOUR), lab.secret))


@scenario
async def token_expired_within_the_clock_skew_is_accepted(lab):
    await let_in(lab, sign(lab.claims(exp=now() - 10), lab.secret))


@scenario
async def token_expired_is_refused(lab):
    await turned_away(lab, sign(lab.claims(exp=now() - 120), lab.secret))


@scenario
async def token_not_yet_valid_is_refused(lab):
    await turned_away(lab, sign(lab.claims(nbf=now() + HOUR), lab.secret))


@scenario
async def token_signed_with_a_foreign_secret_is_refused(lab):
    await turned_away(lab, sign(lab.claims(), "another secret of at least 32 bytes"))


@scenario
async def token_for_another_room_is_refused(lab):
    await turned_away(lab, sign(lab.claims(room=f"{lab.room}-b"), lab.secret))


@scenario
async def token_without_room_is_refused(lab):
    claims = lab.claims()
    claims["grants"] = [grant for grant in claims["grants"] if grant["name"] != "room"]
    await turned_away(lab, sign(claims, lab.secret))


@scenario
async def token_without_signature_is_refused(lab):
    for alg in ("none", "None"):
        await turned_away(lab, sign(lab.claims(), "", alg))


@scenario
async def token_with_alg_none_and_a_signature_is_refused(lab):
    unsigned = sign(lab.claims(), "", "none")
    await turned_away(lab, unsigned + sign(lab.claims(), lab.secret).split(".")[2])


@scenario
async def token_with_another_algorithm_is_refused(lab):
    for alg in ("HS384", "HS512"):
        await turned_away(lab, sign(lab.claims(), lab.secret, alg))


@scenario
async def token_changed_after_signing_is_refused(lab):
    head, _, mac = sign(lab.claims(), lab.secret).split(".")
    other = sign(lab.claims("mallory"), lab.secret).split(".")[1]
    await turned_away(lab, f"{head}.{other}.{mac}")


@scenario
async def something_that_is_no_token_is_refused(lab):
    for text in ("nonsense", "a.b.c", "..", "x" * 5000):
        await turned_away(lab, text)


@scenario
async def token_without_a_name_is_refused(lab):
    await turned_away(lab, sign(lab.claims(""), lab.secret))
    claims = lab.claims()
    del claims["name"]
    await turned_away(lab, sign(claims, lab.secret))


@scenario
async def token_without_grants_is_refused(lab):
    claims = lab.claims()
    del claims["grants"]
    await turned_away(lab, sign(claims, lab.secret))


@scenario
async def token_with_an_exp_that_is_no_number_is_refused(lab):
    for exp in (str(now() + HOUR), None):
        await turned_away(lab, sign({**lab.claims(), "exp": exp}, lab.secret))


@scenario
async def token_with_a_claim_twice_is_refused(lab):
    text = json.dumps(lab.claims())
    await turned_away(lab, sign(text[:-1] + ', "name": "mallory"}', lab.secret))


@scenario
async def token_with_an_unknown_key_id_needs_the_default_secret(lab):
    claims = {**lab.claims(), "kid": "3f0c7a52-0000-4000-8000-000000000000"}
    await turned_away(lab, sign(claims, "another secret of at least 32 bytes"))
    await let_in(lab, sign(claims, lab.secret))
