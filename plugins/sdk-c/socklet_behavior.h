/* What a behavior can say and hear. Included by socklet.h. */
#ifndef SOCKLET_BEHAVIOR_H
#define SOCKLET_BEHAVIOR_H

/* ---- What a hook says of its connection ---- */

/* Go on (SOCKLET_OK), or end the connection. */
typedef const struct socklet_closing *socklet_result;
#define SOCKLET_OK ((socklet_result)NULL)

enum {
    SOCKLET_NORMAL = 1000,
    SOCKLET_GOING_AWAY = 1001,
    SOCKLET_UNSUPPORTED = 1003,
    SOCKLET_INVALID_DATA = 1007,
    SOCKLET_POLICY = 1008,
    SOCKLET_TOO_BIG = 1009,
    SOCKLET_INTERNAL = 1011,
    SOCKLET_TRY_AGAIN_LATER = 1013,
};

/* Ends the connection with a code (1000, 1001, 1003, 1007 to 1014, 3000 to 4999) and a reason, cut to 123 bytes between characters. */
socklet_result socklet_end(uint16_t code, const char *reason);
/* The plugin failed: a line in the log, and 1011 for the client, without internals. */
socklet_result socklet_fail(const char *format, ...) SOCKLET_PRINTF(1, 2);

/* ---- Connections ---- */

typedef struct {
    bool binary;
    socklet_text body;
} socklet_message;

/* Whether something was queued. */
typedef enum {
    SOCKLET_QUEUED,
    /* No such connection on this route, or it is closing. */
    SOCKLET_UNKNOWN,
    SOCKLET_NOT_OPEN,
    /* The queue is full: the client does not read fast enough. */
    SOCKLET_FULL,
    /* Not a frame, a code or a text that may be sent. */
    SOCKLET_INVALID,
    SOCKLET_OTHER,
} socklet_status;

/* What to say of a status: for the log. */
const char *socklet_status_text(socklet_status status);
/* SOCKLET_OK when queued; a failure, with a line in the log, when not. `return socklet_sent(socklet_send(...));` */
socklet_result socklet_sent(socklet_status status);

/* A text message, and a binary one. */
socklet_message socklet_text_message(socklet_text text);
socklet_message socklet_binary_message(socklet_text bytes);

/* Queues a message for one connection. Never waits. */
socklet_status socklet_send(socklet_connection to, socklet_message message);
/* Queues a text message made like printf's. */
socklet_status socklet_sendf(socklet_connection to, const char *format, ...) SOCKLET_PRINTF(2, 3);
/* Queues a message for every connection but one, or SOCKLET_NOBODY; returns how many on this node accepted it. */
uint64_t socklet_send_all(socklet_message message, socklet_connection but);
/* Waits until everything queued for the connection was written. */
socklet_status socklet_flush(socklet_connection connection);
/* Bytes queued and not yet written. */
uint64_t socklet_queued(socklet_connection connection);
/* Starts the closing handshake, after what is queued already. */
socklet_status socklet_close(socklet_connection connection, uint16_t code, const char *reason);
/* How many connections the route has. */
uint64_t socklet_count(void);
/* Every open connection of the route; *ids is valid until the hook returns. */
size_t socklet_connections(const socklet_connection **ids);
/* Who the connection belongs to; NULL where nobody was asked. */
const socklet_principal *socklet_principal_of(socklet_connection connection);
/* Up to 16 KiB that the host keeps with the connection, whatever becomes of the instance. */
socklet_text socklet_attachment(socklet_connection connection);
socklet_status socklet_attach(socklet_connection connection, socklet_text value);

typedef enum {
    SOCKLET_CONTINUATION,
    SOCKLET_TEXT,
    SOCKLET_BINARY,
    SOCKLET_CLOSE,
    SOCKLET_PING,
    SOCKLET_PONG,
} socklet_opcode;

/* Queues one frame: a fragment, a ping of one's own. */
socklet_status socklet_send_frame(socklet_connection to, socklet_opcode opcode, bool fin, socklet_text payload);

/* ---- Topics, heartbeat, timers ---- */

/* Adds a connection to a topic of 1 to 255 bytes. False, with a line in the log, when the host says no. */
bool socklet_subscribe(socklet_connection connection, socklet_text topic);
void socklet_unsubscribe(socklet_connection connection, socklet_text topic);
/* Queues a message for every subscriber but one, or SOCKLET_NOBODY; returns how many on this node accepted it. */
uint64_t socklet_publish(socklet_text topic, socklet_message message, socklet_connection but);
/* The subscribers of a topic; `ids` may be NULL. */
size_t socklet_subscribers(socklet_text topic, const socklet_connection **ids);

/* The route's heartbeat. The setters return false, with a line in the log, when the host says no. */
uint32_t socklet_heartbeat_seconds(void);
bool socklet_set_heartbeat_seconds(uint32_t seconds);
socklet_text socklet_heartbeat_payload(void);
bool socklet_set_heartbeat_payload(socklet_text payload);

#ifdef SOCKLET_TIMER_EVENTS
/* Sets a timer of the instance, or moves the one of that name, which must not begin with '#'. False, with a line in the log, when the host
 * says no. */
