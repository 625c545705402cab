// Socklet plugins in JavaScript: a behavior says what a connection does, an authenticator who may connect.

import { debug, error, info, warn } from "./log.js";

export { connections, heartbeat, timers, topics } from "./connection.js";
export { defineAuthenticator, defineBehavior } from "./define.js";
export { CloseError, Refusal, SendError } from "./errors.js";
export { percentDecode, same } from "./request.js";
export { defineSettings, setting } from "./settings.js";
export { abstain, deny, grant } from "./verdict.js";

/** The host's log. `console` writes there, too. */
export const log = { debug, info, warn, error };
