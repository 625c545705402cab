/* What the files of the SDK know of each other. */
#ifndef SOCKLET_INTERNAL_H
#define SOCKLET_INTERNAL_H

#include "socklet.h"
#include "this.h"

/* A text of the bindings as one of ours. One that is there has data, even when it is empty. */
static inline socklet_text socklet_of(this_string_t text) {
    return (socklet_text){text.ptr ? (const char *)text.ptr : "", text.len};
}

/* A text of ours for an import, which only looks at it. */
static inline this_string_t socklet_lend(socklet_text text) {
    return (this_string_t){(uint8_t *)text.data, text.size};
}

static inline this_string_t socklet_lend_str(const char *string) { return socklet_lend(socklet_str(string)); }

/* malloc that traps where there is no more memory. */
void *socklet_take(size_t size);
void *socklet_take_more(void *memory, size_t size);
/* A copy that the caller of an export frees. */
this_string_t socklet_give(socklet_text text);
/* Appends to a list that the caller of an export frees. */
void socklet_give_field(socklet_plugin_types_list_field_t *fields, const char *name, socklet_text value);
void socklet_give_pair(this_list_tuple2_string_string_t *pairs, const char *name, socklet_text value);
/* A response of plain text. */
void socklet_give_response(socklet_plugin_types_response_t *response, uint16_t status, socklet_text body);

/* socklet_format, and socklet_log, with their arguments as a list. */
socklet_text socklet_vformat(const char *format, va_list arguments);
void socklet_log_text(socklet_level level, socklet_text line);

/* Frees what socklet_alloc gave: the hook has returned. */
void socklet_release(void);

/* Makes the C library call the constructors, and the plugin start, once. False when it cannot. */
bool socklet_started(bool (*start)(void));

struct socklet_request {
    socklet_plugin_types_request_t raw;
};

struct socklet_principal {
    socklet_plugin_types_principal_t raw;
};

#endif
