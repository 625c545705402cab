// A host for a plugin's own tests: in memory, without WebAssembly and without sockets. Time stands still until it is advanced.

import { serveAuthenticator, serveBehavior } from "./serve.js";
import { decode } from "./text.js";

const OPTIONAL = ["frames", "state", "timer-events"];

/** A host that serves one behavior, or asks one authenticator. Settings are written as in the host's configuration. */
export function testHost(plugin, { settings = {} } = {}) {
    return new TestHost(plugin, settings);
}

class TestHost {
    /** What was logged: `[level, message]`. */
    log = [];
    /** Milliseconds since the beginning. */
    now = 0;
    #plugin;
    #settings;
    #clients = new Map();
    #topics = new Map();
    #timers = new Map();
    #heartbeat = { interval: 20, payload: "heartbeat" };
    #exports;
    #next = 1;

    constructor(plugin, settings) {
        this.#plugin = plugin;
        this.#settings = Object.entries(settings);
        this.#begin();
    }

    /** Asks the authenticator: `{ tag: "grant", val: principal }`, `{ tag: "abstain" }` or `{ tag: "deny", val: response }`. */
    authenticate(request = {}) {
        return this.#exports.authenticator.authenticate(this.#request(request));
    }

    /** Connects: `url` is a path with a query, such as `/rooms/1?name=ada`. Throws the response when the plugin refuses. */
    connect({ principal = null, ...request } = {}) {
        const record = this.#request(request);
        const client = new Client(this, record.connection, principal);
        this.#clients.set(client.id, client);
        try {
            client.accepted = this.#exports.behavior.onUpgrade(record, principal);
        } catch (refused) {
            this.#clients.delete(client.id);
            throw refused;
        }
        client.state = "open";
        this.#call(client.id, () => this.#exports.behavior.onOpen(client.id));
        return client;
    }

    /** Asks to connect, and is gone before it is answered. */
    vanish(request = {}) {
        const record = this.#request(request);
        this.#clients.set(record.connection, new Client(this, record.connection, null));
        try {
            this.#exports.behavior.onUpgrade(record, null);
        } finally {
            this.#clients.delete(record.connection);
        }
    }

    /** Lets time pass, and timers come due. */
    advance(milliseconds) {
        const end = this.now + milliseconds;
        for (;;) {
            const due = [...this.#timers].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
            if (due.length === 0) break;
            const [name, at] = due[0];
            this.#timers.delete(name);
            this.now = Math.max(this.now, at);
            this.#exports.timerEvents.onTimer(name);
            this.#end();
        }
        this.now = end;
    }

    /** Saves, and goes on with what a fresh instance loads. Variables of modules stay as they are, unlike on a real host. */
    hibernate() {
        const saved = this.saved();
        this.#begin();
        this.#exports.state.load(saved);
    }

    /** What the instance would save now: bytes. */
    saved() {
        return this.#exports.state.save();
    }

    message(client, message) {
        const wire = typeof message === "string" ? { tag: "text", val: message } : { tag: "binary", val: message };
        this.#call(client.id, () => this.#exports.behavior.onMessage(client.id, wire));
    }

    leave(client, code, reason) {
        client.closed ??= { code, reason };
        client.cause = "client";
        this.#end();
    }

    /** An export whose error is a close frame. */
    #call(id, call) {
        try {
            call();
        } catch (frame) {
            if (frame?.code === undefined) throw frame;
            const client = this.#clients.get(id);
            client.closed ??= frame;
        }
        this.#end();
    }

