// The table of scenarios and the command line of the driver.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { sdk } from "./sdk.mjs";
import { Member, Refused } from "./member.mjs";

// One scenario may take this long, everything included.
const DEADLINE_MS = 120_000;
// Where something must *not* happen, this long is waited for it.
const QUIET_MS = 300;

const [PASSED, FAILED, USAGE, SKIPPED] = [0, 1, 2, 3];

const table = new Map();

// Puts a scenario into the table; the function's name says the behaviour.
export function scenario(run) {
  assert(!table.has(run.name), `two scenarios named ${run.name}`);
  table.set(run.name, run);
}

// The scenario needs something that the caller need not provide.
class Skip extends Error {}

// No scenario works without this.
class Usage extends Error {}

export function setting(name, Missing = Skip) {
  if (!process.env[name]) throw new Missing(`${name} is not set`);
  return process.env[name];
}

// Demands an error answer with this code, and this text somewhere in it.
export async function refused(call, code, text = "") {
  let got;
  try {
    got = await call;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    assert.equal(error.code, code, `expected code ${code}, got ${error.message}`);
    assert(error.text.trim(), "an error without a text");
    assert(error.text.includes(text), `expected "${text}" in ${error.message}`);
    return error;
  }
  throw new Error(`expected an error with code ${code}, got ${JSON.stringify(got)}`);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// `count` receives that wait at the server when this returns. Requests of one connection take
// effect in order, so an answered `list` proves it.
export async function park(member, queue, count = 1) {
  const waiting = Array.from({ length: count }, () => member.receive(queue));
  for (const call of waiting) call.catch(() => {}); // looked at later, or not at all
  await member.sizes();
  return waiting;
}

export async function staysQuiet(call) {
  const got = await Promise.race([call, sleep(QUIET_MS).then(() => staysQuiet)]);
  assert.equal(got, staysQuiet, "expected no answer");
}

// For what no event announces.
export async function sizeIs(member, queue, size) {
  while ((await member.sizes())[queue] !== size) await sleep(20);
}

export class Lab {
  constructor(name) {
    this.url = setting("ANTEROOM_URL", Usage);
    this.secret = setting("ANTEROOM_SECRET", Usage);
    // A room per scenario, also when the caller gives one ROOM to several of them.
    const mark = createHash("sha256").update(name).digest("hex").slice(0, 8);
    this.room = `${setting("ROOM", Usage)}-${mark}`;
    this.cleanup = [];
  }

  // A token as the client's own classes make it. `api: null` leaves the api grant out.
  token(name = "alice", { room = this.room, api, role, version, extra, expiration, secret } = {}) {
    const token = new sdk.ParticipantToken({ name, version, extra });
    token.addRoomGrant(room);
    if (role) token.addRoleGrant(role);
    if (api !== null) token.addApiGrant(api ?? sdk.ApiScope.agentDefault());
    return token.toJwt({ token: secret ?? this.secret, expiration });
  }

  async join(name = "alice", options = {}) {
    const { room = this.room, url = this.url } = options;
    const token = options.token ?? (await this.token(name, options));
    const member = await Member.join(url, room, token);
    this.cleanup.push(() => member.leave());
    return member;
  }

  members(...names) {
    return Promise.all(names.map((name) => this.join(name)));
  }
}

async function run(name) {
  const lab = new Lab(name);
  try {
    await table.get(name)(lab);
  } finally {
    for (const end of lab.cleanup.reverse()) await end();
  }
}

export async function main(args) {
  if (args.length === 1 && args[0] === "--list") {
    console.log([...table.keys()].join("\n"));
    return PASSED;
  }
  if (args.length !== 1 || !table.has(args[0])) {
    console.error("usage: driver.mjs --list | SCENARIO");
    return USAGE;
  }
  const late = sleep(DEADLINE_MS).then(() => {
    throw new Error(`not done within ${DEADLINE_MS / 1000} s`);
  });
  try {
    await Promise.race([run(args[0]), late]);
    return PASSED;
  } catch (error) {
    if (error instanceof Skip || error instanceof Usage) {
      console.error(error.message);
      return error instanceof Skip ? SKIPPED : USAGE;
    }
    console.error(error);
    return FAILED;
  }
}
