// Members in processes of their own, to be killed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PEER = fileURLToPath(new URL("peer.mjs", import.meta.url));

// A process with the calls of Member that a victim needs.
export class Victim {
  #answers = [];

  constructor() {
    this.process = spawn(process.execPath, [PEER], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      const { id, ok, error } = JSON.parse(line);
      if (id === undefined) return;
      if (error === undefined) this.#answers[id].resolve(ok);
      else this.#answers[id].reject(new Error(error));
    });
  }

  static async join(lab, name) {
    const victim = new Victim();
    lab.cleanup.push(() => victim.kill());
    await victim.call("join", lab.url, lab.room, await lab.token(name));
    return victim;
  }

  call(call, ...args) {
    const id = this.#answers.length;
    const answer = new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
    this.process.stdin.write(`${JSON.stringify({ id, call, args })}\n`);
    return answer;
  }

  receive(queue) {
    return this.call("receive", queue);
  }

  sizes() {
    return this.call("sizes");
  }

  // The socket stays open and takes what is sent, but nobody reads.
  stop() {
    this.process.kill("SIGSTOP");
  }

  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }
}
