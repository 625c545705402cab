// From a definition to what the component exports: the hooks of the contract.

import { connectionTimer } from "./connection.js";
import { checkExports } from "./define.js";
import { closeFrame, fields, Refusal, report, response } from "./errors.js";
import { begin, bind } from "./host.js";
import * as log from "./log.js";
import { Request } from "./request.js";
import { readSettings } from "./settings.js";
import { decode, encode } from "./text.js";
import { Peers } from "./peers.js";

const DISPOSITIONS = ["process", "skip", "stop"];

/** The exports of a behavior. `exports` are the optional ones that it has. */
export function serveBehavior(definition, imports, exports) {
    checkExports(definition, exports);
    bind(imports);
    const peers = new Peers(() => definition.data?.());
    const ready = starter(definition);
    const { onMessage = () => {} } = definition;

    const behavior = {
        onUpgrade(record) {
            let accepted;
            try {
                ready();
                const connection = peers.ask(record.connection);
                accepted = acceptance(plain(definition.onUpgrade?.(new Request(record), connection)));
                peers.accept(connection);
            } catch (error) {
                throw response(error, "onUpgrade");
            }
            return accepted;
        },

        onOpen(id) {
            try {
                ready();
                plain(definition.onOpen?.(peers.get(id)));
            } catch (error) {
                throw closeFrame(error, "onOpen");
            }
        },

        onMessage(id, message) {
            // The call that there are most of: nothing here is for the looks.
            try {
                if (!ready.yes) ready();
                const returned = onMessage.call(definition, peers.get(id), message.val);
                if (returned !== undefined) plain(returned);
            } catch (error) {
                throw closeFrame(error, "onMessage");
            }
        },

        onClose(id, ending) {
            guard("onClose", () => {
                const { code, reason } = ending.close;
                const cause = ending.cause.tag === "other" ? ending.cause.val : ending.cause.tag;
                plain(definition.onClose?.(peers.get(id), { ...ending, code, reason, cause }));
            });
            guard("onClose", () => peers.drop(id));
        },
    };

    const frames = {
        onFrame(id, frame) {
            let next = "stop";
            guard("onFrame", () => {
                const asked = plain(definition.onFrame(peers.get(id), frame)) ?? "process";
                if (!DISPOSITIONS.includes(asked)) throw new Error(`expected one of ${DISPOSITIONS.join(", ")}, got ${asked}`);
                next = asked;
            });
            return next;
        },
    };

    const state = {
        save() {
            try {
                ready();
                return encode(peers.save(definition.save?.()));
            } catch (error) {
                throw log.shown(error);
            }
        },

        load(bytes) {
            try {
                ready();
                const restore = (data) => (definition.restore === undefined ? data : definition.restore(data));
                const instance = peers.load(decode(bytes, true), restore);
                if (definition.load !== undefined) plain(definition.load(instance));
            } catch (error) {
                throw log.shown(error);
            }
        },
    };

    const timerEvents = {
        onTimer(name) {
            guard("onTimer", () => {
                const [id, own] = connectionTimer(name) ?? [undefined, name];
                if (id === undefined) return plain(definition.onTimer(own));
                const connection = peers.find(id);
                if (connection === undefined) return undefined;
                connection.timers.delete(own);
                try {
                    return plain(definition.onTimer(own, connection));
                } catch (error) {
                    // A timer of a connection fails for that connection.
                    const { code, reason } = closeFrame(error, "onTimer");
                    return connection.close(code, reason);
                }
            });
        },
    };

    // Runs a hook that has nobody to tell of an error.
    function guard(hook, run) {
        try {
            ready();
            run();
        } catch (error) {
            report(error, hook);
        }
    }

    return { behavior, frames, state, timerEvents };
}

/** The exports of an authenticator. */
export function serveAuthenticator(definition, imports) {
    checkExports(definition, []);
    bind(imports);
    const ready = starter(definition);
    const authenticate = (record) => {
        try {
            ready();
            const verdict = plain(definition.authenticate(new Request(record)));
            if (verdict instanceof Refusal) throw verdict;
            if (verdict?.tag === undefined) throw new TypeError("authenticate returned neither grant() nor abstain() nor deny()");
            return verdict;
        } catch (error) {
            return { tag: "deny", val: response(error, "authenticate") };
        }
    };
    return { authenticator: { authenticate } };
}

/** Returns what starts the plugin, once; when that fails, every later call fails alike. */
function starter(definition) {
    let failed;
    const ready = () => {
        if (ready.yes) return;
        if (failed !== undefined) throw failed;
        begin();
        try {
            log.flush();
            readSettings();
            plain(definition.start?.());
            ready.yes = true;
        } catch (error) {
            failed = new Error("the plugin could not start", { cause: error });
            throw failed;
        }
    };
    ready.yes = false;
    return ready;
}

/** What `onUpgrade` returned, as the host takes it. */
function acceptance(returned) {
    if (returned instanceof Refusal) throw returned;
    const { subprotocol = null, headers = {}, ...more } = returned ?? {};
    const [unknown] = Object.keys(more);
    if (unknown !== undefined) throw new TypeError(`onUpgrade returned ${unknown}: expected subprotocol, headers, or a Refusal`);
    return { subprotocol, headers: fields(headers) };
}

/** What a hook returned; a promise would never be kept. */
function plain(returned) {
    if (returned instanceof Promise) throw new TypeError("a hook returned a promise: hooks cannot wait");
    return returned;
}
