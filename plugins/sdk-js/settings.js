// Typed settings: `[plugin.NAME.settings]` of the host's configuration.
//
// The host has texts: where a string is wanted it is taken as it is, everything else is JSON.

import { host, reason } from "./host.js";

/** What was defined by the plugin's modules. */
const defined = [];

class Kind {
    constructor(name, check, fallback) {
        Object.assign(this, { name, check, fallback });
    }

    get required() {
        return this.fallback === undefined;
    }

    /** A value out of the host's text. */
    read(text) {
        if (this.name === "string") return this.check(text);
        let value;
        try {
            value = JSON.parse(text);
        } catch {
            throw new Error(`expected ${this.name}, got ${JSON.stringify(text.slice(0, 40))}`);
        }
        return this.check(value);
    }
}

function kind(name, fits, fallback) {
    const check = (value) => {
        if (fits(value)) return value;
        throw new Error(`expected ${name}, got ${(JSON.stringify(value) ?? "nothing").slice(0, 40)}`);
    };
    return new Kind(name, check, fallback);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The kinds of settings. With a value to fall back on a setting may be left out, without one it must be there. */
export const setting = {
    string: (fallback) => kind("string", (value) => typeof value === "string", fallback),
    boolean: (fallback) => kind("true or false", (value) => typeof value === "boolean", fallback),
    number: (fallback) => kind("a number", (value) => typeof value === "number", fallback),

    /** A whole number, within bounds. */
    integer(fallback, { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = {}) {
        const name = min === Number.MIN_SAFE_INTEGER ? "a whole number" : `a whole number from ${min} to ${max}`;
        return kind(name, (value) => Number.isSafeInteger(value) && value >= min && value <= max, fallback);
    },

    /** One of some strings. */
    choice(names, fallback) {
        const of = kind(`one of ${names.join(", ")}`, (value) => names.includes(value), fallback);
        of.read = (text) => of.check(text);
        return of;
    },

    /** A list whose items are of a kind. */
    list(item, fallback) {
        const of = kind("a list", Array.isArray, fallback);
        const check = of.check;
        of.check = (value) => check(value).map((each) => item.check(each));
        return of;
    },

    /** A table whose values are of a kind. */
    record(item, fallback) {
        const of = kind("a table", isObject, fallback);
        const check = of.check;
        of.check = (value) => Object.fromEntries(Object.entries(check(value)).map(([key, each]) => [key, item.check(each)]));
        return of;
    },

    /** Whatever JSON says. */
    json: (fallback) => kind("JSON", () => true, fallback),

    /** A setting that may be left out, and is undefined then. */
    optional(of) {
        const optional = new Kind(of.name, of.check, undefined);
        optional.read = (text) => of.read(text);
        Object.defineProperty(optional, "required", { value: false });
        return optional;
    },
};

/** Says what settings a plugin has. The object that is returned has their values from the first hook on. */
export function defineSettings(schema) {
    const entry = { schema, values: undefined };
    const settings = {};
    for (const [name, of] of Object.entries(schema)) {
        if (!(of instanceof Kind)) throw new TypeError(`setting ${name}: one of setting.string(), setting.integer(), ... is expected`);
        const get = () => {
            if (entry.values === undefined) throw new Error(`setting ${name} is not there before the first hook is called`);
            return entry.values[name];
        };
        Object.defineProperty(settings, name, { get, enumerable: true });
    }
    defined.push(entry);
    return Object.freeze(settings);
}

/** Reads all settings; an error names every one that is wrong, missing or unknown. */
export function readSettings() {
    if (defined.length === 0) return;
    let pairs;
    try {
        pairs = new Map(host.config.getAll());
    } catch (error) {
        throw new Error(`cannot read settings: ${reason(error)?.val ?? error}`);
    }
    const known = defined.flatMap(({ schema }) => Object.keys(schema));
    const wrong = [...pairs.keys()]
        .filter((name) => !known.includes(name))
        .map((name) => `setting ${name}: unknown, the known ones are ${known.join(", ")}`);
    for (const entry of defined) {
        const values = {};
        for (const [name, of] of Object.entries(entry.schema)) {
            try {
                if (pairs.has(name)) values[name] = of.read(pairs.get(name));
                else if (of.required) throw new Error("missing");
                else values[name] = of.fallback;
            } catch (error) {
                wrong.push(`setting ${name}: ${error.message}`);
            }
        }
        entry.values = values;
    }
    if (wrong.length > 0) throw new Error(wrong.join("; "));
}
