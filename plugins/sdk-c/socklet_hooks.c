/* The exports of a behavior: each hook is called with what is kept for its connection, and what it says becomes a close frame. */
#include "socklet_internal.h"

#ifndef SOCKLET_AUTHENTICATOR_WORLD

#include "socklet_objects.h"

#include <string.h>

struct socklet_closing {
    uint16_t code;
    size_t size;
    char reason[123];
};

struct socklet_response {
    bool refused;
    exports_socklet_plugin_behavior_acceptance_t acceptance;
    socklet_plugin_types_response_t refusal;
};

static const struct socklet_closing internal_error = {SOCKLET_INTERNAL, 14, "internal error"};

socklet_result socklet_end(uint16_t code, const char *reason) {
    // One hook is called at a time, and what it returns is read at once.
    static struct socklet_closing closing;
    size_t size = strlen(reason);
    if (size > sizeof closing.reason) {
        size = sizeof closing.reason;
        while (size && ((unsigned char)reason[size] & 0xc0) == 0x80) size--;
    }
    closing.code = code;
    closing.size = size;
    memcpy(closing.reason, reason, size);
    return &closing;
}

socklet_result socklet_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    socklet_text why = socklet_vformat(format, arguments);
    va_end(arguments);
    socklet_log(SOCKLET_ERROR, "closing the connection: %.*s", SOCKLET_ARG(why));
    return &internal_error;
}

socklet_result socklet_sent(socklet_status status) {
    return status == SOCKLET_QUEUED ? SOCKLET_OK : socklet_fail("nothing was sent: %s", socklet_status_text(status));
}

static bool started(void) { return socklet_started(socklet_plugin.start); }

// === The answer to an upgrade ===

void socklet_choose_subprotocol(socklet_response *response, socklet_text subprotocol) {
    this_option_string_free(&response->acceptance.subprotocol);
    response->acceptance.subprotocol = (this_option_string_t){.is_some = true, .val = socklet_give(subprotocol)};
}

void socklet_add_header(socklet_response *response, const char *name, socklet_text value) {
    socklet_give_field(response->refused ? &response->refusal.headers : &response->acceptance.headers, name, value);
}

void socklet_refuse(socklet_response *response, uint16_t status, socklet_text body) {
    socklet_plugin_types_response_free(&response->refusal);
    socklet_give_response(&response->refusal, status, body);
    response->refused = true;
}

bool exports_socklet_plugin_behavior_on_upgrade(
    exports_socklet_plugin_behavior_request_t *request,
    exports_socklet_plugin_behavior_principal_t *maybe_principal,
    exports_socklet_plugin_behavior_acceptance_t *ret,
    exports_socklet_plugin_behavior_response_t *err) {
    socklet_response response = {0};
    if (!started()) {
        socklet_refuse(&response, 500, socklet_str(""));
    } else {
        void *self = socklet_object_for(request->connection, true);
        if (socklet_plugin.on_upgrade) {
            socklet_plugin.on_upgrade((socklet_request *)request, (socklet_principal *)maybe_principal, self, &response);
        }
        if (response.refused) socklet_object_drop(request->connection);
    }
    if (response.refused) {
        exports_socklet_plugin_behavior_acceptance_free(&response.acceptance);
        *err = response.refusal;
    } else {
        *ret = response.acceptance;
    }
    socklet_plugin_types_request_free(request);
    if (maybe_principal) socklet_plugin_types_principal_free(maybe_principal);
    socklet_release();
    return !response.refused;
}

// === The other hooks ===

/* Ends a hook: what it said of its connection, as the bindings want it. */
static bool end(socklet_result result, socklet_plugin_types_close_frame_t *err) {
    if (result) {
        err->code = result->code;
        err->reason = socklet_give((socklet_text){result->reason, result->size});
    }
    socklet_release();
    return !result;
}

bool exports_socklet_plugin_behavior_on_open(uint64_t connection, exports_socklet_plugin_behavior_close_frame_t *err) {
    socklet_result result = SOCKLET_OK;
    if (!started()) {
        result = &internal_error;
    } else {
        void *self = socklet_object_for(connection, false);
        if (socklet_plugin.on_open) result = socklet_plugin.on_open(connection, self);
    }
    return end(result, err);
}

