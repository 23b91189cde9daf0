// Hands out three jobs and waits for the results, with the published MeshAgent client.
//
//   npm install @meshagent/meshagent@0.39.9
//   export MESHAGENT_API_URL=http://127.0.0.1:8080 MESHAGENT_ROOM=demo MESHAGENT_TOKEN=...
//   node examples/meshagent_sender.mjs
//
// NODE_MODULES names the folder with `node_modules` if it is not the working directory. (The package's
// ESM build cannot be imported by Node, so it is required.)

import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.resolve(process.env.NODE_MODULES ?? ".", "package.json"));
const { RoomClient, WebSocketClientProtocol } = require("@meshagent/meshagent");

const base = (process.env.MESHAGENT_API_URL ?? "http://127.0.0.1:8080").replace(/^http/, "ws");
const url = `${base}/rooms/${process.env.MESHAGENT_ROOM ?? "demo"}`;
const token = process.env.MESHAGENT_TOKEN;

const room = new RoomClient({ protocolFactory: WebSocketClientProtocol.createFactory({ url, token }) });
await room.start();

const numbers = [1, 2, 3];
for (const number of numbers) {
  await room.queues.send("jobs", { number }, { create: true });
}
for (const _ of numbers) {
  const { number, square } = await room.queues.receive("results", { create: true, wait: true });
  console.log(`the square of ${number} is ${square}`);
}
room.dispose();
process.exit(0);
