// What a connection does. The hooks are called by the host; all of them may be left out.

import { CloseError, Refusal, defineBehavior, defineSettings, setting } from "#socklet";

// `[plugin.{{name}}.settings]` of the host's configuration, or `socklet run --setting greeting=Hi`.
const settings = defineSettings({
    greeting: setting.string("Hello"),
});

export default defineBehavior({
    // What every connection begins with; kept until it closes, and saved while it sleeps.
    data: () => ({ name: "", messages: 0 }),

    onUpgrade(request, connection) {
        const name = request.queryValue("name") ?? "stranger";
        if (name.length > 40) return new Refusal(400, "this name is too long");
        connection.data.name = name;
    },

    onOpen(connection) {
        connection.send(`${settings.greeting}, ${connection.data.name}!`);
    },

    onMessage(connection, message) {
        if (typeof message !== "string") throw new CloseError(1003, "text only");
        connection.data.messages += 1;
        connection.send(`${connection.data.messages}: ${message}`);
    },
});
