// Requests, authenticators, text codecs, and what the engine lacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { abstain, defineAuthenticator, deny, grant, percentDecode, same } from "../../../plugins/sdk-js/index.js";
import { bodyOf, testHost } from "../../../plugins/sdk-js/testing.js";
import { decode, encode } from "../../../plugins/sdk-js/text.js";

/** What a function makes of a request. */
function ask(look, request) {
    let seen;
    testHost(defineAuthenticator({ authenticate: (asked) => ((seen = look(asked)), abstain()) })).authenticate(request);
    return seen;
}

test("credentials are found", () => {
    const header = (authorization) => ({ headers: { authorization } });
    assert.equal(ask((request) => request.bearer(), header("Bearer a.b")), "a.b");
    assert.equal(ask((request) => request.bearer(), header("bearer  a.b")), "a.b");
    assert.equal(ask((request) => request.bearer(), header("Basic a.b")), undefined);
    assert.equal(ask((request) => request.bearer(), {}), undefined);
    assert.deepEqual(ask((request) => request.basic(), header(`Basic ${btoa("a:b:c")}`)), { user: "a", password: "b:c" });
    assert.equal(ask((request) => request.basic(), header("Basic !")), undefined);
    assert.equal(ask((request) => request.basic(), header(`Basic ${btoa("ab")}`)), undefined);
    const cookies = { headers: { cookie: 'a=1; b="2 3"; c' } };
    assert.deepEqual(["a", "b", "c"].map((name) => ask((request) => request.cookie(name), cookies)), ["1", "2 3", undefined]);
});

test("queries are decoded", () => {
    const value = (query, name) => ask((request) => request.queryValue(name), { url: `/?${query}` });
    assert.equal(value("a=1&b=2&a=3", "a"), "1");
    assert.equal(value("n%61me=x+%C3%A9", "name"), "x é");
    assert.equal(value("flag", "flag"), "");
    assert.equal(value("a=b=c", "a"), "b=c");
    assert.equal(value("", ""), undefined);
    assert.equal(percentDecode("100%zz%ff"), "100%zz\ufffd");
});

test("verdicts are what the host takes", () => {
    const verdict = (said) => testHost(defineAuthenticator({ authenticate: said })).authenticate();
    assert.deepEqual(verdict(() => grant("ada", { attributes: { via: "x" }, expiresAt: new Date(1500) })), {
        tag: "grant",
        val: { subject: "ada", attributes: [["via", "x"]], expiresAt: 1 },
    });
    assert.deepEqual(verdict(() => abstain()), { tag: "abstain" });
    const denied = verdict(() => deny(401, "no", { "WWW-Authenticate": "Bearer" })).val;
    assert.deepEqual([denied.status, bodyOf(denied), denied.headers[0]], [401, "no", { name: "www-authenticate", value: "Bearer" }]);
    // A failure is a no.
    for (const wrong of [() => undefined, () => deny(200), () => grant(""), () => JSON.parse("{")]) {
        const { tag, val } = verdict(wrong);
        assert.deepEqual([tag, val.status], ["deny", 500]);
    }
});

test("secrets are compared", () => {
    assert.ok(same("é", "é") && same("", ""));
    assert.ok(!same("a", "b") && !same("a", "aa"));
});

test("UTF-8 is that of the Encoding Standard", () => {
    const texts = ["", "a", "é€😀", "\ud800x\udc00", "x".repeat(9000) + "😀".repeat(5000)];
    for (const text of texts) {
        const bytes = new TextEncoder().encode(text);
        assert.deepEqual(encode(text), bytes);
        assert.equal(decode(bytes), new TextDecoder().decode(bytes));
    }
    // Every sequence of up to four of the bytes that matter.
    const bytes = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xe1, 0xed, 0xf0, 0xf1, 0xf4, 0xf5];
    const standard = new TextDecoder("utf-8", { ignoreBOM: true });
    for (let number = 0; number < bytes.length ** 4; number++) {
        const some = Uint8Array.from([0, 4, 8, 12], (shift) => bytes[(number >> shift) & 15]);
        if (decode(some) !== standard.decode(some)) assert.fail(`${some}`);
    }
    assert.throws(() => decode(new Uint8Array([0xff]), true), TypeError);
});