bool socklet_set_timer(const char *name, uint64_t after_ms);
void socklet_cancel_timer(const char *name);
/* The same for one connection: it comes due at on_connection_timer, and not at all when the connection has ended by then. */
bool socklet_set_connection_timer(socklet_connection connection, const char *name, uint64_t after_ms);
void socklet_cancel_connection_timer(socklet_connection connection, const char *name);
#endif

/* ---- The hooks ---- */

/* What the client gets instead of, or beside, the fixed fields of a 101: accepted as it is, until one of these is called. */
typedef struct socklet_response socklet_response;

void socklet_choose_subprotocol(socklet_response *response, socklet_text subprotocol);
void socklet_add_header(socklet_response *response, const char *name, socklet_text value);
/* Refuses with a status of 200 to 599 and a body of plain text. */
void socklet_refuse(socklet_response *response, uint16_t status, socklet_text body);

typedef enum {
    SOCKLET_BY_CLIENT,
    SOCKLET_BY_PLUGIN,
    SOCKLET_BY_OPERATOR,
    SOCKLET_DISCONNECTED,
    SOCKLET_BY_HEARTBEAT,
    SOCKLET_BY_PROTOCOL,
    SOCKLET_BY_LIMIT,
    SOCKLET_BY_SLOW_CONSUMER,
    SOCKLET_EXPIRED,
    SOCKLET_PLUGIN_FAILED,
    SOCKLET_BY_HOST,
    SOCKLET_BY_OTHER,
} socklet_cause;

/* How a connection ended. */
typedef struct {
    uint16_t code;
    socklet_text reason;
    socklet_cause cause;
    bool clean;
    uint64_t duration_ms;
    uint64_t messages_received;
    uint64_t messages_sent;
} socklet_ending;

#ifdef SOCKLET_FRAMES
typedef enum { SOCKLET_PROCESS, SOCKLET_SKIP, SOCKLET_STOP } socklet_disposition;

typedef struct {
    socklet_opcode opcode;
    bool fin;
    socklet_text payload;
} socklet_frame;
#endif

#ifdef SOCKLET_STATE
/* Where a save goes to, and what a load has left. */
typedef struct socklet_writer socklet_writer;
typedef struct {
    const char *data;
    size_t size;
} socklet_reader;

void socklet_write(socklet_writer *writer, const void *data, size_t size);
void socklet_write_u32(socklet_writer *writer, uint32_t value);
void socklet_write_u64(socklet_writer *writer, uint64_t value);
void socklet_write_text(socklet_writer *writer, socklet_text text);
/* These return false when there is not so much left. */
bool socklet_read(socklet_reader *reader, void *data, size_t size);
bool socklet_read_u32(socklet_reader *reader, uint32_t *value);
bool socklet_read_u64(socklet_reader *reader, uint64_t *value);
bool socklet_read_text(socklet_reader *reader, socklet_text *text);
#endif

typedef struct {
    /* The size of what is kept for each connection; hooks get it as `self`. It begins as zeros, at on_upgrade, and goes with the
     * connection, whoever shares the instance. It does not survive a trap: attachments do. */
    size_t size;
    /* Called on a new one, and before one is freed: for what it owns. */
    void (*init)(void *self);
    void (*drop)(void *self);

    /* Reads settings, once. False: every upgrade is refused with 500, and everything else closed with 1011. */
    bool (*start)(void);
    /* The last word before the 101. `principal` may be NULL. Nothing can be sent yet. */
    void (*on_upgrade)(const socklet_request *request, const socklet_principal *principal, void *self, socklet_response *response);
    /* The connection can be sent to. */
    socklet_result (*on_open)(socklet_connection connection, void *self);
    /* One complete message. */
    socklet_result (*on_message)(socklet_connection connection, void *self, socklet_message message);
    /* It has ended; for every on_open there is one. After a trap `self` is a new one. */
    void (*on_close)(socklet_connection connection, void *self, const socklet_ending *ending);

#ifdef SOCKLET_FRAMES
    socklet_disposition (*on_frame)(socklet_connection connection, void *self, socklet_frame frame);
#endif
#ifdef SOCKLET_TIMER_EVENTS
    void (*on_timer)(socklet_text name);
    socklet_result (*on_connection_timer)(socklet_connection connection, void *self, socklet_text name);
#endif
#ifdef SOCKLET_STATE
    /* Raise it when what is saved changes. Without `load`, only the same version and size are loaded. */
    uint32_t version;
    /* What all connections share, saved as it is in memory: no pointers. */
    void *shared;
    size_t shared_size;
    /* Writes one `self`; left out, it is saved as it is in memory. */
    void (*save)(const void *self, socklet_writer *writer);
    /* Reads one `self`, which init has seen, from what a `version` has written. */
    bool (*load)(void *self, socklet_reader *reader, uint32_t version);
#endif
} socklet_behavior;

extern const socklet_behavior socklet_plugin;
#define SOCKLET_BEHAVIOR const socklet_behavior socklet_plugin

#endif
