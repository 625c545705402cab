// Runs the plugin without WebAssembly: `npm test`. `socklet test` runs the component.

import assert from "node:assert/strict";
import { test } from "node:test";
import { testHost } from "#socklet/testing";
import plugin from "../src/plugin.js";

const host = testHost(plugin, { settings: { users: { ada: "lovelace" } } });
const ask = (credentials) => host.authenticate({ headers: { authorization: `Basic ${btoa(credentials)}` } });

test("knows its users", () => {
    const verdict = ask("ada:lovelace");
    assert(verdict.tag === "grant");
    assert.equal(verdict.val.subject, "ada");
});

test("denies wrong passwords", () => {
    for (const wrong of ["ada:byron", "bob:", "ada:", "bob:lovelace"]) {
        const verdict = ask(wrong);
        assert(verdict.tag === "deny");
        assert.equal(verdict.val.status, 401);
    }
});

test("leaves everybody else to the next authenticator", () => {
    assert.deepEqual(host.authenticate(), { tag: "abstain" });
});
