// Presence and messaging between clients of this make.

import assert from "node:assert/strict";
import { refused, scenario } from "./harness.mjs";
import { Victim } from "./peers.mjs";

const PARTICIPANT_NOT_FOUND = 1003;
const TEXT = "the participant was not found";
const BYTES = Buffer.from(Array.from({ length: 70_000 }, (_, n) => n % 256));

scenario(async function two_participants_meet_talk_and_part(lab) {
  const [a, b] = await lab.members("alice", "bob");
  await a.enable();
  assert.deepEqual(a.others(), {});
  await b.enable();
  assert.equal(await a.sees("bob"), b.id);
  assert.equal(await b.sees("alice"), a.id);
  for (const [speaker, listener] of [[a, b], [b, a]]) {
    const said = { text: "Grüße, 世界", n: 1.5, deep: [{}, null, true] };
    await speaker.tell(listener.id, "chat", said);
    const heard = await listener.hears("chat");
    assert.deepEqual([heard.from, heard.message, heard.attachment.length], [speaker.id, said, 0]);
    await speaker.tell(listener.id, "file", { name: "f" }, BYTES);
    assert(BYTES.equals((await listener.hears("file")).attachment), "the attachment changed");
    await speaker.broadcast("all", { n: 2 }, Buffer.from([0, 255]));
    assert.deepEqual([...(await listener.hears("all")).attachment], [0, 255]);
    speaker.set_attribute("mood", { is: ["gut", 1] });
    await listener.until(() => listener.others()[speaker.id].attributes.mood?.is[1] === 1);
  }
  await a.disable();
  await b.misses("alice");
  await refused(b.tell(a.id, "chat", {}), PARTICIPANT_NOT_FOUND, TEXT);
  await a.enable();
  await b.sees("alice");
  a.leave();
  await b.misses("alice");
  assert.equal(b.inbox.length, 0);
});

scenario(async function presence_shows_role_and_attributes(lab) {
  const a = await lab.join("alice", { role: "agent" });
  const b = await lab.join("bob");
  a.set_attribute("before", 1);
  await a.enable();
  await b.enable();
  assert.deepEqual(b.others(), {
    [a.id]: { role: "agent", attributes: { name: "alice", before: 1 } },
  });
  await a.sees("bob");
  assert.deepEqual(a.others(), { [b.id]: { role: "user", attributes: { name: "bob" } } });
});

scenario(async function telling_an_unknown_participant_is_refused(lab) {
  const a = await lab.join();
  await a.enable();
  const error = await refused(a.tell("nobody", "chat", {}), PARTICIPANT_NOT_FOUND, TEXT);
  assert.equal(error.text, TEXT); // this client compares the whole text
});

scenario(async function a_killed_participant_is_seen_to_leave(lab) {
  const a = await lab.join();
  await a.enable();
  const victim = await Victim.join(lab, "victim");
  await victim.call("enable");
  await a.sees("victim");
  await victim.kill();
  await a.misses("victim");
});
