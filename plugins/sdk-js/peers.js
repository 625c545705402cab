// The connections that this instance serves, each with the plugin's own data, and how they are saved.

import { Connection } from "./connection.js";
import { host, reason } from "./host.js";

/** More connections that were accepted and are not open yet are looked after: some never will be. */
const MANY = 16;

/** What saved states begin with. */
const VERSION = 1;

export class Peers {
    #open = new Map();
    /** Between `onUpgrade` and `onOpen`, the oldest first. */
    #accepted = new Map();
    #data;

    /** `data` makes what a connection begins with. */
    constructor(data) {
        this.#data = data;
    }

    /** A connection that asks to be accepted. It is kept once it is. */
    ask(id) {
        return new Connection(id, this.#data());
    }

    /** Keeps a connection that was accepted. */
    accept(connection) {
        // A client that goes away before its connection is open is never heard of again.
        if (this.#accepted.size >= MANY) {
            for (const id of [...this.#accepted.keys()].slice(0, 2)) {
                const oldest = this.#accepted.get(id);
                this.#accepted.delete(id);
                if (isThere(id)) this.#accepted.set(id, oldest);
            }
        }
        this.#accepted.set(connection.id, connection);
    }

    /** A connection that is open; with fresh data where an instance before this one served it. */
    get(id) {
        const there = this.#open.get(id);
        if (there !== undefined) return there;
        const connection = this.#accepted.get(id) ?? this.ask(id);
        this.#accepted.delete(id);
        this.#open.set(id, connection);
        return connection;
    }

    /** The connection of a timer; undefined when it is not there any more. */
    find(id) {
        return this.#open.get(id) ?? this.#accepted.get(id);
    }

    /** Forgets a connection, and its timers. */
    drop(id) {
        const connection = this.#open.get(id);
        this.#open.delete(id);
        connection?.timers.forEach((name) => connection.cancelTimer(name));
    }

    /** All of them and the instance's own state, as text. */
    save(instance) {
        const entries = (map) => [...map.values()].map(({ id, data, timers }) => [id, data, [...timers]]);
        const state = { version: VERSION, open: entries(this.#open), accepted: entries(this.#accepted), instance };
        return JSON.stringify(state, plain);
    }

    /** Takes back what `save` returned, and returns the instance's own state. */
    load(text, restore) {
        const state = JSON.parse(text);
        if (state?.version !== VERSION) throw new Error(`this is not a state that version ${VERSION} of the SDK has saved`);
        const fill = (map, entries) => {
            for (const [id, data, timers] of entries) {
                const connection = new Connection(id, restore(data));
                connection.timers = new Set(timers);
                map.set(id, connection);
            }
        };
        fill(this.#open, state.open);
        fill(this.#accepted, state.accepted);
        return state.instance;
    }
}

/** Refuses what JSON would lose without a word. */
function plain(key, value) {
    const lost = value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
    if (lost || typeof value === "function" || typeof value === "bigint" || typeof value === "symbol") {
        const what = typeof value === "object" ? value.constructor.name : typeof value;
        throw new TypeError(`${key} is a ${what}, which JSON does not have: give its owner toJSON(), and the plugin restore()`);
    }
    return value;
}

function isThere(id) {
    try {
        host.connections.setAttachment(id, host.connections.attachment(id));
        return true;
    } catch (error) {
        if (reason(error)?.tag === "unknown") return false;
        throw error;
    }
}
