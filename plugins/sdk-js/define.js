// What a plugin's author defines; mistakes are told when the plugin is built.

/** The hooks of a behavior, and which optional export each belongs to. */
const BEHAVIOR = {
    start: null,
    data: null,
    onUpgrade: null,
    onOpen: null,
    onMessage: null,
    onClose: null,
    onFrame: "frames",
    onTimer: "timer-events",
    save: "state",
    load: "state",
    restore: "state",
};

const AUTHENTICATOR = { start: null, authenticate: null };

/** What `defineBehavior` and `defineAuthenticator` returned. */
const definitions = new WeakSet();

/** A behavior: an object of hooks, all of which may be left out. */
export function defineBehavior(hooks) {
    check("defineBehavior", hooks, BEHAVIOR);
    if ((hooks.save === undefined) !== (hooks.load === undefined)) {
        throw new Error("defineBehavior: save and load belong together");
    }
    return define(hooks);
}

/** An authenticator: an object with `authenticate(request)`. */
export function defineAuthenticator(hooks) {
    check("defineAuthenticator", hooks, AUTHENTICATOR);
    if (hooks.authenticate === undefined) throw new Error("defineAuthenticator: authenticate is missing");
    return define(hooks);
}

/** Throws unless this was defined, and has the hooks of the optional exports that `plugin.toml` lists. */
export function checkExports(definition, exports) {
    if (!definitions.has(definition)) {
        throw new Error("the plugin's default export must be what defineBehavior or defineAuthenticator returned");
    }
    for (const [hook, needs] of Object.entries(BEHAVIOR)) {
        if (needs !== null && definition[hook] !== undefined && !exports.includes(needs)) {
            throw new Error(`${hook} is never called: add "${needs}" to exports in plugin.toml`);
        }
    }
    for (const [name, hook] of [["frames", "onFrame"], ["timer-events", "onTimer"]]) {
        if (exports.includes(name) && definition[hook] === undefined) {
            throw new Error(`plugin.toml exports ${name}, and there is no ${hook}`);
        }
    }
}

function define(hooks) {
    definitions.add(hooks);
    return hooks;
}

function check(what, hooks, known) {
    for (const [name, hook] of Object.entries(hooks)) {
        if (!(name in known)) throw new Error(`${what}: there is no hook ${name}, the known ones are ${Object.keys(known).join(", ")}`);
        if (typeof hook !== "function") throw new Error(`${what}: ${name} must be a function`);
        if (hook.constructor.name !== "Function") throw new Error(`${what}: ${name} must be a plain function: hooks cannot wait`);
    }
}
