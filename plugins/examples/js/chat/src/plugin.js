// Rooms that talk. The room is the route's capture `room`, the name is in the query: `/chat/lobby?name=ada`.

import { defineBehavior, Refusal, topics } from "#socklet";

const topic = ({ data }) => `room:${data.room}`;

// What everybody in a room is told of who comes and goes.
function tell(connection, type) {
    const members = topics.subscribers(topic(connection)).length;
    topics.publish(topic(connection), JSON.stringify({ type, name: connection.data.name, members }));
}

export default defineBehavior({
    data: () => ({ name: "", room: "lobby" }),

    onUpgrade(request, connection) {
        const name = request.queryValue("name") ?? `guest-${connection.id}`;
        // Characters, not the 16-bit units that `length` counts.
        const characters = [...name].length;
        if (characters < 1 || characters > 40) return new Refusal(400, "bad name");
        connection.data = { name, room: request.capture("room") ?? "lobby" };
    },

    onOpen(connection) {
        connection.subscribe(topic(connection));
        tell(connection, "join");
    },

    onMessage(connection, message) {
        if (message === "/quit") return connection.close(1000, "bye");
        if (message === "/boom") throw new Error("asked to fail");
        if (message === "/later") return connection.setTimer("later", 1000);
        if (typeof message !== "string") return;
        const { name } = connection.data;
        topics.publish(topic(connection), JSON.stringify({ type: "message", name, text: message }));
    },

    onClose(connection) {
        tell(connection, "leave");
    },

    onTimer(_name, connection) {
        connection.sendJson({ type: "timer" });
    },
});
