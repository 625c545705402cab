// WebSockets over HTTP/2 (RFC 8441): node's `http2` has the streams, `ws` the frames.
//
//     node http2_client.mjs ORIGIN PATH COUNT [CA]
//
// ORIGIN is https://HOST:PORT with the file CA, or http://HOST:PORT for HTTP/2 without TLS. Opens COUNT connections to an echo on one
// socket; they echo side by side and close. Prints one JSON line. Exit codes: 0 passed, 1 failed, 2 wrong use.

import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { once } from "node:events";
import WebSocket from "ws";

const [origin, path, count, ca] = process.argv.slice(2);
if (!count) {
  console.error("usage: http2_client.mjs ORIGIN PATH COUNT [CA]");
  process.exit(2);
}

const check = (condition, what) => {
  if (!condition) throw new Error(what);
};

const connect = {
  ":method": "CONNECT",
  ":protocol": "websocket",
  ":scheme": new URL(origin).protocol.slice(0, -1),
  ":path": path,
  ":authority": new URL(origin).host,
  "sec-websocket-version": "13",
};

/** A request, and the head of its answer. */
async function ask(session, headers) {
  const stream = session.request(headers, { endStream: headers[":method"] === "GET" });
  stream.on("error", () => {}); // seen by whoever waits
  const [head] = await once(stream, "response");
  return { stream, head };
}

/** A WebSocket of `ws` on a stream: what its own client does once it has its 101. */
function adopt(stream, subprotocol) {
  // What `ws` expects of a socket, and a stream does not have.
  Object.assign(stream, { setNoDelay() {}, setKeepAlive() {}, setTimeout() {} });
  // Its own client has these from its defaults; without a time it gives up at once.
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  socket._isServer = false;
  socket._protocol = subprotocol ?? "";
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 2 ** 26, skipUTF8Validation: false });
  return socket;
}

async function echo(socket, message) {
  socket.send(message);
  const [data, binary] = await once(socket, "message");
  check(binary === Buffer.isBuffer(message), "an echo of another kind");
  check(Buffer.compare(data, Buffer.from(message)) === 0, `another echo of ${message.length} bytes`);
}

async function main() {
  const session = http2.connect(origin, ca ? { ca: readFileSync(ca), servername: "localhost" } : {});
  await once(session, "remoteSettings");
  check(session.remoteSettings.enableConnectProtocol, "the server does not offer RFC 8441");

  const plain = await ask(session, { ":method": "GET", ":path": path });
  const version = await ask(session, { ...connect, "sec-websocket-version": "8" });
  const protocol = await ask(session, { ...connect, ":protocol": "connect-udp" });
  const missing = await ask(session, { ...connect, ":path": "/missing" });
  for (const { stream } of [plain, version, protocol, missing]) stream.resume().close();

  const offered = { ...connect, "sec-websocket-protocol": "chat.v1, chat.v2" };
  const sockets = [];
  for (let n = 0; n < Number(count); n++) {
    const { stream, head } = await ask(session, offered);
    check(head[":status"] === 200, `status ${head[":status"]}`);
    check(!("sec-websocket-accept" in head) && !("upgrade" in head), "fields that HTTP/2 has not");
    sockets.push(adopt(stream, head["sec-websocket-protocol"]));
  }
  await Promise.all(
    sockets.map(async (socket, n) => {
      for (const length of [0, 1, 125, 126, 65535]) await echo(socket, "x".repeat(length));
      await echo(socket, Buffer.alloc(60000, n));
      socket.ping("are you there");
      const [data] = await once(socket, "pong");
      check(data.toString() === "are you there", "another pong");
    }),
  );
  const closed = await Promise.all(
    sockets.map(async (socket) => {
      socket.close(4001, "see you later");
      const [code] = await once(socket, "close");
      return code;
    }),
  );
  session.close();
  await once(session, "close");
  const statuses = [plain, version, protocol, missing].map(({ head }) => head[":status"]);
  return { connections: sockets.length, statuses, subprotocol: sockets[0].protocol, closed: [...new Set(closed)] };
}

const deadline = setTimeout(() => {
  console.error("not done within 60 s");
  process.exit(1);
}, 60_000);
try {
  console.log(JSON.stringify(await main()));
  clearTimeout(deadline);
} catch (error) {
  console.error(error.stack);
  process.exit(1);
}
