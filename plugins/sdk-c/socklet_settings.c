/* Settings: `[plugin.NAME.settings]`, strings as they are and everything else as JSON. */
#include "socklet_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

socklet_text socklet_setting(const char *key) {
    this_string_t lent = socklet_lend_str(key);
    this_option_string_t found = {0};
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&lent, &found, &error)) {
        wasi_config_store_error_free(&error);
        socklet_log(SOCKLET_ERROR, "setting `%s` cannot be read", key);
        return (socklet_text){0};
    }
    if (!found.is_some) return (socklet_text){0};
    // With a zero behind it, for strtoll and strtod.
    char *copy = socklet_alloc(found.val.len + 1);
    if (found.val.len) memcpy(copy, found.val.ptr, found.val.len);
    copy[found.val.len] = '\0';
    socklet_text text = {copy, found.val.len};
    this_option_string_free(&found);
    return text;
}

/* Says what is wrong, and shows as much of the value as a log line should. */
static bool mistake(const char *key, const char *expected, socklet_text found) {
    int shown = found.size < 40 ? (int)found.size : 40;
    socklet_log(SOCKLET_ERROR, "setting `%s`: expected %s, found `%.*s`", key, expected, shown, found.data);
    return false;
}

bool socklet_setting_integer(const char *key, int64_t *value) {
    socklet_text text = socklet_setting(key);
    if (!text.data) return true;
    char *end;
    errno = 0;
    long long number = strtoll(text.data, &end, 10);
    if (errno || !text.size || end != text.data + text.size) return mistake(key, "an integer", text);
    *value = number;
    return true;
}

bool socklet_setting_number(const char *key, double *value) {
    socklet_text text = socklet_setting(key);
    if (!text.data) return true;
    char *end;
    double number = strtod(text.data, &end);
    if (!text.size || end != text.data + text.size || !isfinite(number)) return mistake(key, "a number", text);
    *value = number;
    return true;
}

bool socklet_setting_bool(const char *key, bool *value) {
    socklet_text text = socklet_setting(key);
    if (!text.data) return true;
    if (!socklet_is(text, "true") && !socklet_is(text, "false")) return mistake(key, "true or false", text);
    *value = socklet_is(text, "true");
    return true;
}

bool socklet_setting_object(const char *key, bool (*each)(socklet_text key, socklet_text value, void *data), void *data) {
    socklet_text text = socklet_setting(key);
    if (!text.data || socklet_json_object(text, each, data)) return true;
    // Not shown: it may hold secrets.
    socklet_log(SOCKLET_ERROR, "setting `%s`: expected a table of strings", key);
    return false;
}
