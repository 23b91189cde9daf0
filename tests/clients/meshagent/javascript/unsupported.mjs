// The rest of the Room API is refused at once and harms no connection.

import assert from "node:assert/strict";
import { refused, scenario } from "./harness.mjs";
import { Refused } from "./member.mjs";
import { sdk } from "./sdk.mjs";

const INVALID_REQUEST = 1002;
const TEXT = "not supported by this server";

async function notSupported(member, call) {
  const translated = Promise.resolve(call).catch((error) => {
    throw error instanceof sdk.RoomServerException ? new Refused(error) : error;
  });
  await refused(translated, INVALID_REQUEST, TEXT);
  await member.send("q", { still: "connected" });
  assert.deepEqual(await member.receive("q"), { still: "connected" });
}

scenario(async function storage_is_not_supported(lab) {
  const a = await lab.join();
  const { storage } = a.client;
  await notSupported(a, storage.exists("f"));
  await notSupported(a, storage.list("/"));
  await notSupported(a, storage.delete("f"));
});

scenario(async function streamed_requests_are_refused_and_each_chunk_answered(lab) {
  // This client waits for an answer to every chunk before it ends the call.
  const a = await lab.join();
  async function* chunks() {
    for (let n = 0; n < 20; n += 1) yield new sdk.BinaryContent({ data: new Uint8Array(5000) });
  }
  await notSupported(
    a,
    a.client.invokeWithStreamInput({ toolkit: "storage", tool: "upload", input: chunks() }),
  );
});

scenario(async function sync_datasets_memory_and_containers_are_not_supported(lab) {
  const a = await lab.join();
  const { client } = a;
  await notSupported(a, client.sync.create("d"));
  // The SDK keeps a second promise of the same failure, which nobody awaits.
  process.once("unhandledRejection", () => {});
  await notSupported(a, client.sync.open("d"));
  await notSupported(a, client.datasets.listTables());
  await notSupported(a, client.memory.list());
  await notSupported(a, client.containers.list());
  await notSupported(a, client.services.list());
});

scenario(async function unknown_toolkits_and_requests_are_not_supported(lab) {
  const a = await lab.join();
  await notSupported(a, a.client.invoke({ toolkit: "nothing", tool: "t", arguments: {} }));
  await notSupported(a, a.client.sendRequest("no.such.request", {}));
  await notSupported(a, a.client.call({ name: "n", url: "http://127.0.0.1:9/", arguments: {} }));
});

scenario(async function list_of_toolkits_is_answered_empty(lab) {
  const a = await lab.join();
  assert.deepEqual(await a.client.listToolkits(), []);
});