    /** Tells the plugin of connections that were closed. */
    #end() {
        for (const client of this.#clients.values()) {
            if (client.closed === undefined || client.state === "closed") continue;
            client.state = "closed";
            this.#topics.forEach((members) => members.delete(client.id));
            const tag = client.cause ?? "plugin";
            const counts = { clean: true, durationMs: this.now, messagesReceived: 0, messagesSent: client.received.length };
            this.#exports.behavior.onClose(client.id, { close: client.closed, cause: { tag }, ...counts });
            this.#clients.delete(client.id);
        }
    }

    #begin() {
        const kept = this.#plugin.authenticate === undefined ? serveBehavior : serveAuthenticator;
        this.#exports = kept(this.#plugin, this.#imports(), optional(this.#plugin));
    }

    #request({ url = "/", headers = {}, captures = {}, attributes = {} }) {
        const [path, ...query] = url.split("?");
        const fields = Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value }));
        return {
            connection: this.#next++,
            listener: "test",
            method: "GET",
            secure: false,
            authority: "localhost",
            path,
            query: query.length === 0 ? null : query.join("?"),
            headers: fields,
            captures: Object.entries(captures),
            clientIp: "127.0.0.1",
            clientPort: 1,
            attributes: Object.entries({ tenant: "default", route: "default", ...attributes }),
        };
    }

    #imports() {
        const clients = this.#clients;
        const open = () => [...clients.values()].filter(({ state, closed }) => state === "open" && closed === undefined);
        const find = (id) => {
            if (!clients.has(id)) throw refused("unknown");
            return clients.get(id);
        };
        const sendTo = (id, message) => {
            const client = find(id);
            if (client.closed !== undefined) throw refused("unknown");
            if (client.state !== "open") throw refused("not-open");
            client.received.push(message.val);
        };
        const sendToAll = (ids, message, but) => {
            const to = ids.filter((id) => id !== but);
            to.forEach((id) => sendTo(id, message));
            return to.length;
        };
        const members = (topic) => [...(this.#topics.get(topic) ?? [])];
        return {
            connections: {
                ids: () => open().map(({ id }) => id),
                count: () => open().length,
                send: sendTo,
                sendAll: (message, but) => sendToAll(open().map(({ id }) => id), message, but),
                sendFrame: (id, opcode, fin, payload) => find(id).frames.push({ opcode, fin, payload }),
                flush: (id) => void find(id),
                queued: () => 0,
                close: (id, frame) => void (find(id).closed ??= frame),
                principalOf: (id) => clients.get(id)?.principal ?? null,
                attachment: (id) => clients.get(id)?.attachment ?? new Uint8Array(),
                setAttachment: (id, value) => void (find(id).attachment = value),
            },
            topics: {
                subscribe: (id, topic) => {
                    find(id);
                    this.#topics.set(topic, (this.#topics.get(topic) ?? new Set()).add(id));
                },
                unsubscribe: (id, topic) => void this.#topics.get(topic)?.delete(id),
                publish: (topic, message, but) => sendToAll(members(topic), message, but),
                subscribers: members,
            },
            heartbeat: {
                intervalSeconds: () => this.#heartbeat.interval,
                setIntervalSeconds: (seconds) => void (this.#heartbeat.interval = seconds),
                payload: () => this.#heartbeat.payload,
                setPayload: (payload) => void (this.#heartbeat.payload = payload),
            },
            timers: {
                set: (name, after) => void this.#timers.set(name, this.now + after),
                cancel: (name) => void this.#timers.delete(name),
            },
            logging: { log: (level, message) => void this.log.push([level, message]) },
            config: { getAll: () => this.#settings.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]) },
            random: { getRandomBytes: (count) => globalThis.crypto.getRandomValues(new Uint8Array(count)) },
        };
    }
}

/** A client that is connected. */
class Client {
    /** What it was sent: strings and bytes. */
    received = [];
    /** Frames that were sent by themselves. */
    frames = [];
    /** What it was closed with: `{ code, reason }`. */
    closed = undefined;
    state = "accepted";
    #host;

    constructor(host, id, principal) {
        this.#host = host;
        Object.assign(this, { id, principal });
    }

    /** Sends a text or bytes, and returns what came back since. */
    send(message) {
        const before = this.received.length;
        this.#host.message(this, message);
        return this.received.slice(before);
    }

    /** Closes the connection. */
    close(code = 1000, reason = "") {
        this.#host.leave(this, code, reason);
    }
}

/** An error of the contract, as the engine throws it. */
function refused(tag) {
    return Object.assign(new Error(`${tag} (see error.payload)`), { payload: { tag } });
}

/** The optional exports that a plugin can have by its hooks. */
function optional(plugin) {
    return OPTIONAL.filter((name) => name === "state" || plugin[name === "frames" ? "onFrame" : "onTimer"] !== undefined);
}

/** The text of a response's body. */
export function bodyOf(response) {
    return decode(response.body);
}
