// {{name}}: numbers the messages of each connection.
#include <socklet.h>

// What is kept for each connection. With the export `state` it is saved while an instance sleeps, as it is in memory.
typedef struct {
    unsigned messages;
} conversation;

// A setting: `[plugin.{{name}}.settings]` of the server's configuration, or `socklet run --setting separator=": "`.
static socklet_text separator_of(void) {
    socklet_text separator = socklet_setting("separator");
    return separator.data ? separator : socklet_str(". ");
}

static socklet_result on_message(socklet_connection connection, void *self, socklet_message message) {
    conversation *conversation = self;
    if (message.binary) return socklet_end(SOCKLET_UNSUPPORTED, "text only");
    conversation->messages++;
    return socklet_sent(socklet_sendf(
        connection, "%u%.*s%.*s", conversation->messages, SOCKLET_ARG(separator_of()), SOCKLET_ARG(message.body)));
}

SOCKLET_BEHAVIOR = {
    .size = sizeof(conversation),
    .on_message = on_message,
};
