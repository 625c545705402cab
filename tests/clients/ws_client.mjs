#!/usr/bin/env node
// Drives a server with node's `ws`; the same scenarios and options as websockets_client.py.
//
//     ws_client.mjs URL SCENARIO... [--option value]
//
// URL is an echo route unless the scenario says otherwise. Each scenario uses its own connections and prints one JSON
// line. Exit codes: 0 all passed, 1 one failed, 2 wrong use.

import { randomBytes } from "node:crypto";
import { once, setMaxListeners } from "node:events";
import { parseArgs } from "node:util";
import WebSocket from "ws";

const SIZES = [0, 1, 125, 126, 127, 65535, 65536];
const TEXTS = ["hello", "", "zażółć gęślą jaźń", "𝄞 🦀 \u0000 \u2028", "x".repeat(1000)];

/** The server did something else than the scenario asks for. */
class Failed extends Error {}

function check(condition, message) {
  if (!condition) throw new Failed(message);
}

/** A connection whose messages, pongs and end can be awaited one by one; `signal` ends every wait. */
class Client {
  #messages = [];
  #wake = () => {};
  pings = 0;
  ended = null;

  constructor(options, { user = options.user, password = options.password, protocols = [], deflate } = {}) {
    this.signal = options.signal;
    const settings = { maxPayload: 2 ** 26 };
    if (deflate) settings.perMessageDeflate = deflate;
    if (user) settings.auth = `${user}:${password}`;
    if (options.origin) settings.origin = options.origin;
    this.socket = new WebSocket(options.url, protocols, settings);
    this.socket.on("message", (data, isBinary) => {
      this.#messages.push(isBinary ? data : data.toString());
      this.#wake();
    });
    this.socket.on("upgrade", (response) => (this.extensions = response.headers["sec-websocket-extensions"] ?? ""));
    this.socket.on("ping", () => (this.pings += 1));
    this.socket.on("close", (code, reason) => {
      this.ended = { code, reason: reason.toString() };
      this.#wake();
    });
    // Every error is followed by "close"; before the handshake is done, opened() sees it.
    this.socket.on("error", (error) => (this.error = error));
    this.signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  async opened() {
    await once(this.socket, "open", { signal: this.signal });
    return this;
  }

  /** The next message, a string or a Buffer; null when the connection ended, `signal` fired or `ms` are over. */
  async next(ms = Infinity) {
    const deadline = performance.now() + ms;
    const timer = Number.isFinite(ms) ? setTimeout(() => this.#wake(), ms + 1) : undefined;
    while (this.#messages.length === 0 && !this.ended && !this.signal.aborted && performance.now() < deadline) {
      await new Promise((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
    return this.#messages.shift() ?? null;
  }

  async receive() {
    const message = await this.next();
    const cause = this.ended ? `closed with ${this.ended.code} ${this.ended.reason}` : "nothing came";
    check(message !== null, `expected a message, but ${cause}`);
    return message;
  }

  async expectEcho(message) {
    this.socket.send(message);
    await this.expect(message);
  }

  async expect(message) {
    const answer = await this.receive();
    check(typeof answer === typeof message, `${typeof message} came back as ${typeof answer}`);
    const same = typeof message === "string" ? answer === message : answer.equals(message);
    check(same, `${message.length} long message came back different, ${answer.length} long`);
  }

  async end(code = 1000, reason = "") {
    this.socket.close(code, reason);
    while (!this.ended) {
      check(!this.signal.aborted, "the server did not answer the close");
      await this.next();
    }
    return this.ended;
  }
}

/** Text and bytes, of which much repeats, and some that nothing makes smaller. */
function* similar() {
  for (let turn = 0; turn < 40; turn += 1) {
    const record = (_, i) => ({ id: turn + i, name: `user ${(i * 7919) % 101}`, says: "zażółć" });
    const text = JSON.stringify(Array.from({ length: (turn * turn) >> 3 }, record));
    yield text;
    yield Buffer.from(text);
    yield randomBytes(turn * 100);
  }
}

const open = (options, more) => new Client(options, more).opened();

/** Connects, expects an answer other than 101, and returns its status, headers and body. */
async function expectRefusal(options, status, more) {
  const client = new Client(options, more);
  const answer = await new Promise((resolve, reject) => {
    client.socket.on("unexpected-response", (_request, response) => resolve(response));
    client.socket.on("open", () => reject(new Failed(`accepted, expected ${status}`)));
    client.socket.on("error", reject);
    client.signal.addEventListener("abort", () => reject(new Failed("no answer")), { once: true });
  });
  check(answer.statusCode === status, `refused with ${answer.statusCode}, expected ${status}`);
  const chunks = [];
  for await (const chunk of answer) chunks.push(chunk);
  return { headers: answer.headers, body: Buffer.concat(chunks).toString() };
}

const SCENARIOS = {
  async "text-echo"(options) {
    const client = await open(options);
    for (const text of TEXTS) await client.expectEcho(text);
    await client.end();
    return { messages: TEXTS.length };
  },

  async "binary-echo"(options) {
    const sizes = SIZES.filter((size) => size <= options.max);
    const client = await open(options);
    for (const size of sizes) await client.expectEcho(randomBytes(size));
    await client.end();
    return { sizes };
  },

  // Text cut inside a character, empty frames, a ping between the frames; the same as binary.
  async fragments(options) {
    const whole = Buffer.from("one two gę 🦀");
    const client = await open(options);
    for (const binary of [false, true]) {
      let pongs = 0;
      const count = () => (pongs += 1);
      client.socket.on("pong", count);
      client.socket.send("", { fin: false, binary });
      for (const byte of whole) {
        client.socket.send(Buffer.of(byte), { fin: false, binary });
        client.socket.ping();
      }
      client.socket.send("", { fin: true, binary });
      await client.expect(binary ? whole : whole.toString());
      client.socket.off("pong", count);
      check(pongs === whole.length, `${pongs} pongs for ${whole.length} pings inside a message`);
    }
    await client.end();
    return { frames: whole.length + 2 };
  },

  async "ping-pong"(options) {
    const payloads = [Buffer.alloc(0), Buffer.from("x"), randomBytes(125)];
    const client = await open(options);
    for (const payload of payloads) {
      const pong = once(client.socket, "pong", { signal: client.signal });
      client.socket.ping(payload);
      const [answer] = await pong;
      check(answer.equals(payload), `a ping of ${payload.length} was answered with ${answer.length} other bytes`);
    }
    await client.end();
    return { pings: payloads.length };
  },

  async close(options) {
    const client = await open(options);
    await client.expectEcho("before the close");
    const { code, reason } = await client.end(options.code, options.reason);
    check(code === options.code, `the server answered code ${code}, sent ${options.code}`);
    check(["", options.reason].includes(reason), `the server answered another reason: ${reason}`);
    return { code, reason };
  },

  async subprotocol(options) {
    const client = new Client(options, { protocols: options.offer.split(",").filter(Boolean) });
    try {
      await client.opened();
    } catch (error) {
      // This library insists on a selection; a browser does not, and neither does RFC 6455.
      check(!options.expect && error.message === "Server sent no subprotocol", error.message);
      return { selected: "" };
    }
    check(client.socket.protocol === options.expect, `selected '${client.socket.protocol}', not '${options.expect}'`);
    await client.expectEcho("agreed");
    await client.end();
    return { selected: client.socket.protocol };
  },

  async "auth-accepted"(options) {
    check(options.user, "needs --user and --password");
    const client = await open(options);
    await client.expectEcho("let in");
    await client.end();
  },

  async "auth-refused"(options) {
    const { user, password } = options;
    check(user, "needs --user and --password, which are right");
    const attempts = {
      none: { user: "" },
      "wrong password": { user, password: `${password}x` },
      "empty password": { user, password: "" },
      "unknown user": { user: `${user}x`, password },
    };
    const answers = new Set();
    for (const [attempt, credentials] of Object.entries(attempts)) {
      const { headers, body } = await expectRefusal(options, 401, credentials);
      const challenge = headers["www-authenticate"] ?? "";
      check(challenge.startsWith("Basic realm="), `${attempt}: WWW-Authenticate is '${challenge}'`);
      if (attempt !== "none") answers.add(`${challenge} ${body}`);
    }
    check(answers.size === 1, `the refusals differ, which tells users from strangers: ${[...answers].join(" / ")}`);
  },

  async refused(options) {
    await expectRefusal(options, options.status);
    return { status: options.status };
  },

  async oversize(options) {
    for (const message of [Buffer.alloc(options.max + 1), "x".repeat(options.max + 1)]) {
      const client = await open(options);
      client.socket.send(message);
      const answer = await client.next();
      check(answer === null, `answered ${answer?.length} to a message of ${message.length}`);
      check(client.ended?.code === 1009, `closed with ${client.ended?.code} ${client.error ?? ""}, expected 1009`);
    }
    return { sent: options.max + 1 };
  },

  async idle(options) {
    const client = await open(options);
    const answer = await client.next(options.idle * 1000);
    check(answer === null, `a message came by itself: ${answer}`);
    check(!client.ended, `closed with ${client.ended?.code} while idle`);
    check(client.pings >= options.pings, `${client.pings} pings came, expected ${options.pings}`);
    await client.expectEcho("still here");
    await client.end();
    return { pings: client.pings };
  },

  // Similar messages of many sizes, compressed as --deflate asks and --agreed says; the same in three fragments, the same at once.
  async compressed(options) {
    const deflate = { threshold: 0 };
    for (const parameter of options.deflate.split(",").filter(Boolean)) {
      const [name, value] = parameter.split("=");
      deflate[name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())] = value ? Number(value) : true;
    }
    const client = await open(options, { deflate });
    check(client.extensions === options.agreed, `agreed on '${client.extensions}', expected '${options.agreed}'`);
    const messages = [...similar()];
    for (const message of messages) {
      await client.expectEcho(message);
      const bytes = Buffer.from(message);
      const binary = typeof message !== "string";
      client.socket.send(bytes.subarray(0, bytes.length / 3), { fin: false, binary });
      client.socket.send(bytes.subarray(bytes.length / 3), { fin: false, binary });
      client.socket.send("", { fin: true, binary });
      await client.expect(message);
    }
    for (const message of messages) client.socket.send(message);
    for (const message of messages) await client.expect(message);
    await client.end();
    return { messages: 3 * messages.length };
  },

  async many(options) {
    const clients = await Promise.all(Array.from({ length: options.connections }, () => open(options)));
    const talk = async (client, number) => {
      for (let turn = 0; turn < 10; turn += 1) await client.expectEcho(`connection ${number}, message ${turn}`);
      await client.end();
    };
    await Promise.all(clients.map(talk));
    return { connections: clients.length };
  },
};

/** Runs one scenario, prints its line, returns whether it passed. */
async function run(name, options) {
  const begin = performance.now();
  const line = { client: "ws", scenario: name, ok: false };
  try {
    Object.assign(line, await SCENARIOS[name](options), { ok: true });
  } catch (error) {
    line.error = options.signal.aborted ? `not done within ${options.timeout} s: ${error.message}` : `${error.message}`;
  }
  line.ms = Math.round(performance.now() - begin);
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (!line.ok) process.stderr.write(`${name}: ${line.error}\n`);
  return line.ok;
}

/** Returns the URL, the scenarios and the options; throws when the command line is wrong. */
function parse() {
  const text = {
    ...{ reason: "see you later", offer: "chat.v2,chat.v1", expect: "", user: "", password: "", origin: "" },
    ...{ deflate: "", agreed: "" },
  };
  const numbers = { max: 65536, code: 4001, status: 403, idle: 5, pings: 2, connections: 50, timeout: 30 };
  const defaults = { ...text, ...numbers };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(
      Object.entries(defaults).map(([name, value]) => [name, { type: "string", default: String(value) }]),
    ),
  });
  const [url, ...scenarios] = positionals;
  const unknown = scenarios.filter((name) => !Object.hasOwn(SCENARIOS, name));
  if (!url || scenarios.length === 0 || unknown.length > 0) {
    throw new Error(`unknown: '${unknown}'; usage: ws_client.mjs URL SCENARIO... (${Object.keys(SCENARIOS).join(" ")})`);
  }
  for (const name of Object.keys(numbers)) {
    values[name] = Number(values[name]);
    if (Number.isNaN(values[name])) throw new Error(`--${name} takes a number`);
  }
  return { url, scenarios, values };
}

let parsed;
try {
  parsed = parse();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
let passed = true;
for (const name of parsed.scenarios) {
  const signal = AbortSignal.timeout(parsed.values.timeout * 1000);
  setMaxListeners(0, signal); // each of many connections listens
  passed = (await run(name, { ...parsed.values, url: parsed.url, signal })) && passed;
}
process.exit(passed ? 0 : 1);
