/* Memory: what lives until a hook returns, and what is given to the caller of an export. */
#include "socklet_internal.h"

#include <stdlib.h>
#include <string.h>

/* Begins every piece that is freed when the hook returns. */
typedef struct piece {
    struct piece *next;
    max_align_t memory[];
} piece;

static piece *pieces;

void *socklet_take(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) __builtin_trap();
    return memory;
}

void *socklet_take_more(void *memory, size_t size) {
    memory = realloc(memory, size ? size : 1);
    if (!memory) __builtin_trap();
    return memory;
}

void *socklet_alloc(size_t size) {
    if (size > SIZE_MAX - sizeof(piece)) __builtin_trap();
    piece *made = socklet_take(sizeof(piece) + size);
    made->next = pieces;
    pieces = made;
    return made->memory;
}

void socklet_release(void) {
    while (pieces) {
        piece *gone = pieces;
        pieces = gone->next;
        free(gone);
    }
}

this_string_t socklet_give(socklet_text text) {
    uint8_t *copy = socklet_take(text.size);
    if (text.size) memcpy(copy, text.data, text.size);
    return (this_string_t){copy, text.size};
}

void socklet_give_field(socklet_plugin_types_list_field_t *fields, const char *name, socklet_text value) {
    fields->ptr = socklet_take_more(fields->ptr, (fields->len + 1) * sizeof *fields->ptr);
    fields->ptr[fields->len].name = socklet_give(socklet_str(name));
    fields->ptr[fields->len].value = socklet_give(value);
    fields->len++;
}

void socklet_give_pair(this_list_tuple2_string_string_t *pairs, const char *name, socklet_text value) {
    pairs->ptr = socklet_take_more(pairs->ptr, (pairs->len + 1) * sizeof *pairs->ptr);
    pairs->ptr[pairs->len].f0 = socklet_give(socklet_str(name));
    pairs->ptr[pairs->len].f1 = socklet_give(value);
    pairs->len++;
}

void socklet_give_response(socklet_plugin_types_response_t *response, uint16_t status, socklet_text body) {
    *response = (socklet_plugin_types_response_t){.status = status};
    if (body.size) socklet_give_field(&response->headers, "content-type", socklet_str("text/plain; charset=utf-8"));
    this_string_t copy = socklet_give(body);
    response->body = (this_list_u8_t){copy.ptr, copy.len};
}
