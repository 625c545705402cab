// Rooms that talk: who comes and goes, and what they say.
#include <socklet.h>
#include <string.h>

enum { MAX_NAME = 40, MAX_ROOM = 128 };

// What is kept for each connection: a member of a room. Forty characters have at most 160 bytes.
typedef struct {
    uint8_t name_size;
    uint8_t room_size;
    char name[4 * MAX_NAME];
    char room[MAX_ROOM];
} member;

static socklet_text topic_of(const member *member) {
    return socklet_format("room:%.*s", (int)member->room_size, member->room);
}

static socklet_text name_of(const member *member) {
    return socklet_json((socklet_text){member->name, member->name_size});
}

// Says who came or went, with how many there are now.
static void tell(const member *member, const char *type) {
    socklet_text topic = topic_of(member);
    size_t members = socklet_subscribers(topic, NULL);
    socklet_text line = socklet_format(
        "{\"type\":\"%s\",\"name\":%.*s,\"members\":%zu}", type, SOCKLET_ARG(name_of(member)), members);
    socklet_publish(topic, socklet_text_message(line), SOCKLET_NOBODY);
}

static void on_upgrade(
    const socklet_request *request, const socklet_principal *principal, void *self, socklet_response *response) {
    (void)principal;
    member *member = self;
    socklet_text name = socklet_request_query(request, "name");
    if (!name.data) name = socklet_format("guest-%llu", (unsigned long long)socklet_request_connection(request));
    size_t characters = socklet_characters(name);
    if (characters < 1 || characters > MAX_NAME) {
        socklet_refuse(response, 400, socklet_str("bad name"));
        return;
    }
    socklet_text room = socklet_request_capture(request, "room");
    if (!room.data) room = socklet_str("lobby");
    if (room.size > MAX_ROOM) {
        socklet_refuse(response, 400, socklet_str("bad room"));
        return;
    }
    member->name_size = (uint8_t)name.size;
    member->room_size = (uint8_t)room.size;
    memcpy(member->name, name.data, name.size);
    memcpy(member->room, room.data, room.size);
}

static socklet_result on_open(socklet_connection connection, void *self) {
    if (!socklet_subscribe(connection, topic_of(self))) return socklet_fail("no room");
    tell(self, "join");
    return SOCKLET_OK;
}

static socklet_result on_message(socklet_connection connection, void *self, socklet_message message) {
    if (message.binary) return socklet_end(SOCKLET_UNSUPPORTED, "text only");
    if (socklet_is(message.body, "/quit")) return socklet_end(SOCKLET_NORMAL, "bye");
    if (socklet_is(message.body, "/boom")) return socklet_fail("boom");
    if (socklet_is(message.body, "/later")) {
        return socklet_set_connection_timer(connection, "later", 1000) ? SOCKLET_OK : socklet_fail("no timer");
    }
    socklet_text text = socklet_json(message.body);
    socklet_text line = socklet_format(
        "{\"type\":\"message\",\"name\":%.*s,\"text\":%.*s}", SOCKLET_ARG(name_of(self)), SOCKLET_ARG(text));
    socklet_publish(topic_of(self), socklet_text_message(line), SOCKLET_NOBODY);
    return SOCKLET_OK;
}

static socklet_result on_connection_timer(socklet_connection connection, void *self, socklet_text name) {
    (void)self;
    (void)name;
    return socklet_sent(socklet_sendf(connection, "{\"type\":\"timer\"}"));
}

static void on_close(socklet_connection connection, void *self, const socklet_ending *ending) {
    (void)connection;
    (void)ending;
    const member *member = self;
    // After a trap nobody knows any more who it was.
    if (member->name_size) tell(member, "leave");
}

SOCKLET_BEHAVIOR = {
    .size = sizeof(member),
    .on_upgrade = on_upgrade,
    .on_open = on_open,
    .on_message = on_message,
    .on_connection_timer = on_connection_timer,
    .on_close = on_close,
};
