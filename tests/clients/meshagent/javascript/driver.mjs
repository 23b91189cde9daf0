// Scenarios with the published JavaScript client 0.39.9: driver.mjs --list | SCENARIO

import { main } from "./harness.mjs";
import "./queues.mjs";
import "./losses.mjs";
import "./messaging.mjs";
import "./tokens.mjs";
import "./unsupported.mjs";

process.exit(await main(process.argv.slice(2)));
