// The HTTP request that asks for a WebSocket.

import { decode, encode } from "./text.js";

/** The request: the fields of the contract in camel case, and ways to find things in them. */
export class Request {
    constructor(record) {
        Object.assign(this, record);
    }

    /** The first header field of this name; undefined where there is none. */
    header(name) {
        return this.headers.find((field) => field.name === name.toLowerCase())?.value;
    }

    /** What the route's path captured under this name. */
    capture(name) {
        return find(this.captures, name);
    }

    /** What else the host knows: `tenant`, `route`, `tls.version` and more. */
    attribute(name) {
        return find(this.attributes, name);
    }

    /** The first value of this name in the query, decoded; empty for a name without an equals sign. */
    queryValue(name) {
        for (const pair of (this.query ?? "").split("&")) {
            const at = pair.indexOf("=");
            const [found, value] = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
            if (pair !== "" && plus(found) === name) return plus(value);
        }
        return undefined;
    }

    /** The value of a cookie. A behavior sees cookies only where the operator granted credentials. */
    cookie(name) {
        for (const field of this.headers) {
            if (field.name !== "cookie") continue;
            for (const pair of field.value.split(";")) {
                const at = pair.indexOf("=");
                if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim().replace(/^"(.*)"$/, "$1");
            }
        }
        return undefined;
    }

    /** The token of `Authorization: Bearer` (RFC 6750). */
    bearer() {
        return credentials(this.header("authorization"), "bearer");
    }

    /** The name and password of `Authorization: Basic` (RFC 7617), as `{ user, password }`. */
    basic() {
        const given = credentials(this.header("authorization"), "basic");
        if (given === undefined) return undefined;
        let text;
        try {
            text = decode(Uint8Array.from(atob(given), (character) => character.charCodeAt(0)), true);
        } catch {
            return undefined;
        }
        const at = text.indexOf(":");
        return at < 0 ? undefined : { user: text.slice(0, at), password: text.slice(at + 1) };
    }

    /** The subprotocols that the client offered, in its order. */
    get subprotocols() {
        const offered = this.headers.filter((field) => field.name === "sec-websocket-protocol");
        return offered.flatMap((field) => field.value.split(",")).map((name) => name.trim()).filter(Boolean);
    }
}

/** Decodes `%41` to `A`. What is no escape stays as it is; bytes that are not UTF-8 become U+FFFD. */
export function percentDecode(text) {
    if (!text.includes("%")) return text;
    return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
        decode(Uint8Array.from(escapes.slice(1).split("%"), (hex) => parseInt(hex, 16))),
    );
}

/** Whether two secrets are the same, in a time that depends on their lengths alone as far as an interpreter allows. */
export function same(one, other) {
    const [a, b] = [encode(one), encode(other)];
    if (a.length !== b.length) return false;
    let difference = 0;
    for (let index = 0; index < a.length; index++) difference |= a[index] ^ b[index];
    return difference === 0;
}

function plus(text) {
    return percentDecode(text.replaceAll("+", " "));
}

function find(pairs, name) {
    return pairs.find(([found]) => found === name)?.[1];
}

function credentials(field, scheme) {
    const found = /^([^ ]+) +([^ ]+) *$/.exec(field ?? "");
    return found !== null && found[1].toLowerCase() === scheme ? found[2] : undefined;
}
