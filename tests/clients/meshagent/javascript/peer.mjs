// A participant in a process of its own, scripted over its standard input and output, one JSON
// object per line, bytes as {"$bytes": base64}. In: {"id", "call", "args"}, a method of Member.
// Out: {"id", "ok"} or {"id", "error", "code"}, and on its own {"others"} or {"heard"}. Calls are
// begun in the order of their lines and may end in any. The end of input ends the process.

import { createInterface } from "node:readline";
import { Member, Refused } from "./member.mjs";

let member;

function say(value) {
  const plain = (_, item) =>
    item?.type === "Buffer" ? { $bytes: Buffer.from(item.data).toString("base64") } : item;
  process.stdout.write(`${JSON.stringify(value, plain)}\n`);
}

function fromLine(line) {
  const bytesAgain = (_, item) =>
    typeof item?.$bytes === "string" ? Buffer.from(item.$bytes, "base64") : item;
  return JSON.parse(line, bytesAgain);
}

async function join(...args) {
  member = await Member.join(...args);
  member.onChange = () => say({ others: member.others() });
  member.onMessage = (heard) => say({ heard });
  return member.id;
}

// No await before the call: it writes its request before the next line is read.
async function answer({ id, call, args }) {
  try {
    const ok = await (call === "join" ? join(...args) : member[call](...args));
    say({ id, ok: ok ?? null });
  } catch (error) {
    if (error instanceof Refused) say({ id, error: error.text, code: error.code ?? null });
    else say({ id, error: String(error), code: -1 });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void answer(fromLine(line)));
lines.on("close", () => {
  member?.leave();
  // The farewell is written by the loop; the process ends when the socket has.
  setTimeout(() => process.exit(), 2000).unref();
});
