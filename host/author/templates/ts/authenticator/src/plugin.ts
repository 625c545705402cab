// Who may connect. Every request is asked of a fresh instance.

import { abstain, defineAuthenticator, defineSettings, deny, grant, same, setting } from "#socklet";

// `[plugin.{{name}}.settings]` of the host's configuration: users and their passwords.
const settings = defineSettings({
    users: setting.record(setting.string()),
});

export default defineAuthenticator({
    authenticate(request) {
        const basic = request.basic();
        if (basic === undefined) return abstain();
        // A password that is compared in any case, so that the time does not tell which users there are.
        const password = settings.users[basic.user] ?? "";
        if (!same(password, basic.password) || password === "") {
            return deny(401, "who are you?", { "www-authenticate": 'Basic realm="socklet", charset="UTF-8"' });
        }
        return grant(basic.user, { attributes: { via: "basic" } });
    },
});
