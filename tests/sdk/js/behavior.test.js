// Behaviors: data of connections, errors, settings, state, timers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseError, Refusal, SendError, connections, defineBehavior, timers, topics } from "../../../plugins/sdk-js/index.js";
import { bodyOf, testHost } from "../../../plugins/sdk-js/testing.js";

test("every connection has data of its own until it closes", () => {
    const seen = [];
    const plugin = defineBehavior({
        data: () => ({ count: 0 }),
        onMessage(connection) {
            connection.data.count += 1;
            connection.send(String(connection.data.count));
        },
        onClose: (connection, { code, reason, cause }) => seen.push([connection.data.count, code, reason, cause]),
    });
    const host = testHost(plugin);
    const [one, other] = [host.connect(), host.connect()];
    assert.deepEqual([one.send("x"), one.send("x"), other.send("x")], [["1"], ["2"], ["1"]]);
    one.close(4000, "bye");
    assert.deepEqual(seen, [[2, 4000, "bye", "client"]]);
});

test("errors become close frames", () => {
    const plugin = defineBehavior({
        onOpen(connection) {
            if (connections.count() > 3) throw new CloseError(1013, "é".repeat(100));
        },
        onMessage(connection, message) {
            if (message === "own") throw new CloseError(4001, "go");
            if (message === "text") throw "a text";
            if (message === "promise") return Promise.resolve();
            throw new Error("secret");
        },
    });
    const host = testHost(plugin);
    const closed = (message) => {
        const client = host.connect();
        client.send(message);
        return client.closed;
    };
    assert.deepEqual(closed("own"), { code: 4001, reason: "go" });
    assert.deepEqual(closed("text"), { code: 1011, reason: "internal error" });
    assert.deepEqual(closed("promise"), { code: 1011, reason: "internal error" });
    assert.deepEqual(closed("other"), { code: 1011, reason: "internal error" });
    assert.match(host.log.at(-1)[1], /^onMessage failed: Error: secret at .*behavior\.test\.js/);
    [1, 2, 3].forEach(() => host.connect());
    assert.deepEqual(host.connect().closed, { code: 1013, reason: "é".repeat(61) });
    assert.throws(() => new CloseError(1005), RangeError);
});

test("an upgrade is refused with a response", () => {
    const plugin = defineBehavior({
        onUpgrade(request, connection) {
            connection.data = request.queryValue("q");
            if (request.path === "/returned") return new Refusal(403, "no", { "X-Why": "because" });
            if (request.path === "/thrown") throw new Refusal(429);
            if (request.path === "/failed") connection.nothing.at.all();
            if (request.path === "/wrong") return { protocol: "x" };
            return { subprotocol: request.subprotocols[1], headers: { "X-A": 1 } };
        },
        onOpen: (connection) => connection.send(connection.data),
    });
    const host = testHost(plugin);
    const refused = (url) => {
        try {
            host.connect({ url });
        } catch (response) {
            return response;
        }
        return undefined;
    };
    const returned = refused("/returned");
    assert.deepEqual([returned.status, bodyOf(returned)], [403, "no"]);
    assert.deepEqual(returned.headers, [
        { name: "x-why", value: "because" },
        { name: "content-type", value: "text/plain; charset=utf-8" },
    ]);
    assert.equal(refused("/thrown").status, 429);
    assert.equal(refused("/failed").status, 500);
    assert.equal(refused("/wrong").status, 500);
    const client = host.connect({ url: "/?q=a%20%C3%A9+b", headers: { "Sec-WebSocket-Protocol": "a, b" } });
    assert.deepEqual(client.accepted, { subprotocol: "b", headers: [{ name: "x-a", value: "1" }] });
    assert.deepEqual(client.received, ["a é b"]);
});

test("state carries data, timers and the instance's own over", () => {
    const plugin = (total) =>
        defineBehavior({
            data: () => ({ at: [] }),
            onMessage(connection, message) {
                total += 1;
                if (message === "bad") connection.data.map = new Map();
                else connection.setTimer(message, 1000);
                timers.set("all", 5000);
            },
            onTimer(name, connection) {
                if (connection === undefined) connections.sendAll(`${name} ${total}`);
                else connection.data.at.push(name), connection.sendJson(connection.data.at);
            },
            save: () => total,
            load: (saved) => (total = saved),
            restore: (data) => ({ ...data, at: [...data.at, "restored"] }),
        });
    const host = testHost(plugin(0));
    const [one, other] = [host.connect(), host.connect()];
    one.send("a");
    host.hibernate();
    host.advance(999);
    assert.deepEqual(one.received, []);
    host.advance(1);
    assert.deepEqual(one.received, ['["restored","a"]']);
    one.send("late");
    one.close();
    host.advance(5000);
    assert.deepEqual(one.received.length, 1, "timers go with their connection");
    assert.deepEqual(other.received, ["all 2"]);
    other.send("bad");
    assert.throws(() => host.hibernate(), (error) => /map is a Map, which JSON does not have/.test(error));
});

test("messages, topics and attachments reach the host", () => {
    const plugin = defineBehavior({
        onOpen: (connection) => connection.subscribe("all"),
        onMessage(connection, message) {
            if (message === "attach") connection.attached = { n: 1 };
            else if (message === "show") connection.sendJson(connection.attached ?? null);
            else if (message === "gone") connections.handle(99).send("x");
            else if (message === "ping") connection.sendFrame("ping", true, new Uint8Array([1]));
            else topics.publish("all", message, connection);
        },
        onFrame: (_connection, { opcode }) => (opcode === "ping" ? "skip" : "process"),
    });
    const host = testHost(plugin);
    const [one, other] = [host.connect(), host.connect()];
    one.send(new Uint8Array([1, 2]));
    assert.deepEqual([one.received, other.received], [[], [new Uint8Array([1, 2])]]);
    assert.deepEqual([one.send("show"), one.send("attach"), one.send("show")], [["null"], [], ['{"n":1}']]);
    one.send("ping");
    assert.deepEqual(one.frames, [{ opcode: "ping", fin: true, payload: new Uint8Array([1]) }]);
    one.send("gone");
    assert.equal(one.closed.code, 1011);
    assert.match(host.log[0][1], /SendError: nothing was sent: unknown/);
    assert.equal(new SendError({ tag: "full" }).kind, "full");
});

test("connections that never opened are forgotten", () => {
    let made = 0;
    const plugin = defineBehavior({ data: () => ({ number: ++made }), onOpen: (connection) => connection.sendJson(connection.data) });
    const host = testHost(plugin);
    // Refused after the plugin had accepted: the client was gone.
    for (let index = 0; index < 100; index++) host.vanish();
    const client = host.connect();
    assert.deepEqual(client.received, ['{"number":101}']);
    assert.ok(JSON.parse(new TextDecoder().decode(host.saved())).accepted.length <= 17);
});
