// Counts the messages of each connection.
#include <inttypes.h>
#include <socklet.h>

// What is kept for each connection. There is nothing to point at in it, so the SDK saves and loads it by itself.
typedef struct {
    int64_t messages;
} counter;

// Where counting begins.
static int64_t start_at = 0;

static bool start(void) { return socklet_setting_integer("start", &start_at); }

static socklet_result on_message(socklet_connection connection, void *self, socklet_message message) {
    counter *counter = self;
    if (message.binary) return socklet_end(SOCKLET_UNSUPPORTED, "text only");
    counter->messages = socklet_is(message.body, "reset") ? 0 : counter->messages + 1;
    return socklet_sent(socklet_sendf(connection, "%" PRId64, start_at + counter->messages));
}

SOCKLET_BEHAVIOR = {
    .size = sizeof(counter),
    .start = start,
    .on_message = on_message,
};
