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

/** The contract's error of what an import threw: the engine wraps it. */
export function reason(error) {
    return error?.payload ?? error;
}
