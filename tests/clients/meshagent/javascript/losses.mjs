// Clients that die or are cut off: nothing may be lost, nothing may change its order.

import assert from "node:assert/strict";
import { park, scenario, sizeIs } from "./harness.mjs";
import { Victim } from "./peers.mjs";
import { Proxy } from "./proxy.mjs";

const numbers = (count) => Array.from({ length: count }, (_, n) => n);

async function take(member, count) {
  const got = [];
  while (got.length < count) got.push((await member.receive("q")).n);
  return got;
}

async function kill(lab, stopped) {
  const [a, b] = await lab.members("alice", "bob");
  const victim = await Victim.join(lab, "victim");
  await park(victim, "q", 20);
  if (stopped) victim.stop();
  else await victim.kill();
  for (const n of numbers(25)) await a.send("q", { n });
  await victim.kill();
  await sizeIs(a, "q", 25);
  assert.deepEqual(await take(b, 25), numbers(25));
}

scenario(async function killing_a_parked_client_loses_nothing(lab) {
  await kill(lab, false);
});

scenario(async function stopping_and_killing_a_parked_client_loses_nothing(lab) {
  await kill(lab, true);
});

scenario(async function leaving_with_a_parked_receive_loses_nothing(lab) {
  const [a, b, c] = await lab.members("alice", "bob", "carol");
  await park(c, "q", 5);
  c.leave();
  for (const n of numbers(5)) await a.send("q", { n });
  await sizeIs(a, "q", 5);
  assert.deepEqual(await take(b, 5), numbers(5));
});

async function comesBack(lab, reset) {
  const proxy = await Proxy.start(lab);
  const a = await lab.join("alice");
  const b = await lab.join("bob", { url: proxy.url });
  await a.enable();
  await b.enable();
  b.set_attribute("mood", "good");
  const waiting = await park(b, "q", 3);
  proxy.swallow = true;
  for (const n of numbers(5)) await a.send("q", { n });
  proxy.cut(reset);
  for (const call of waiting) await assert.rejects(call);
  proxy.swallow = false;
  await b.client.waitUntilConnected();
  assert(proxy.connections >= 2);
  await sizeIs(a, "q", 5);
  assert.deepEqual(await take(b, 5), numbers(5));
  await a.until(() => a.others()[b.id]?.attributes.mood === "good");
  await a.tell(b.id, "chat", { n: 1 });
  assert.deepEqual((await b.hears("chat")).message, { n: 1 });
}

scenario(async function client_comes_back_after_a_reset(lab) {
  await comesBack(lab, true);
});

scenario(async function client_comes_back_after_a_close_without_a_close_frame(lab) {
  await comesBack(lab, false);
});
