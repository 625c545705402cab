/* The host as a behavior sees it: connections, topics, heartbeat. */
#include "socklet_internal.h"

#ifndef SOCKLET_AUTHENTICATOR_WORLD

#include <string.h>

static socklet_status status(bool queued, socklet_plugin_connections_send_error_t *error) {
    if (queued) return SOCKLET_QUEUED;
    socklet_status said = (socklet_status)(error->tag + 1);
    socklet_plugin_connections_send_error_free(error);
    return said;
}

const char *socklet_status_text(socklet_status status) {
    switch (status) {
        case SOCKLET_QUEUED: return "queued";
        case SOCKLET_UNKNOWN: return "no such connection, or it is closing";
        case SOCKLET_NOT_OPEN: return "the connection is not open yet";
        case SOCKLET_FULL: return "the send queue is full";
        case SOCKLET_INVALID: return "not a frame that may be sent";
        default: return "the host refused";
    }
}

socklet_message socklet_text_message(socklet_text text) { return (socklet_message){.binary = false, .body = text}; }
socklet_message socklet_binary_message(socklet_text bytes) { return (socklet_message){.binary = true, .body = bytes}; }

static socklet_plugin_types_message_t lend(socklet_message message) {
    socklet_plugin_types_message_t lent = {.tag = SOCKLET_PLUGIN_TYPES_MESSAGE_TEXT};
    lent.val.text = socklet_lend(message.body);
    if (message.binary) {
        lent.tag = SOCKLET_PLUGIN_TYPES_MESSAGE_BINARY;
        lent.val.binary = (this_list_u8_t){(uint8_t *)message.body.data, message.body.size};
    }
    return lent;
}

socklet_status socklet_send(socklet_connection to, socklet_message message) {
    socklet_plugin_types_message_t lent = lend(message);
    socklet_plugin_connections_send_error_t error;
    return status(socklet_plugin_connections_send(to, &lent, &error), &error);
}

socklet_status socklet_sendf(socklet_connection to, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    socklet_text text = socklet_vformat(format, arguments);
    va_end(arguments);
    return socklet_send(to, socklet_text_message(text));
}

/* SOCKLET_NOBODY as the bindings say it. */
static socklet_connection *but_or_null(socklet_connection *but) { return *but == SOCKLET_NOBODY ? NULL : but; }

uint64_t socklet_send_all(socklet_message message, socklet_connection but) {
    socklet_plugin_types_message_t lent = lend(message);
    return socklet_plugin_connections_send_all(&lent, but_or_null(&but));
}

socklet_status socklet_send_frame(socklet_connection to, socklet_opcode opcode, bool fin, socklet_text payload) {
    this_list_u8_t lent = {(uint8_t *)payload.data, payload.size};
    socklet_plugin_connections_send_error_t error;
    bool queued = socklet_plugin_connections_send_frame(to, (socklet_plugin_connections_opcode_t)opcode, fin, &lent, &error);
    return status(queued, &error);
}

socklet_status socklet_flush(socklet_connection connection) {
    socklet_plugin_connections_send_error_t error;
    return status(socklet_plugin_connections_flush(connection, &error), &error);
}

uint64_t socklet_queued(socklet_connection connection) { return socklet_plugin_connections_queued(connection); }

socklet_status socklet_close(socklet_connection connection, uint16_t code, const char *reason) {
    socklet_plugin_types_close_frame_t frame = {.code = code, .reason = socklet_lend_str(reason)};
    socklet_plugin_connections_send_error_t error;
    return status(socklet_plugin_connections_close(connection, &frame, &error), &error);
}

uint64_t socklet_count(void) { return socklet_plugin_connections_count(); }

/* A list of ids that lives until the hook returns. */
static size_t keep(const uint64_t *list, size_t size, const socklet_connection **ids) {
    socklet_connection *kept = socklet_alloc(size * sizeof *kept);
    if (size) memcpy(kept, list, size * sizeof *kept);
    *ids = kept;
    return size;
}

size_t socklet_connections(const socklet_connection **ids) {
    socklet_plugin_connections_list_connection_id_t list;
    socklet_plugin_connections_ids(&list);
    size_t size = keep(list.ptr, list.len, ids);
    socklet_plugin_connections_list_connection_id_free(&list);
    return size;
}

