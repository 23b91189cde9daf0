// Drives a real Chromium:  driver.mjs example|docs
// From the environment: CHROMIUM, NODE_MODULES, ANTEROOM_URL, ROOM, TOKEN.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { CHROMIUM, NODE_MODULES, ANTEROOM_URL, ROOM, TOKEN } = process.env;
const { chromium } = createRequire(`${NODE_MODULES}/`)("playwright-core");
const api = `${ANTEROOM_URL}/v1/rooms/${ROOM}`;
const headers = { Authorization: `Bearer ${TOKEN}` };
const inspect = async () => (await fetch(`${api}/queues/jobs`, { headers })).json();

// The example as a page of this machine, which is not the server.
const example = async (open) => {
  const page = readFileSync(new URL("../../examples/browser.html", import.meta.url));
  const site = createServer(({ url }, answer) => {
    const found = url.startsWith("/browser.html");
    answer.writeHead(found ? 200 : 204, { "Content-Type": "text/html" }).end(found ? page : undefined);
  });
  await new Promise((listening) => site.listen(0, "127.0.0.1", listening));
  const origin = `http://127.0.0.1:${site.address().port}`;
  const server = ANTEROOM_URL.replace("http", "ws");
  const visit = async (token) => {
    const { tab, said } = await open();
    await tab.goto(`${origin}/browser.html?${new URLSearchParams({ server, room: ROOM, token })}`);
    await tab.getByRole("button", { name: "Join" }).click();
    return { tab, said, log: tab.locator("#log") };
  };

  const { tab, said, log } = await visit(TOKEN);
  await log.getByText(`joined ${ROOM} as tester\n`).waitFor();
  await tab.getByLabel("message").fill("hello <b>from</b> a page");
  await tab.getByRole("button", { name: "Send" }).click();
  await log.getByText('got 0-0: "hello <b>from</b> a page"\n').waitFor();
  const body = JSON.stringify({ body: { from: "elsewhere" } });
  await fetch(`${api}/queues/jobs/messages`, { method: "POST", headers, body });
  await log.getByText('got 0-1: {"from":"elsewhere"}\n').waitFor();
  let shown = await inspect();
  while (shown.totals.done < 2) shown = await inspect(); // The second settle is on its way.
  assert.deepEqual([shown.totals.sent, shown.totals.delivered, shown.totals.done, shown.messages], [2, 2, 2, 0]);
  assert.equal(shown.groups[0].receivers, 1);
  // A page that is left ends its session at once.
  await tab.goto("about:blank");
  while ((await inspect()).groups[0].receivers > 0);
  assert.deepEqual(said, []);

  const stranger = await visit("no.such.token");
  await stranger.log.getByText("closed: 1006").waitFor();
  site.close();
};

// The page that shows the document.
const docs = async (open) => {
  const { tab, said, asked } = await open();
  await tab.goto(`${ANTEROOM_URL}/v1/docs`);
  const document = await (await fetch(`${ANTEROOM_URL}/v1/openapi.json`)).json();
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
  await tab.locator("#schema-Problem").waitFor();
  for (const { operationId, summary } of operations) {
    assert.equal(await tab.locator(`section#${operationId} h2`).textContent(), summary);
    assert.equal(await tab.locator(`nav a[href="#${operationId}"]`).textContent(), summary);
  }
  for (const name of Object.keys(document.components.schemas)) {
    assert.equal(await tab.locator(`section#schema-${name} h2`).textContent(), name);
  }
  assert.equal(await tab.locator("h1").textContent(), `anteroom.v1 (${document.info.version})`);
  const text = await tab.locator("main").textContent();
  for (const wrong of ["undefined", "[object Object]", "```"]) assert.ok(!text.includes(wrong), wrong);
  // Every link leads somewhere on the page.
  const dangling = await tab.evaluate(() => [...document.querySelectorAll('a[href^="#"]')]
    .map((link) => link.hash.slice(1)).filter((id) => !document.getElementById(id)));
  assert.deepEqual(dangling, []);

  // It can be tried: a message is sent, received, and an error is shown.
  await tab.getByLabel("Token").fill(TOKEN);
  const trial = async (operation, fields, body) => {
    const section = tab.locator(`section#${operation}`);
    await section.locator("summary").click();
    for (const [name, value] of Object.entries(fields)) await section.getByLabel(name, { exact: true }).fill(value);
    if (body !== undefined) await section.getByLabel("body", { exact: true }).fill(body);
    await section.getByRole("button").click();
    const output = section.locator("form pre");
    await output.filter({ hasText: /^\d{3} / }).waitFor();
    return output.textContent();
  };
  assert.equal(await trial("send", { room: ROOM, queue: "a b/ü" }, '{"body": [1.0]}'), '200 OK\n{"id":"0-0","duplicate":false}');
  assert.match(await trial("receive", { room: ROOM, queue: "a b/ü" }), /^200 OK\n\{"messages":\[\{"id":"0-0",.*"body":\[1\.0\]\}\]\}$/);
  assert.deepEqual(said, []);
  assert.match(await trial("inspect", { room: ROOM, queue: "none" }), /^404 .*\n\{.*"code":"queue_not_found"/);

  await tab.goto(`${ANTEROOM_URL}/v1/docs/queen`);
  await tab.locator("main h3", { hasText: "What is different" }).waitFor();
  assert.ok((await tab.locator("main td").count()) > 10);

  const outside = asked.filter((url) => !url.startsWith(`${ANTEROOM_URL}/v1/`));
  assert.deepEqual(outside, []);
};

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [], // Chromium refuses to run as root with one.
});
// A tab, what it complains about, and what it asks for.
const open = async () => {
  const tab = await browser.newPage();
  const said = [], asked = [];
  tab.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  tab.on("pageerror", (error) => said.push(String(error)));
  tab.on("request", (request) => asked.push(request.url()));
  return { tab, said, asked };
};
try {
  await { example, docs }[process.argv[2]](open);
} finally {
  await browser.close();
}
