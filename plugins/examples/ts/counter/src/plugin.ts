// Counts the messages of each connection. The counts survive hibernation and a new version of the plugin.

import { CloseError, defineBehavior, defineSettings, setting } from "#socklet";

const settings = defineSettings({ start: setting.integer(0) });

export default defineBehavior({
    data: () => ({ count: 0 }),

    onMessage(connection, message) {
        if (typeof message !== "string") throw new CloseError(1003, "text only");
        const { data } = connection;
        data.count = message === "reset" ? 0 : data.count + 1;
        connection.send(String(settings.start + data.count));
    },
});