bool exports_socklet_plugin_behavior_on_message(
    uint64_t connection,
    exports_socklet_plugin_behavior_message_t *message,
    exports_socklet_plugin_behavior_close_frame_t *err) {
    socklet_result result = SOCKLET_OK;
    if (!started()) {
        result = &internal_error;
    } else if (socklet_plugin.on_message) {
        void *self = socklet_object_for(connection, false);
        socklet_message said = {.binary = message->tag == SOCKLET_PLUGIN_TYPES_MESSAGE_BINARY};
        said.body = said.binary ? (socklet_text){(const char *)message->val.binary.ptr, message->val.binary.len}
                                : socklet_of(message->val.text);
        result = socklet_plugin.on_message(connection, self, said);
    }
    socklet_plugin_types_message_free(message);
    return end(result, err);
}

void exports_socklet_plugin_behavior_on_close(uint64_t connection, exports_socklet_plugin_behavior_ending_t *ending) {
    if (started()) {
        void *self = socklet_object_for(connection, false);
        if (socklet_plugin.on_close) {
            socklet_ending told = {
                .code = ending->close.code,
                .reason = socklet_of(ending->close.reason),
                .cause = (socklet_cause)ending->cause.tag,
                .clean = ending->clean,
                .duration_ms = ending->duration_ms,
                .messages_received = ending->messages_received,
                .messages_sent = ending->messages_sent,
            };
            socklet_plugin.on_close(connection, self, &told);
        }
        socklet_object_drop(connection);
    }
    exports_socklet_plugin_behavior_ending_free(ending);
    socklet_release();
}

// === Optional exports ===

#ifdef SOCKLET_FRAMES
exports_socklet_plugin_frames_disposition_t exports_socklet_plugin_frames_on_frame(
    uint64_t connection, exports_socklet_plugin_frames_frame_t *frame) {
    socklet_disposition said = SOCKLET_PROCESS;
    if (!started()) {
        said = SOCKLET_STOP;
    } else if (socklet_plugin.on_frame) {
        socklet_frame seen = {
            .opcode = (socklet_opcode)frame->opcode,
            .fin = frame->fin,
            .payload = {(const char *)frame->payload.ptr, frame->payload.len},
        };
        said = socklet_plugin.on_frame(connection, socklet_object_for(connection, false), seen);
    }
    this_list_u8_free(&frame->payload);
    socklet_release();
    return (exports_socklet_plugin_frames_disposition_t)said;
}
#endif

#ifdef SOCKLET_TIMER_EVENTS
/* `#ID/NAME`: the timer NAME of one connection. */
static socklet_text name_of(socklet_connection connection, const char *name) {
    return socklet_format("#%llu/%s", (unsigned long long)connection, name);
}

static bool set_timer(socklet_text name, uint64_t after_ms) {
    this_string_t lent = socklet_lend(name), why;
    if (socklet_plugin_timers_set(&lent, after_ms, &why)) return true;
    socklet_log(SOCKLET_WARN, "timer not set: %.*s", (int)why.len, (const char *)why.ptr);
    this_string_free(&why);
    return false;
}

static void cancel_timer(socklet_text name) {
    this_string_t lent = socklet_lend(name);
    socklet_plugin_timers_cancel(&lent);
}

bool socklet_set_timer(const char *name, uint64_t after_ms) {
    if (name[0] != '#') return set_timer(socklet_str(name), after_ms);
    socklet_log(SOCKLET_WARN, "timer not set: names that begin with '#' are those of connections");
    return false;
}

void socklet_cancel_timer(const char *name) { cancel_timer(socklet_str(name)); }

bool socklet_set_connection_timer(socklet_connection connection, const char *name, uint64_t after_ms) {
    return set_timer(name_of(connection, name), after_ms);
}

void socklet_cancel_connection_timer(socklet_connection connection, const char *name) {
    cancel_timer(name_of(connection, name));
}

/* The connection's timer is due, unless the connection has gone. */
static void due(socklet_text name) {
    socklet_connection connection = 0;
    size_t i = 1;
    for (; i < name.size && name.data[i] != '/'; i++) connection = connection * 10 + (uint64_t)(name.data[i] - '0');
    void *self = socklet_object(connection);
    if (!self || i >= name.size || !socklet_plugin.on_connection_timer) return;
    socklet_text rest = {name.data + i + 1, name.size - i - 1};
    socklet_result result = socklet_plugin.on_connection_timer(connection, self, rest);
    if (result) socklet_close(connection, result->code, socklet_format("%.*s", (int)result->size, result->reason).data);
}

void exports_socklet_plugin_timer_events_on_timer(this_string_t *name) {
    if (started()) {
        socklet_text text = socklet_of(*name);
        if (text.size && text.data[0] == '#') {
            due(text);
        } else if (socklet_plugin.on_timer) {
            socklet_plugin.on_timer(text);
        }
    }
    this_string_free(name);
    socklet_release();
}
#endif

#endif
