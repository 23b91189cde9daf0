// A participant, on top of the SDK's public calls. The same calls as in ../python.

import { sdk } from "./sdk.mjs";

const RESERVED = new Set([
  "messaging.enabled",
  "participant.enabled",
  "participant.disabled",
  "participant.attributes",
]);

// What the server refused; `code` is the protocol's.
export class Refused extends Error {
  constructor(error) {
    super(`${error.message} (code ${error.code})`);
    this.text = error.message;
    this.code = error.code;
  }
}

async function errors(call) {
  try {
    return await call;
  } catch (error) {
    throw error instanceof sdk.RoomServerException ? new Refused(error) : error;
  }
}

export class Member {
  constructor(client) {
    this.client = client;
    this.inbox = [];
    this.watchers = new Set();
    this.onChange = () => {};
    this.onMessage = () => {};
    client.messaging.on("message", ({ message }) => this.#heard(message));
  }

  static async join(url, room, token) {
    const address = `${url.replace("http", "ws")}/rooms/${encodeURIComponent(room)}`;
    const client = new sdk.RoomClient({
      protocolFactory: sdk.WebSocketClientProtocol.createFactory({ url: address, token }),
    });
    const member = new Member(client);
    await errors(client.start());
    return member;
  }

  #heard({ fromParticipantId, type, message, attachment }) {
    if (!RESERVED.has(type)) {
      const bytes = Buffer.from(attachment ?? []);
      const heard = { from: fromParticipantId, type, message, attachment: bytes };
      this.inbox.push(heard);
      this.onMessage(heard);
    }
    this.onChange();
    for (const watch of [...this.watchers]) watch();
  }

  // Waits for an event after which the condition holds.
  async until(condition) {
    while (!condition()) {
      await new Promise((resolve) => {
        const watch = () => {
          this.watchers.delete(watch);
          resolve();
        };
        this.watchers.add(watch);
      });
    }
  }

  get id() {
    return this.client.localParticipant.id;
  }

  leave() {
    this.client.dispose();
  }

  send(queue, message, create = true) {
    return errors(this.client.queues.send(queue, message, { create }));
  }

  receive(queue, create = true, wait = true) {
    return errors(this.client.queues.receive(queue, { create, wait }));
  }

  async sizes() {
    const queues = await errors(this.client.queues.list());
    return Object.fromEntries(queues.map(({ name, size }) => [name, size]));
  }

  open(queue) {
    return errors(this.client.queues.open(queue));
  }

  drain(queue) {
    return errors(this.client.queues.drain(queue));
  }

  close(queue) {
    return errors(this.client.queues.close(queue));
  }

  others() {
    const pairs = this.client.messaging.remoteParticipants.map((other) => [
      other.id,
      { role: other.role, attributes: { ...other._attributes } },
    ]);
    return Object.fromEntries(pairs);
  }

  find(name) {
    const others = Object.entries(this.others());
    return others.find(([, { attributes }]) => attributes.name === name)?.[0];
  }

  async sees(name) {
    await this.until(() => this.find(name));
    return this.find(name);
  }

  misses(name) {
    return this.until(() => !this.find(name));
  }

  // The next message, which must be of this type.
  async hears(type) {
    await this.until(() => this.inbox.length);
    const heard = this.inbox.shift();
    if (heard.type !== type) throw new Error(`expected a ${type} message, got ${heard.type}`);
    return heard;
  }

  async enable() {
    this.client.messaging.enable();
    await this.until(() => this.client.messaging.online);
  }

  // The client does not await this request; a later one on the same connection follows it.
  async disable() {
    this.client.messaging.disable();
    await this.sizes();
  }

  set_attribute(name, value) {
    this.client.localParticipant.setAttribute(name, value);
  }

  // For ids it does not know the client would refuse by itself; a plain participant goes out.
  tell(to, type, message, attachment) {
    const messaging = this.client.messaging;
    const known = messaging.getParticipant(to) ?? new sdk.Participant(this.client, to);
    return errors(
      messaging.sendMessage({ to: known, type, message, attachment: attachment ?? undefined }),
    );
  }

  broadcast(type, message, attachment) {
    const said = { type, message, attachment: attachment ?? undefined };
    return errors(this.client.messaging.broadcastMessage(said));
  }

  invoke(toolkit, tool, args = {}) {
    return errors(this.client.invoke({ toolkit, tool, arguments: args }));
  }
}
