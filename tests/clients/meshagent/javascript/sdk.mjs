// The published package, found in the folder that setup.sh made (ANTEROOM_JS_ENV).
//
// Its ESM build cannot be imported by Node (it is CommonJS under another name), so this takes the
// one that `require` finds, as any program in Node has to.

import { createRequire } from "node:module";
import path from "node:path";

const home = process.env.ANTEROOM_JS_ENV;
if (!home) {
  console.error("ANTEROOM_JS_ENV is not set");
  process.exit(2);
}

export const sdk = createRequire(path.resolve(home, "package.json"))("@meshagent/meshagent");

// It tells of every reconnect and every dropped request; the scenarios look for themselves.
for (const level of ["debug", "warn"]) console[level] = () => {};

// A fault of the SDK that no server can prevent: after a refusal, besides the rejected promise, its
// socket emits an error that nobody listens to.
process.on("uncaughtException", (error) => {
  if (error.message === "WebSocket was closed before the connection was established") return;
  console.error(error);
  process.exit(1);
});
