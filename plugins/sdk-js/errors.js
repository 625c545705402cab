// What a hook may throw, and what is made of everything else.

import * as log from "./log.js";
import { asBytes, encode, decode } from "./text.js";

/** The most bytes of a close frame's reason (RFC 6455, section 5.5). */
const MAX_REASON = 123;

/**
 * Ends the connection with this code and reason, which is cut to 123 bytes. A plugin may send 1000, 1001, 1003, 1007 to 1014 and 3000
 * to 4999.
 */
export class CloseError extends Error {
    constructor(code, reason = "") {
        super(`close ${code} ${reason}`.trim());
        this.name = "CloseError";
        checkCode(code);
        this.code = code;
        this.reason = cut(String(reason));
    }
}

/** Why nothing was queued: `kind` is unknown, not-open, full, invalid or other. */
export class SendError extends Error {
    constructor({ tag, val }) {
        super(`nothing was sent: ${val ?? tag}`);
        this.name = "SendError";
        this.kind = tag;
    }
}

/** An answer instead of the 101, returned or thrown: status, a body of text or bytes, header fields as an object or pairs. */
export class Refusal extends Error {
    constructor(status, body = "", headers = {}) {
        super(`refused with ${status}`);
        this.name = "Refusal";
        if (!Number.isInteger(status) || status < 200 || status > 599) {
            throw new RangeError(`a refusal's status is 200 to 599, not ${status}`);
        }
        this.status = status;
        this.headers = fields(headers);
        this.body = typeof body === "string" ? encode(body) : asBytes(body);
        if (this.body === undefined) throw new TypeError("a refusal's body is a text or bytes");
        const typed = this.headers.some(({ name }) => name === "content-type");
        if (typeof body === "string" && body !== "" && !typed) {
            this.headers.push({ name: "content-type", value: "text/plain; charset=utf-8" });
        }
    }
}

/** Header fields out of an object or pairs, as the host takes them. */
export function fields(headers) {
    const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
    return pairs.map(([name, value]) => ({ name: String(name).toLowerCase(), value: String(value) }));
}

/** The close frame for what a hook threw: its own, or 1011 with the error in the log. */
export function closeFrame(error, hook) {
    if (error instanceof CloseError) return { code: error.code, reason: error.reason };
    report(error, hook);
    return { code: 1011, reason: "internal error" };
}

/** The response for what was thrown instead of an acceptance: its own, or 500 with the error in the log. */
export function response(error, hook) {
    if (error instanceof Refusal) return { status: error.status, headers: error.headers, body: error.body };
    report(error, hook);
    return { status: 500, headers: [], body: new Uint8Array() };
}

/** Logs an error with its stack. */
export function report(error, hook) {
    log.error(`${hook} failed: ${log.shown(error)}`);
}

/** Throws unless a plugin may send this close code. */
export function checkCode(code) {
    const fine = [1000, 1001, 1003].includes(code) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    if (!Number.isInteger(code) || !fine) {
        throw new RangeError(`a plugin may close with 1000, 1001, 1003, 1007 to 1014 and 3000 to 4999, not with ${code}`);
    }
}

/** A reason as far as it fits, cut between characters. */
export function cut(reason) {
    const bytes = encode(reason);
    if (bytes.length <= MAX_REASON) return reason;
    let end = MAX_REASON;
    while ((bytes[end] & 0xc0) === 0x80) end--;
    return decode(bytes.subarray(0, end));
}
