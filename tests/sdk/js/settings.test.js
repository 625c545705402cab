// Settings: what is read, and how mistakes are told. A module's settings are its plugin's: hence a file of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { defineBehavior, defineSettings, setting } from "../../../plugins/sdk-js/index.js";
import { testHost } from "../../../plugins/sdk-js/testing.js";

test("settings are typed, and each that is wrong is named", () => {
    const settings = defineSettings({
        name: setting.string(),
        limit: setting.integer(3, { min: 1, max: 9 }),
        users: setting.record(setting.list(setting.integer()), {}),
        mode: setting.choice(["fast", "slow"], "slow"),
        more: setting.optional(setting.boolean()),
    });
    const plugin = defineBehavior({ onOpen: (connection) => connection.sendJson({ ...settings }) });
    const read = (given) => {
        const host = testHost(plugin, { settings: given });
        try {
            return JSON.parse(host.connect().received[0]);
        } catch (response) {
            assert.equal(response.status, 500);
            return host.log[0][1];
        }
    };
    assert.throws(() => settings.name, /not there before the first hook/);
    assert.deepEqual(read({ name: "42" }), { name: "42", limit: 3, users: {}, mode: "slow" });
    const all = { name: "n", limit: 9, users: { ann: [1] }, mode: "fast", more: true };
    assert.deepEqual(read(all), all);
    assert.match(read({ limit: 10 }), /setting name: missing; setting limit: expected a whole number from 1 to 9, got 10/);
    assert.match(read({ name: "n", nmae: "x" }), /setting nmae: unknown, the known ones are name, limit/);
    assert.match(read({ name: "n", mode: "warp" }), /setting mode: expected one of fast, slow, got "warp"/);
    assert.match(read({ name: "n", users: { ann: ["x"] } }), /setting users: expected a whole number, got "x"/);
});
