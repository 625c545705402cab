/* The export `state`: what all connections share, and what is kept for each.
 *
 * "SKC1", the version, the shared part with its size, the number of connections, and for each its id and what was saved, with its size.
 * Numbers are little-endian. */
#include "socklet_internal.h"

#ifdef SOCKLET_STATE

#include "socklet_objects.h"

#include <stdlib.h>
#include <string.h>

struct socklet_writer {
    char *data;
    size_t size;
    size_t capacity;
};

// === Writing and reading ===

void socklet_write(socklet_writer *writer, const void *data, size_t size) {
    if (size > SIZE_MAX / 2 - writer->size) __builtin_trap();
    if (writer->size + size > writer->capacity) {
        writer->capacity = (writer->size + size) * 2;
        writer->data = socklet_take_more(writer->data, writer->capacity);
    }
    if (size) memcpy(writer->data + writer->size, data, size);
    writer->size += size;
}

// WebAssembly is little-endian.
void socklet_write_u32(socklet_writer *writer, uint32_t value) { socklet_write(writer, &value, sizeof value); }
void socklet_write_u64(socklet_writer *writer, uint64_t value) { socklet_write(writer, &value, sizeof value); }

void socklet_write_text(socklet_writer *writer, socklet_text text) {
    socklet_write_u32(writer, (uint32_t)text.size);
    socklet_write(writer, text.data, text.size);
}

bool socklet_read(socklet_reader *reader, void *data, size_t size) {
    if (size > reader->size) return false;
    if (size) memcpy(data, reader->data, size);
    reader->data += size;
    reader->size -= size;
    return true;
}

bool socklet_read_u32(socklet_reader *reader, uint32_t *value) { return socklet_read(reader, value, sizeof *value); }
bool socklet_read_u64(socklet_reader *reader, uint64_t *value) { return socklet_read(reader, value, sizeof *value); }

bool socklet_read_text(socklet_reader *reader, socklet_text *text) {
    uint32_t size;
    if (!socklet_read_u32(reader, &size) || size > reader->size) return false;
    *text = (socklet_text){reader->data, size};
    reader->data += size;
    reader->size -= size;
    return true;
}

// === The export ===

static const char magic[4] = {'S', 'K', 'C', '1'};

static bool failed(const char *why, this_string_t *err) {
    *err = socklet_give(socklet_str(why));
    return false;
}

bool exports_socklet_plugin_state_save(this_list_u8_t *ret, this_string_t *err) {
    if (!socklet_started(socklet_plugin.start)) return failed("the plugin could not start", err);
    socklet_writer writer = {0};
    socklet_write(&writer, magic, sizeof magic);
    socklet_write_u32(&writer, socklet_plugin.version);
    socklet_write_text(&writer, (socklet_text){socklet_plugin.shared, socklet_plugin.shared_size});
    socklet_write_u32(&writer, (uint32_t)socklet_object_count());
    size_t index = 0;
    socklet_connection connection;
    void *self;
    while (socklet_object_next(&index, &connection, &self)) {
        socklet_write_u64(&writer, connection);
        size_t start = writer.size;
        socklet_write_u32(&writer, 0);
        if (socklet_plugin.save) {
            socklet_plugin.save(self, &writer);
        } else {
            socklet_write(&writer, self, socklet_plugin.size);
        }
        uint32_t size = (uint32_t)(writer.size - start - sizeof size);
        memcpy(writer.data + start, &size, sizeof size);
    }
    *ret = (this_list_u8_t){(uint8_t *)writer.data, writer.size};
    socklet_release();
    return true;
}

static const char *load_one(socklet_connection connection, socklet_text saved, uint32_t version) {
    void *self = socklet_object_for(connection, false);
    if (socklet_plugin.load) {
        socklet_reader reader = {saved.data, saved.size};
        return socklet_plugin.load(self, &reader, version) ? NULL : "what a connection has saved cannot be read";
    }
    if (version != socklet_plugin.version || saved.size != socklet_plugin.size) return "saved by another version, and there is no `load`";
    if (saved.size) memcpy(self, saved.data, saved.size);
    return NULL;
}

static const char *load_all(socklet_reader *reader) {
    static const char short_one[] = "the saved state ends too early";
    char found[sizeof magic];
    uint32_t version, count;
    socklet_text shared;
    if (!socklet_read(reader, found, sizeof found) || memcmp(found, magic, sizeof magic) != 0) return "not the state of a plugin in C";
    if (!socklet_read_u32(reader, &version) || !socklet_read_text(reader, &shared) || !socklet_read_u32(reader, &count)) return short_one;
    if (version == socklet_plugin.version && shared.size == socklet_plugin.shared_size) {
        if (shared.size) memcpy(socklet_plugin.shared, shared.data, shared.size);
    } else if (shared.size) {
        socklet_log(SOCKLET_WARN, "what another version has shared is not loaded");
    }
    for (; count; count--) {
        socklet_connection connection;
        socklet_text saved;
        if (!socklet_read_u64(reader, &connection) || !socklet_read_text(reader, &saved)) return short_one;
        const char *why = load_one(connection, saved, version);
        if (why) return why;
    }
    return NULL;
}

bool exports_socklet_plugin_state_load(this_list_u8_t *state, this_string_t *err) {
    const char *why = "the plugin could not start";
    if (socklet_started(socklet_plugin.start)) {
        socklet_reader reader = {(const char *)state->ptr, state->len};
        why = load_all(&reader);
    }
    this_list_u8_free(state);
    socklet_release();
    return !why || failed(why, err);
}

#endif
