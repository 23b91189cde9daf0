// Tokens that must be refused, and what grants allow.

import assert from "node:assert/strict";
import { park, refused, scenario, setting } from "./harness.mjs";
import { sdk } from "./sdk.mjs";
import { Proxy } from "./proxy.mjs";

const DENIED = 1001;
const HOUR_S = 3600;
const now = () => Math.floor(Date.now() / 1000);

// The client tries again for ever on any status but 403 and 404.
async function turnedAway(lab, token) {
  const proxy = await Proxy.start(lab);
  await assert.rejects(lab.join("alice", { url: proxy.url, token: await token }), /status 403/);
  assert.equal(proxy.connections, 1, "attempts to connect");
}

function unsigned(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
}

scenario(async function expired_token_is_refused(lab) {
  await turnedAway(lab, lab.token("alice", { expiration: new Date(Date.now() - 120_000) }));
});

scenario(async function token_with_expiration_ahead_is_accepted(lab) {
  const expiration = new Date(Date.now() + 60_000);
  assert.deepEqual(await (await lab.join("alice", { expiration })).sizes(), {});
});

scenario(async function token_not_yet_valid_is_refused(lab) {
  await turnedAway(lab, lab.token("alice", { extra: { nbf: now() + HOUR_S } }));
});

scenario(async function token_signed_with_a_foreign_secret_is_refused(lab) {
  await turnedAway(lab, lab.token("alice", { secret: "another secret of at least 32 bytes" }));
});

scenario(async function token_for_another_room_is_refused(lab) {
  await turnedAway(lab, lab.token("alice", { room: `${lab.room}-b` }));
});

scenario(async function token_without_signature_is_refused(lab) {
  const [, claims] = (await lab.token()).split(".");
  await turnedAway(lab, unsigned(JSON.parse(Buffer.from(claims, "base64url"))));
});

scenario(async function something_that_is_no_token_is_refused(lab) {
  await turnedAway(lab, "nonsense");
});

scenario(async function grants_limit_send_receive_and_list(lab) {
  const queues = new sdk.QueuesGrant({ send: ["out"], receive: ["in"], list: false });
  const a = await lab.join("alice", { api: new sdk.ApiScope({ queues }) });
  await refused(a.send("in", {}), DENIED);
  await refused(a.receive("out"), DENIED);
  await refused(a.receive("out", true, false), DENIED);
  await refused(a.send("other", {}), DENIED);
  await refused(a.open("other"), DENIED);
  await refused(a.sizes(), DENIED);
  const witness = await lab.join("witness");
  assert.deepEqual(await witness.sizes(), {});
  await a.send("out", { n: 1 });
  assert.equal(await a.receive("in", true, false), null);
  assert.deepEqual(await witness.sizes(), { out: 1, in: 0 });
});

scenario(async function unrestricted_queues_grant_allows_all(lab) {
  const a = await lab.join("alice", { api: new sdk.ApiScope({ queues: new sdk.QueuesGrant() }) });
  const [waiting] = await park(a, "q");
  await a.send("q", { n: 1 });
  assert.deepEqual(await waiting, { n: 1 });
});

scenario(async function token_without_api_grant_may_do_nothing(lab) {
  const a = await lab.join("alice", { api: null });
  await refused(a.send("q", {}), DENIED);
  await refused(a.receive("q"), DENIED);
  await refused(a.sizes(), DENIED);
  await refused(a.invoke("messaging", "enable"), DENIED);
  assert.deepEqual(await (await lab.join("witness")).sizes(), {});
});

scenario(async function token_without_api_grant_of_an_old_version_may_do_all(lab) {
  const a = await lab.join("alice", { api: null, version: "0.5.9" });
  await a.send("q", { n: 1 });
  assert.deepEqual(await a.receive("q"), { n: 1 });
});

scenario(async function token_made_with_the_api_key_is_accepted(lab) {
  const token = new sdk.ParticipantToken({ name: "alice" });
  token.addRoomGrant(lab.room);
  token.addApiGrant(sdk.ApiScope.agentDefault());
  const a = await lab.join("alice", {
    token: await token.toJwt({ apiKey: setting("ANTEROOM_API_KEY") }),
  });
  await a.send("q", { n: 1 });
  assert.deepEqual(await a.sizes(), { q: 1 });
});

scenario(async function api_key_opens_a_room_over_http(lab) {
  const key = setting("ANTEROOM_API_KEY");
  const account = new sdk.Meshagent({ baseUrl: lab.url, token: key });
  const { projectId } = sdk.parseApiKey(key);
  const info = await account.connectRoom(projectId, lab.room);
  assert.equal(info.roomName, lab.room);
  const a = await lab.join("alice", { token: info.jwt });
  await a.send("q", { n: 1 });
  assert.deepEqual(await a.sizes(), { q: 1 });
});
