// Runs the plugin without WebAssembly: `npm test`. `socklet test` runs the component.

import assert from "node:assert/strict";
import { test } from "node:test";
import { testHost } from "#socklet/testing";
import plugin from "../src/plugin.js";

test("greets, and counts what it is told", () => {
    const host = testHost(plugin, { settings: { greeting: "Hi" } });
    const ada = host.connect({ url: "/?name=Ada" });
    const bob = host.connect();
    assert.deepEqual(ada.received, ["Hi, Ada!"]);
    assert.deepEqual(ada.send("one"), ["1: one"]);
    assert.deepEqual(bob.send("one"), ["1: one"]);
    host.hibernate();
    assert.deepEqual(ada.send("two"), ["2: two"]);
});

test("takes text only", () => {
    const client = testHost(plugin).connect();
    client.send(new Uint8Array([1]));
    assert.deepEqual(client.closed, { code: 1003, reason: "text only" });
});

test("refuses long names", () => {
    assert.throws(() => testHost(plugin).connect({ url: `/?name=${"x".repeat(41)}` }), { status: 400 });
});
