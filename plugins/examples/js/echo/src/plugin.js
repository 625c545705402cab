// Sends every message back as it came.

import { defineBehavior } from "#socklet";

export default defineBehavior({
    onMessage(connection, message) {
        connection.send(message);
    },
});
