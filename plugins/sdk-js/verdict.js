// What an authenticator says of a request.

import { Refusal } from "./errors.js";

/** Lets the connection in as this subject. `expiresAt` is a Date or Unix seconds, after which the host closes it with 1008. */
export function grant(subject, { attributes = {}, expiresAt = null } = {}) {
    if (typeof subject !== "string" || subject === "") throw new TypeError("grant: a subject is a string of 1 to 255 bytes");
    const pairs = Array.isArray(attributes) ? attributes : Object.entries(attributes);
    const seconds = expiresAt instanceof Date ? Math.floor(expiresAt.getTime() / 1000) : expiresAt;
    if (seconds !== null && (!Number.isSafeInteger(seconds) || seconds < 0)) {
        throw new TypeError(`grant: expiresAt is a Date or whole Unix seconds, not ${seconds}`);
    }
    const principal = { subject, attributes: pairs.map(([name, value]) => [String(name), String(value)]), expiresAt: seconds };
    return { tag: "grant", val: principal };
}

/** No opinion: the next authenticator is asked; when all abstain, the answer is 401. */
export function abstain() {
    return { tag: "abstain" };
}

/** Refuses with this response: status 400 to 599, a body of text or bytes, header fields as an object or pairs. */
export function deny(status, body = "", headers = {}) {
    const { status: code, headers: list, body: bytes } = new Refusal(status, body, headers);
    if (code < 400) throw new RangeError(`deny: a status of 400 to 599 is expected, not ${status}`);
    return { tag: "deny", val: { status: code, headers: list, body: bytes } };
}
