// A connection of the route, as a handle, and all of them together.

import { host, reason } from "./host.js";
import { checkCode, cut, SendError } from "./errors.js";
import { asBytes, decode, encode } from "./text.js";

/** A text or bytes as the host takes a message. */
export function wire(message) {
    if (typeof message === "string") return { tag: "text", val: message };
    const bytes = asBytes(message);
    if (bytes === undefined) throw new TypeError("a message is a string or bytes; sendJson takes the rest");
    return { tag: "binary", val: bytes };
}

/** Calls an import whose error says why nothing was queued. */
function sending(call) {
    try {
        return call();
    } catch (error) {
        throw failed(error);
    }
}

function failed(error) {
    return reason(error)?.tag === undefined ? error : new SendError(reason(error));
}

/** The host's name of a connection's timer. */
const timerName = (id, name) => `@${id} ${name}`;

/** A connection and a name out of the host's name of a timer; undefined for a timer of the instance. */
export function connectionTimer(name) {
    const found = /^@(\d+) ([^]*)$/.exec(name);
    return found === null ? undefined : [Number(found[1]), found[2]];
}

/** One connection. Copies are fine: it is its id. */
export class Connection {
    /** The names of the timers that are set for it. */
    timers = new Set();

    constructor(id, data) {
        /** Opaque, unique in the cluster, below 2^53. */
        this.id = id;
        /** What the plugin keeps for it: what its hook `data` returned. */
        this.data = data;
    }

    /** Queues a message; throws a SendError. Never waits: it is queued, not delivered. */
    send(message) {
        const sent = wire(message);
        try {
            host.connections.send(this.id, sent);
        } catch (error) {
            throw failed(error);
        }
    }

    /** Queues a value as JSON in a text message. */
    sendJson(value) {
        const text = JSON.stringify(value);
        if (text === undefined) throw new TypeError("sendJson: this has no JSON");
        this.send(text);
    }

    /** Queues one frame: a fragment, a ping of one's own. */
    sendFrame(opcode, fin, payload) {
        sending(() => host.connections.sendFrame(this.id, opcode, fin, asBytes(payload)));
    }

    /** Waits until everything queued was written to the socket. */
    flush() {
        sending(() => host.connections.flush(this.id));
    }

    /** Bytes queued and not yet written. */
    get queued() {
        return host.connections.queued(this.id);
    }

    /** Starts the closing handshake, after what is queued already. The first close frame wins. */
    close(code = 1000, reason = "") {
        checkCode(code);
        sending(() => host.connections.close(this.id, { code, reason: cut(String(reason)) }));
    }

    /** Who it belongs to: subject, attributes as pairs, expiresAt; null on routes without authenticators. */
    get principal() {
        return host.connections.principalOf(this.id);
    }

    /** Up to 16 KiB that the host keeps with it, whatever becomes of the instance. */
    get attachment() {
        return host.connections.attachment(this.id);
    }

    set attachment(bytes) {
        sending(() => host.connections.setAttachment(this.id, asBytes(bytes)));
    }

    /** The attachment, from JSON; undefined when there is none. */
    get attached() {
        const bytes = this.attachment;
        return bytes.length === 0 ? undefined : JSON.parse(decode(bytes));
    }

    set attached(value) {
        this.attachment = value === undefined ? new Uint8Array() : encode(JSON.stringify(value));
    }

    /** Adds it to a topic, which it leaves by itself when it closes. */
    subscribe(topic) {
        host.topics.subscribe(this.id, topic);
    }

    /** Takes it out of a topic. */
    unsubscribe(topic) {
        host.topics.unsubscribe(this.id, topic);
    }

    /** Has `onTimer(name, connection)` called once, after some milliseconds. It goes with the connection. */
    setTimer(name, milliseconds) {
        timers.check(milliseconds);
        host.timers.set(timerName(this.id, name), milliseconds);
        this.timers.add(name);
    }

    /** Forgets a timer. */
    cancelTimer(name) {
        host.timers.cancel(timerName(this.id, name));
        this.timers.delete(name);
    }
}

/** The connections of this route. */
export const connections = {
    /** The ids of all that are open. */
    ids: () => host.connections.ids(),
    /** How many there are. */
    count: () => host.connections.count(),
    /** The one of this id, without its data: nothing checks that there is one. */
    handle: (id) => new Connection(id, undefined),
    /** Queues a message for all but one; returns how many on this node accepted it. */
    sendAll: (message, but) => host.connections.sendAll(wire(message), but?.id ?? null),
};

/** Named groups of connections, inside this route. */
export const topics = {
    /** Queues a message for every subscriber but one; returns how many on this node accepted it. */
    publish: (topic, message, but) => host.topics.publish(topic, wire(message), but?.id ?? null),
    /** The ids of the subscribers. */
    subscribers: (topic) => host.topics.subscribers(topic),
};

/** The route's ping to connections that were idle. Changes apply to every live connection of the route. */
export const heartbeat = {
    /** Seconds of idleness before a ping, 1 to 86,400. */
    get interval() {
        return host.heartbeat.intervalSeconds();
    },
    set interval(seconds) {
        host.heartbeat.setIntervalSeconds(seconds);
    },
    /** What the ping carries, at most 125 bytes. */
    get payload() {
        return host.heartbeat.payload();
    },
    set payload(text) {
        host.heartbeat.setPayload(text);
    },
};

/** Timers of the instance; those of a connection are `connection.setTimer`. */
export const timers = {
    /** Has `onTimer(name)` called once, after some milliseconds. */
    set(name, milliseconds) {
        timers.check(milliseconds);
        if (connectionTimer(name) !== undefined) throw new RangeError("names that begin with @ and a number are taken");
        host.timers.set(name, milliseconds);
    },
    /** Forgets a timer. */
    cancel: (name) => host.timers.cancel(name),
    /** Throws unless a timer can be set for then. */
    check(milliseconds) {
        if (!Number.isSafeInteger(milliseconds) || milliseconds < 1) {
            throw new RangeError(`a timer is due after 1 or more whole milliseconds, not ${milliseconds}`);
        }
    },
};
