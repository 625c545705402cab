/* What is kept for each connection: a table by the connection's id, with open addressing. */
#include "socklet_internal.h"

#ifndef SOCKLET_AUTHENTICATOR_WORLD

#include "socklet_objects.h"

#include <stdlib.h>
#include <string.h>

/* A request that was accepted may go away before it opens, and nobody says so: that many are waited for. */
#define MAX_OPENING 1024

typedef struct {
    socklet_connection connection;
    /* When it was accepted, counted from 1; 0 once it has opened. */
    uint64_t opening;
    max_align_t self[];
} object;

static object **slots;
/* A power of two, or 0. */
static size_t capacity;
static size_t count;
static size_t opening_count;
static uint64_t accepted;

static size_t slot_of(socklet_connection connection) {
    // Fibonacci hashing: ids are close to each other.
    return (size_t)((connection * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (capacity - 1);
}

static object **find(socklet_connection connection) {
    if (!capacity) return NULL;
    for (size_t i = slot_of(connection);; i = (i + 1) & (capacity - 1)) {
        if (!slots[i]) return NULL;
        if (slots[i]->connection == connection) return &slots[i];
    }
}

static void put(object *made) {
    size_t i = slot_of(made->connection);
    while (slots[i]) i = (i + 1) & (capacity - 1);
    slots[i] = made;
}

static void grow(void) {
    object **old = slots;
    size_t old_capacity = capacity;
    capacity = capacity ? capacity * 2 : 4;
    slots = socklet_take(capacity * sizeof *slots);
    memset(slots, 0, capacity * sizeof *slots);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i]) put(old[i]);
    }
    free(old);
}

static void opened(object *one) {
    if (one->opening) opening_count--;
    one->opening = 0;
}

static void drop_oldest_opening(void) {
    object *oldest = NULL;
    for (size_t i = 0; i < capacity; i++) {
        if (slots[i] && slots[i]->opening && (!oldest || slots[i]->opening < oldest->opening)) oldest = slots[i];
    }
    if (oldest) socklet_object_drop(oldest->connection);
}

void *socklet_object(socklet_connection connection) {
    object **found = find(connection);
    return found ? (*found)->self : NULL;
}

void *socklet_object_for(socklet_connection connection, bool opening) {
    object **found = find(connection);
    if (found) {
        if (!opening) opened(*found);
        return (*found)->self;
    }
    if (opening && opening_count >= MAX_OPENING) drop_oldest_opening();
    if (count * 4 >= capacity * 3) grow();
    object *made = socklet_take(sizeof(object) + socklet_plugin.size);
    memset(made, 0, sizeof(object) + socklet_plugin.size);
    made->connection = connection;
    if (opening) {
        made->opening = ++accepted;
        opening_count++;
    }
    put(made);
    count++;
    if (socklet_plugin.init) socklet_plugin.init(made->self);
    return made->self;
}

void socklet_object_drop(socklet_connection connection) {
    object **found = find(connection);
    if (!found) return;
    object *gone = *found;
    // Whoever stands behind it because its place was taken moves up.
    *found = NULL;
    for (size_t i = ((size_t)(found - slots) + 1) & (capacity - 1); slots[i]; i = (i + 1) & (capacity - 1)) {
        object *moving = slots[i];
        slots[i] = NULL;
        put(moving);
    }
    count--;
    opened(gone);
    if (socklet_plugin.drop) socklet_plugin.drop(gone->self);
    free(gone);
}

size_t socklet_object_count(void) { return count; }

bool socklet_object_next(size_t *index, socklet_connection *connection, void **self) {
    while (*index < capacity) {
        object *one = slots[(*index)++];
        if (!one) continue;
        *connection = one->connection;
        *self = one->self;
        return true;
    }
    return false;
}

#endif
