// What the host offers to this instance: bound once, by the entry point of the component or by a test.

/** The imported interfaces: connections, topics, heartbeat, timers, logging, config, random. */
export let host = new Proxy(
    {},
    {
        get(_, name) {
            throw new Error(`there is no host to ask for ${String(name)}: a test begins with testHost() of #socklet/testing`);
        },
    },
);

/**
 * Whether the host may be asked. The modules of a plugin are evaluated when it is built, where there is nobody to ask; hooks are
 * called later.
 */
export let live = false;

/** Sets what `host` is. */
export function bind(imports) {
    host = imports;
}

/** Called before each start of a plugin. */
export function begin() {
    live = true;
}

/** Calls an import whose error is a text, and throws that as an error. */
export function asked(call) {
    try {
        return call();
    } catch (error) {
        throw typeof error === "string" ? new Error(error) : error;
    }
}