/* A copy of a text that lives until the hook returns. */
static socklet_text keep_text(const uint8_t *data, size_t size) {
    char *kept = socklet_alloc(size);
    if (size) memcpy(kept, data, size);
    return (socklet_text){kept, size};
}

const socklet_principal *socklet_principal_of(socklet_connection connection) {
    socklet_plugin_types_principal_t found;
    if (!socklet_plugin_connections_principal_of(connection, &found)) return NULL;
    socklet_principal *kept = socklet_alloc(sizeof *kept);
    socklet_text subject = keep_text(found.subject.ptr, found.subject.len);
    kept->raw = found;
    kept->raw.subject = socklet_lend(subject);
    kept->raw.attributes.ptr = socklet_alloc(found.attributes.len * sizeof *found.attributes.ptr);
    for (size_t i = 0; i < found.attributes.len; i++) {
        const this_tuple2_string_string_t *pair = &found.attributes.ptr[i];
        kept->raw.attributes.ptr[i].f0 = socklet_lend(keep_text(pair->f0.ptr, pair->f0.len));
        kept->raw.attributes.ptr[i].f1 = socklet_lend(keep_text(pair->f1.ptr, pair->f1.len));
    }
    socklet_plugin_types_principal_free(&found);
    return kept;
}

socklet_text socklet_attachment(socklet_connection connection) {
    this_list_u8_t found;
    socklet_plugin_connections_attachment(connection, &found);
    socklet_text kept = keep_text(found.ptr, found.len);
    this_list_u8_free(&found);
    return kept;
}

socklet_status socklet_attach(socklet_connection connection, socklet_text value) {
    this_list_u8_t lent = {(uint8_t *)value.data, value.size};
    socklet_plugin_connections_send_error_t error;
    return status(socklet_plugin_connections_set_attachment(connection, &lent, &error), &error);
}

/* Logs why the host said no. */
static bool refused(const char *what, this_string_t *why) {
    socklet_log(SOCKLET_WARN, "%s: %.*s", what, (int)why->len, (const char *)why->ptr);
    this_string_free(why);
    return false;
}

bool socklet_subscribe(socklet_connection connection, socklet_text topic) {
    this_string_t lent = socklet_lend(topic), why;
    return socklet_plugin_topics_subscribe(connection, &lent, &why) || refused("not subscribed", &why);
}

void socklet_unsubscribe(socklet_connection connection, socklet_text topic) {
    this_string_t lent = socklet_lend(topic);
    socklet_plugin_topics_unsubscribe(connection, &lent);
}

uint64_t socklet_publish(socklet_text topic, socklet_message message, socklet_connection but) {
    this_string_t lent_topic = socklet_lend(topic);
    socklet_plugin_types_message_t lent = lend(message);
    return socklet_plugin_topics_publish(&lent_topic, &lent, but_or_null(&but));
}

size_t socklet_subscribers(socklet_text topic, const socklet_connection **ids) {
    this_string_t lent = socklet_lend(topic);
    socklet_plugin_topics_list_connection_id_t list;
    socklet_plugin_topics_subscribers(&lent, &list);
    size_t size = ids ? keep(list.ptr, list.len, ids) : list.len;
    socklet_plugin_topics_list_connection_id_free(&list);
    return size;
}

uint32_t socklet_heartbeat_seconds(void) { return socklet_plugin_heartbeat_interval_seconds(); }

bool socklet_set_heartbeat_seconds(uint32_t seconds) {
    this_string_t why;
    return socklet_plugin_heartbeat_set_interval_seconds(seconds, &why) || refused("heartbeat not set", &why);
}

socklet_text socklet_heartbeat_payload(void) {
    this_string_t found;
    socklet_plugin_heartbeat_payload(&found);
    socklet_text kept = keep_text(found.ptr, found.len);
    this_string_free(&found);
    return kept;
}

bool socklet_set_heartbeat_payload(socklet_text payload) {
    this_string_t lent = socklet_lend(payload), why;
    return socklet_plugin_heartbeat_set_payload(&lent, &why) || refused("heartbeat not set", &why);
}

#endif
