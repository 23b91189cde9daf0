// A loopback proxy whose connections can be cut, and that can hide what the server says.

import { createServer, connect } from "node:net";
import { once } from "node:events";

export class Proxy {
  connections = 0;
  swallow = false;
  #sockets = new Set();

  static async start(lab) {
    const proxy = new Proxy();
    const { hostname, port } = new URL(lab.url);
    const server = createServer((down) => {
      proxy.connections += 1;
      const up = connect(Number(port), hostname);
      for (const socket of [down, up]) {
        proxy.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => proxy.#sockets.delete(socket));
      }
      down.on("data", (data) => up.write(data));
      up.on("data", (data) => proxy.swallow || down.write(data));
      down.on("end", () => up.end());
      up.on("end", () => down.end());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy.url = `http://127.0.0.1:${server.address().port}`;
    lab.cleanup.push(() => {
      server.close();
      proxy.cut();
    });
    return proxy;
  }

  // Ends every connection at once, by RST or by FIN, both without a close frame.
  cut(reset = true) {
    for (const socket of this.#sockets) reset ? socket.resetAndDestroy() : socket.destroy();
  }
}
