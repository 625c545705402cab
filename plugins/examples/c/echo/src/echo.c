// Sends every message back as it came.
#include <socklet.h>

static socklet_result on_message(socklet_connection connection, void *self, socklet_message message) {
    (void)self;
    return socklet_sent(socklet_send(connection, message));
}

SOCKLET_BEHAVIOR = {.on_message = on_message};
