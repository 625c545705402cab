/* The request: its parts, and what authenticators look for in it. */
#include "socklet_internal.h"

#include <string.h>

socklet_connection socklet_request_connection(const socklet_request *request) { return request->raw.connection; }
socklet_text socklet_request_listener(const socklet_request *request) { return socklet_of(request->raw.listener); }
socklet_text socklet_request_method(const socklet_request *request) { return socklet_of(request->raw.method); }
socklet_text socklet_request_authority(const socklet_request *request) { return socklet_of(request->raw.authority); }
socklet_text socklet_request_path(const socklet_request *request) { return socklet_of(request->raw.path); }
socklet_text socklet_request_client_ip(const socklet_request *request) { return socklet_of(request->raw.client_ip); }
uint16_t socklet_request_client_port(const socklet_request *request) { return request->raw.client_port; }
bool socklet_request_secure(const socklet_request *request) { return request->raw.secure; }
size_t socklet_request_headers(const socklet_request *request) { return request->raw.headers.len; }

socklet_text socklet_request_raw_query(const socklet_request *request) {
    return request->raw.query.is_some ? socklet_of(request->raw.query.val) : (socklet_text){0};
}

void socklet_request_header_at(const socklet_request *request, size_t index, socklet_text *name, socklet_text *value) {
    if (index >= request->raw.headers.len) __builtin_trap();
    *name = socklet_of(request->raw.headers.ptr[index].name);
    *value = socklet_of(request->raw.headers.ptr[index].value);
}

socklet_text socklet_request_header(const socklet_request *request, const char *name) {
    for (size_t i = 0; i < request->raw.headers.len; i++) {
        const socklet_plugin_types_field_t *field = &request->raw.headers.ptr[i];
        if (socklet_is(socklet_of(field->name), name)) return socklet_of(field->value);
    }
    return (socklet_text){0};
}

static socklet_text find(this_list_tuple2_string_string_t pairs, const char *name) {
    for (size_t i = 0; i < pairs.len; i++) {
        if (socklet_is(socklet_of(pairs.ptr[i].f0), name)) return socklet_of(pairs.ptr[i].f1);
    }
    return (socklet_text){0};
}

socklet_text socklet_request_capture(const socklet_request *request, const char *name) {
    return find(request->raw.captures, name);
}

socklet_text socklet_request_attribute(const socklet_request *request, const char *name) {
    return find(request->raw.attributes, name);
}

socklet_text socklet_principal_subject(const socklet_principal *principal) { return socklet_of(principal->raw.subject); }

socklet_text socklet_principal_attribute(const socklet_principal *principal, const char *name) {
    return find(principal->raw.attributes, name);
}

/* Cuts the part before a separator off a text. */
static bool cut(socklet_text *rest, char separator, socklet_text *part) {
    if (!rest->data) return false;
    const char *found = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    size_t size = found ? (size_t)(found - rest->data) : rest->size;
    *part = (socklet_text){rest->data, size};
    *rest = found ? (socklet_text){found + 1, rest->size - size - 1} : (socklet_text){0};
    return true;
}

static socklet_text trim(socklet_text text) {
    while (text.size && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.size--;
    while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) text.size--;
    return text;
}

/* As in a form: a plus is a space. */
static socklet_text form_decode(socklet_text text) {
    char *spaced = socklet_alloc(text.size);
    for (size_t i = 0; i < text.size; i++) spaced[i] = text.data[i] == '+' ? ' ' : text.data[i];
    return socklet_percent_decode((socklet_text){spaced, text.size});
}

socklet_text socklet_request_query(const socklet_request *request, const char *name) {
    socklet_text rest = socklet_request_raw_query(request), pair;
    while (cut(&rest, '&', &pair)) {
        socklet_text key;
        cut(&pair, '=', &key);
        if (socklet_is(form_decode(key), name)) return pair.data ? form_decode(pair) : socklet_str("");
    }
    return (socklet_text){0};
}

socklet_text socklet_request_cookie(const socklet_request *request, const char *name) {
    for (size_t i = 0; i < request->raw.headers.len; i++) {
        const socklet_plugin_types_field_t *field = &request->raw.headers.ptr[i];
        if (!socklet_is(socklet_of(field->name), "cookie")) continue;
        socklet_text rest = socklet_of(field->value), pair;
        while (cut(&rest, ';', &pair)) {
            socklet_text key;
            cut(&pair, '=', &key);
            if (pair.data && socklet_is(trim(key), name)) return trim(pair);
        }
    }
    return (socklet_text){0};
}

/* What follows a scheme, which is in any case, in `authorization`. */
static socklet_text credentials(const socklet_request *request, const char *scheme) {
    socklet_text rest = socklet_request_header(request, "authorization"), found;
    size_t size = strlen(scheme);
    if (!cut(&rest, ' ', &found) || found.size != size || !rest.data) return (socklet_text){0};
    for (size_t i = 0; i < size; i++) {
        if ((found.data[i] | 0x20) != scheme[i]) return (socklet_text){0};
    }
    return trim(rest);
}

socklet_text socklet_request_bearer(const socklet_request *request) { return credentials(request, "bearer"); }

static int base64(char digit) {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool socklet_request_basic(const socklet_request *request, socklet_text *user, socklet_text *password) {
    socklet_text text = credentials(request, "basic");
    if (!text.data) return false;
    while (text.size && text.data[text.size - 1] == '=') text.size--;
    char *decoded = socklet_alloc(text.size);
    size_t size = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = base64(text.data[i]);
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4) decoded[size++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    socklet_text rest = {decoded, size};
    if (text.size % 4 == 1 || !cut(&rest, ':', user) || !rest.data) return false;
    *password = rest;
    return true;
}

bool socklet_request_offers(const socklet_request *request, const char *subprotocol) {
    for (size_t i = 0; i < request->raw.headers.len; i++) {
        const socklet_plugin_types_field_t *field = &request->raw.headers.ptr[i];
        if (!socklet_is(socklet_of(field->name), "sec-websocket-protocol")) continue;
        socklet_text rest = socklet_of(field->value), offered;
        while (cut(&rest, ',', &offered)) {
            if (socklet_is(trim(offered), subprotocol)) return true;
        }
    }
    return false;
}
