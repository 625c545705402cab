// UTF-8 in both directions, for an engine that has no TextEncoder and no TextDecoder.

/** The bytes of a text; a lone surrogate becomes U+FFFD. */
export function encode(text) {
    const bytes = new Uint8Array(text.length * 3);
    let at = 0;
    for (let index = 0; index < text.length; index++) {
        let code = text.charCodeAt(index);
        if (code < 0x80) {
            bytes[at++] = code;
            continue;
        }
        if (code >= 0xd800 && code < 0xe000) {
            const low = text.charCodeAt(index + 1);
            if (code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                index++;
            } else {
                code = 0xfffd;
            }
        }
        if (code < 0x800) {
            bytes[at++] = 0xc0 | (code >> 6);
        } else {
            if (code < 0x10000) {
                bytes[at++] = 0xe0 | (code >> 12);
            } else {
                bytes[at++] = 0xf0 | (code >> 18);
                bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
            }
            bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
        }
        bytes[at++] = 0x80 | (code & 0x3f);
    }
    return bytes.slice(0, at);
}

/** The text of some bytes, as the Encoding Standard has it: what is not UTF-8 becomes U+FFFD, or a TypeError. */
export function decode(bytes, fatal = false) {
    const parts = [];
    let units = [];
    let at = 0;
    while (at < bytes.length) {
        const first = bytes[at];
        let code = first;
        let length = 1;
        if (first >= 0x80) {
            [code, length] = sequence(bytes, at);
            if (code < 0) {
                if (fatal) throw new TypeError("the bytes are not UTF-8");
                code = 0xfffd;
            }
        }
        at += length;
        if (code < 0x10000) units.push(code);
        else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
        if (units.length >= 4096) {
            parts.push(String.fromCharCode.apply(null, units));
            units = [];
        }
    }
    parts.push(String.fromCharCode.apply(null, units));
    return parts.join("");
}

/** A code point of two to four bytes and how many they are; -1 and how many to leave out where there is none. */
function sequence(bytes, at) {
    const first = bytes[at];
    const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    if (more === 0) return [-1, 1];
    let code = first & (0x3f >> more);
    for (let index = 1; index <= more; index++) {
        const byte = bytes[at + index];
        // The second byte says whether the code point is overlong, a surrogate, or too large.
        const low = index > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
        const high = index > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
        if (byte === undefined || byte < low || byte > high) return [-1, index];
        code = (code << 6) | (byte & 0x3f);
    }
    return [code, more + 1];
}

/** Bytes out of whatever holds some, without a copy; undefined where it holds none. */
export function asBytes(value) {
    if (value instanceof Uint8Array) return value;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return undefined;
}
