// What code expects of any JavaScript and the engine does not have: text codecs, console, random numbers. Imported first.

import { host, live } from "./host.js";
import * as log from "./log.js";
import { asBytes, decode, encode } from "./text.js";

class TextEncoder {
    get encoding() {
        return "utf-8";
    }

    encode(text = "") {
        return encode(String(text));
    }

    encodeInto(text, into) {
        let [read, written] = [0, 0];
        for (const character of String(text)) {
            const bytes = encode(character);
            if (written + bytes.length > into.length) break;
            into.set(bytes, written);
            read += character.length;
            written += bytes.length;
        }
        return { read, written };
    }
}

class TextDecoder {
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
        if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(String(label).trim().toLowerCase())) {
            throw new RangeError(`TextDecoder: only utf-8 is there, not ${label}`);
        }
        Object.assign(this, { encoding: "utf-8", fatal, ignoreBOM });
    }

    decode(input = new Uint8Array(), { stream = false } = {}) {
        if (stream) throw new TypeError("TextDecoder: stream is not there, decode what belongs together at once");
        const bytes = asBytes(input);
        if (bytes === undefined) throw new TypeError("TextDecoder: bytes are expected");
        const text = decode(bytes, this.fatal);
        return !this.ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
    }
}

/** Random bytes of the host, fetched some at a time. What is kept is of this instance alone: at build time there is none. */
const pool = { bytes: new Uint8Array(), at: 0 };

function randomBytes(count) {
    if (!live) throw new Error("random numbers are not there while a plugin is built: ask for them in a hook");
    if (count > 256) return host.random.getRandomBytes(count);
    if (pool.at + count > pool.bytes.length) {
        pool.bytes = host.random.getRandomBytes(256);
        pool.at = 0;
    }
    const bytes = pool.bytes.slice(pool.at, pool.at + count);
    pool.bytes.fill(0, pool.at, pool.at + count);
    pool.at += count;
    return bytes;
}

const crypto = {
    getRandomValues(array) {
        if (!ArrayBuffer.isView(array) || array instanceof DataView || /Float/.test(array.constructor.name)) {
            throw new TypeError("getRandomValues: an array of integers is expected");
        }
        if (array.byteLength > 65_536) throw new RangeError("getRandomValues: at most 65536 bytes at a time");
        asBytes(array).set(randomBytes(array.byteLength));
        return array;
    },

    randomUUID() {
        const bytes = randomBytes(16);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
        return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
    },
};

const write = (level) => (...values) => log[level](values.map(log.shown).join(" "));

globalThis.TextEncoder ??= TextEncoder;
globalThis.TextDecoder ??= TextDecoder;
globalThis.crypto ??= crypto;
globalThis.console ??= {
    debug: write("debug"),
    trace: write("debug"),
    log: write("info"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    assert: (fine, ...values) => fine || write("error")("assertion failed:", ...values),
};

// The engine's own was seeded when the plugin was built: every instance would have the same numbers.
const seeded = Math.random;
Math.random = () => {
    if (!live) return seeded();
    const [high, low] = new Uint32Array(randomBytes(8).buffer);
    return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
};
