// `ws.mjs echo|fanout`: the ws package on node, without plugins. Says where it listens; ends with its standard input.

import { createRequire } from "node:module";

const require = createRequire(new URL("../clients/package.json", import.meta.url));
const { WebSocketServer } = require("ws");

const role = process.argv[2];
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });

server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => {
    if (role !== "fanout") {
      socket.send(data, { binary: isBinary });
      return;
    }
    for (const client of server.clients) {
      client.send(data, { binary: isBinary });
    }
  });
});

server.on("listening", () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
