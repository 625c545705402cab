// Lets in who has a token, in `Authorization: Bearer` or in the query.

import { abstain, defineAuthenticator, defineSettings, deny, grant, same, setting } from "#socklet";

const settings = defineSettings({
    // Whose token it is.
    tokens: setting.record(setting.string()),
    // Seconds after which the connection is closed.
    ttl: setting.optional(setting.integer(undefined, { min: 1 })),
});

export default defineAuthenticator({
    authenticate(request) {
        const bearer = request.bearer();
        const token = bearer ?? request.queryValue("token");
        if (token === undefined) return abstain();
        // All are compared, so that the time does not tell which one was nearly right.
        const [subject] = Object.entries(settings.tokens).flatMap(([known, of]) => (same(known, token) ? [of] : []));
        if (subject === undefined) {
            return deny(401, "unknown token", { "www-authenticate": 'Bearer realm="socklet"' });
        }
        const expiresAt = settings.ttl === undefined ? null : Math.floor(Date.now() / 1000) + settings.ttl;
        return grant(subject, { attributes: { via: bearer === undefined ? "query" : "bearer" }, expiresAt });
    },
});
