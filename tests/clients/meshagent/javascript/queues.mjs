// Each queue call, with its success and its error, and messages as JavaScript can hold them.

import assert from "node:assert/strict";
import { park, refused, scenario, staysQuiet } from "./harness.mjs";

const [NOT_FOUND, EXISTS, INVALID_STATE, INVALID_REQUEST] = [5001, 5002, 1006, 1002];
const numbers = (count) => Array.from({ length: count }, (_, n) => n);

scenario(async function list_says_names_and_sizes(lab) {
  const a = await lab.join();
  assert.deepEqual(await a.sizes(), {});
  await a.send("q", { n: 1 });
  await a.send("q", { n: 2 });
  await a.open("r");
  assert.deepEqual(await a.sizes(), { q: 2, r: 0 });
});

scenario(async function open_of_an_open_queue_is_refused(lab) {
  const a = await lab.join();
  await a.open("q");
  await refused(a.open("q"), EXISTS);
  await a.send("r", {});
  await refused(a.open("r"), EXISTS);
  await a.receive("s", true, false);
  await refused(a.open("s"), EXISTS);
});

scenario(async function send_then_receive_gives_the_message(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const message = { text: "hello", list: [1, 2.5, null, true], more: { deep: [] } };
  await a.send("q", message);
  assert.deepEqual(await b.receive("q"), message);
  assert.equal(await b.receive("q", true, false), null);
});

scenario(async function missing_queue_without_create_is_refused(lab) {
  const a = await lab.join();
  await refused(a.send("q", {}, false), NOT_FOUND);
  await refused(a.receive("q", false, false), NOT_FOUND);
  await refused(a.receive("q", false, true), NOT_FOUND);
  await refused(a.drain("q"), NOT_FOUND);
  await refused(a.close("q"), NOT_FOUND);
  assert.deepEqual(await a.sizes(), {});
});

scenario(async function receive_creates_the_queue(lab) {
  const a = await lab.join();
  assert.equal(await a.receive("q", true, false), null);
  await a.send("q", { n: 1 }, false);
  assert.deepEqual(await a.receive("q", false), { n: 1 });
});

scenario(async function receive_parks_until_another_participant_sends(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const [waiting] = await park(a, "q");
  await staysQuiet(waiting);
  await b.send("q", { n: 1 }, false);
  assert.deepEqual(await waiting, { n: 1 });
  assert.deepEqual(await b.sizes(), { q: 0 });
});

scenario(async function messages_come_in_the_order_of_pipelined_sends(lab) {
  const [a, b] = await lab.members("alice", "bob");
  await Promise.all(numbers(500).map((n) => a.send("q", { n })));
  const got = [];
  for (let n = 0; n < 500; n += 1) got.push((await b.receive("q")).n);
  assert.deepEqual(got, numbers(500));
});

scenario(async function pipelined_receives_take_messages_in_their_order(lab) {
  const [a, b] = await lab.members("alice", "bob");
  for (const n of numbers(50)) await a.send("q", { n });
  const got = await Promise.all(numbers(50).map(() => b.receive("q")));
  assert.deepEqual(got.map(({ n }) => n), numbers(50));
});

scenario(async function drain_removes_the_messages_and_leaves_receivers_parked(lab) {
  const [a, b] = await lab.members("alice", "bob");
  await a.send("q", { n: 1 });
  await a.drain("q");
  assert.deepEqual(await a.sizes(), { q: 0 });
  const [waiting] = await park(b, "q");
  await a.drain("q");
  await staysQuiet(waiting);
  await a.send("q", { n: 2 });
  assert.deepEqual(await waiting, { n: 2 });
});

scenario(async function close_ends_parked_receivers_and_refuses_until_open(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const waiting = await park(b, "q", 3);
  await a.close("q");
  for (const call of waiting) await refused(call, INVALID_STATE);
  await refused(a.send("q", { n: 1 }), INVALID_STATE);
  await refused(a.receive("q"), INVALID_STATE);
  await a.open("q");
  await a.send("q", { n: 1 });
  assert.deepEqual(await b.receive("q"), { n: 1 });
});

scenario(async function hundred_parked_receivers_get_one_message_each(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const waiting = await park(b, "q", 100);
  assert.deepEqual(await b.sizes(), { q: 0 });
  await Promise.all(numbers(100).map((n) => a.send("q", { n })));
  const got = await Promise.all(waiting);
  assert.deepEqual(got.map(({ n }) => n).sort((x, y) => x - y), numbers(100));
  assert.equal(await b.receive("q", true, false), null);
});

scenario(async function messages_come_back_exactly(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const exact = {
    numbers: [0, -1, 2 ** 53 - 1, 0.1, 5e-324, 1.5e300, 1e21],
    nul: "a\u0000b",
    "lone surrogates": ["\ud800", "\udfff x"],
    text: "Grüße, 世界, \u{1f680}, e\u0301, \u2028 \ufeff",
    "Schlüssel \u0000": { "": [[], {}, null, true, false] },
    escapes: '"\\/\b\f\n\r\t\u007f\u001f',
  };
  await a.send("q", exact);
  assert.equal(JSON.stringify(await b.receive("q")), JSON.stringify(exact));
});

scenario(async function characters_across_packet_borders_come_back(lab) {
  // Sent as raw UTF-8 and cut every 1024 bytes: with each length another byte is at the border.
  const [a, b] = await lab.members("alice", "bob");
  for (let n = 0; n < 8; n += 1) {
    const message = { t: `${"x".repeat(n)}${"ü世\u{1f680}".repeat(500)}` };
    await a.send("q", message);
    assert.deepEqual(await b.receive("q"), message);
  }
});

scenario(async function messages_may_be_any_json_value(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const values = ["", "text", "null", [], [1, [2]], {}, 0, 1, -1.5, true, false];
  for (const value of values) await a.send("q", value);
  for (const value of values) assert.deepEqual(await b.receive("q", true, false), value);
});

scenario(async function five_megabytes_go_in_and_out(lab) {
  const [a, b] = await lab.members("alice", "bob");
  const message = { blob: "0123456789".repeat(500_000) };
  await a.send("q", message);
  assert((await b.receive("q")).blob === message.blob, "the big message changed");
});

scenario(async function impossible_queue_names_are_refused(lab) {
  const a = await lab.join();
  for (const name of ["", "a\u0000b", "a\nb", "x".repeat(256)]) {
    await refused(a.send(name, {}), INVALID_REQUEST);
  }
  assert.deepEqual(await a.sizes(), {});
});
