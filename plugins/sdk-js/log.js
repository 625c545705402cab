// The host's log.

import { host, live } from "./host.js";

/** Lines from before there was a host: modules are evaluated when a plugin is built. */
const early = [];
const MOST_EARLY = 16;

/** A value as a log line shows it; an error with its stack. */
export function shown(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) {
        const cause = value.cause === undefined ? [] : [`caused by ${shown(value.cause)}`];
        // The engine's stack does not repeat the message, that of node does.
        const stack = String(value.stack ?? "").replace(String(value), "");
        return [String(value), ...stack.split("\n"), ...cause].map((line) => line.trim()).filter(Boolean).join(" ");
    }
    try {
        return JSON.stringify(value) ?? String(value);
    } catch {
        return String(value);
    }
}

function log(level, message) {
    if (!live) {
        if (early.length < MOST_EARLY) early.push([level, message]);
        return;
    }
    host.logging.log(level, String(message));
}


/** For the plugin's author. */
export const debug = (message) => log("debug", message);
/** Worth knowing. */
export const info = (message) => log("info", message);
/** Worth looking at. */
export const warn = (message) => log("warn", message);
/** Something failed. */
export const error = (message) => log("error", message);

/** Writes what was logged while the modules were evaluated. */
export function flush() {
    early.splice(0).forEach(([level, message]) => log(level, message));
}
