/* Texts: made, compared, decoded. */
#include "socklet_internal.h"

#include <stdio.h>
#include <string.h>

socklet_text socklet_str(const char *string) { return (socklet_text){string, strlen(string)}; }

bool socklet_is(socklet_text text, const char *string) {
    size_t size = strlen(string);
    return text.data && text.size == size && memcmp(text.data, string, size) == 0;
}

bool socklet_same(socklet_text one, socklet_text other) {
    if (!one.data || !other.data || one.size != other.size) return false;
    // Volatile, so that no compiler finds out when the answer is known.
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < one.size; i++) difference |= (unsigned char)(one.data[i] ^ other.data[i]);
    return difference == 0;
}

size_t socklet_characters(socklet_text text) {
    size_t characters = 0;
    for (size_t i = 0; i < text.size; i++) characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return characters;
}

socklet_text socklet_vformat(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0) return socklet_str("");
    char *text = socklet_alloc((size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    return (socklet_text){text, (size_t)size};
}

socklet_text socklet_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    socklet_text text = socklet_vformat(format, arguments);
    va_end(arguments);
    return text;
}

static int hex(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

socklet_text socklet_percent_decode(socklet_text text) {
    char *decoded = socklet_alloc(text.size);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '%' && i + 2 < text.size && hex(text.data[i + 1]) >= 0 && hex(text.data[i + 2]) >= 0) {
            decoded[size++] = (char)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
            i += 2;
        } else {
            decoded[size++] = text.data[i];
        }
    }
    return (socklet_text){decoded, size};
}

void socklet_log_text(socklet_level level, socklet_text line) {
    this_string_t lent = socklet_lend(line);
    socklet_plugin_logging_log((socklet_plugin_logging_level_t)level, &lent);
}

void socklet_log(socklet_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    socklet_log_text(level, socklet_vformat(format, arguments));
    va_end(arguments);
}

// A reactor's constructors are called by its `_initialize`, which the component's encoder has called on instantiation.
bool socklet_started(bool (*start)(void)) {
    static enum { NEW, READY, BROKEN } state = NEW;
    if (state == NEW) {
        state = !start || start() ? READY : BROKEN;
        if (state == BROKEN) socklet_log(SOCKLET_ERROR, "the plugin cannot start");
    }
    return state == READY;
}
