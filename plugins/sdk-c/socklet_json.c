/* As much JSON as settings and answers need: strings, and objects of strings (RFC 8259). */
#include "socklet_internal.h"

#include <string.h>

socklet_text socklet_json(socklet_text text) {
    static const char digits[] = "0123456789abcdef";
    char *json = socklet_alloc(text.size * 6 + 2);
    size_t size = 0;
    json[size++] = '"';
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') {
            json[size++] = '\\';
            json[size++] = (char)byte;
        } else if (byte == '\n' || byte == '\r' || byte == '\t' || byte == '\b' || byte == '\f') {
            json[size++] = '\\';
            json[size++] = byte == '\n' ? 'n' : byte == '\r' ? 'r' : byte == '\t' ? 't' : byte == '\b' ? 'b' : 'f';
        } else if (byte < 0x20) {
            memcpy(json + size, "\\u00", 4);
            json[size + 4] = digits[byte >> 4];
            json[size + 5] = digits[byte & 15];
            size += 6;
        } else {
            json[size++] = (char)byte;
        }
    }
    json[size++] = '"';
    return (socklet_text){json, size};
}

/* What is left to read. */
typedef struct {
    const char *at;
    const char *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool skip(cursor *c, char wanted) {
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

/* The four digits of \uXXXX. */
static bool read_unit(cursor *c, uint32_t *unit) {
    if (c->end - c->at < 4) return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char d = *c->at++;
        uint32_t value = d >= '0' && d <= '9'   ? (uint32_t)(d - '0')
                         : d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a' + 10)
                         : d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A' + 10)
                                                : 16;
        if (value == 16) return false;
        *unit = *unit << 4 | value;
    }
    return true;
}

static size_t put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(first[more] | code >> (6 * more));
    for (size_t i = 1; i <= more; i++) to[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

static bool read_escape(cursor *c, char *to, size_t *size) {
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end) return false;
    char escape = *c->at++;
    const char *found = escape ? strchr(from, escape) : NULL;
    if (found) {
        to[(*size)++] = into[found - from];
        return true;
    }
    uint32_t code, low;
    if (escape != 'u' || !read_unit(c, &code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u') return false;
        c->at += 2;
        if (!read_unit(c, &low) || low < 0xdc00 || low > 0xdfff) return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    *size += put_utf8(to + *size, code);
    return true;
}

static bool read_string(cursor *c, socklet_text *text) {
    if (!skip(c, '"')) return false;
    // What an escape stands for is never longer than it is.
    char *read = socklet_alloc((size_t)(c->end - c->at));
    size_t size = 0;
    while (c->at < c->end) {
        char byte = *c->at++;
        if (byte == '"') {
            *text = (socklet_text){read, size};
            return true;
        }
        if ((unsigned char)byte < 0x20) return false;
        if (byte != '\\') {
            read[size++] = byte;
        } else if (!read_escape(c, read, &size)) {
            return false;
        }
    }
    return false;
}

bool socklet_json_object(socklet_text json, bool (*each)(socklet_text key, socklet_text value, void *data), void *data) {
    if (!json.data) return false;
    cursor c = {json.data, json.data + json.size};
    if (!skip(&c, '{')) return false;
    bool more = true;
    for (bool first = true; !skip(&c, '}'); first = false) {
        socklet_text key, value;
        if (!first && !skip(&c, ',')) return false;
        if (!read_string(&c, &key) || !skip(&c, ':') || !read_string(&c, &value)) return false;
        more = more && each(key, value, data);
    }
    skip_space(&c);
    return c.at == c.end;
}
