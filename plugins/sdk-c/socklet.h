/* What a plugin in C can say and hear: everything public of the SDK.
 *
 * A behavior defines SOCKLET_BEHAVIOR, an authenticator SOCKLET_AUTHENTICATOR: a structure of hooks, each of which may be left out.
 * Texts are UTF-8 and bytes alike: a pointer with a size, without a zero at the end. What a hook is given, and what the functions here
 * return, is valid until that hook returns; so is what socklet_alloc gives. */
#ifndef SOCKLET_H
#define SOCKLET_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which exports plugin.toml asks for: SOCKLET_STATE, SOCKLET_TIMER_EVENTS, SOCKLET_FRAMES. Written by `socklet build`. */
#include "socklet_world.h"

#define SOCKLET_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* ---- Texts ---- */

/* A text or bytes. `data` is NULL where there is none. */
typedef struct {
    const char *data;
    size_t size;
} socklet_text;

/* The text that a C string is; the string is not copied. */
socklet_text socklet_str(const char *string);
/* Whether a text is this one. */
bool socklet_is(socklet_text text, const char *string);
/* Whether two secrets are the same, in a time that depends on their lengths alone. */
bool socklet_same(socklet_text one, socklet_text other);
/* How many characters (code points) a UTF-8 text has. */
size_t socklet_characters(socklet_text text);
/* Memory that is freed when the hook returns. Traps when there is no more. */
void *socklet_alloc(size_t size);
/* A text made like printf's. */
socklet_text socklet_format(const char *format, ...) SOCKLET_PRINTF(1, 2);
/* A text as a JSON string, with its quotes. */
socklet_text socklet_json(socklet_text text);
/* Calls `each` for every key of a JSON object of strings, until it returns false. False when it is no such object. */
bool socklet_json_object(socklet_text json, bool (*each)(socklet_text key, socklet_text value, void *data), void *data);
/* Decodes %41 to A; what is no escape stays as it is. */
socklet_text socklet_percent_decode(socklet_text text);

/* For printf: printf("%.*s", SOCKLET_ARG(text)). */
#define SOCKLET_ARG(text) (int)(text).size, (text).data

/* ---- Log, settings ---- */

typedef enum { SOCKLET_DEBUG, SOCKLET_INFO, SOCKLET_WARN, SOCKLET_ERROR } socklet_level;

/* Writes one line to the host's log, cut at 4 KiB. */
void socklet_log(socklet_level level, const char *format, ...) SOCKLET_PRINTF(2, 3);

/* A setting as text; without data when it is not set. Valid until the hook returns. */
socklet_text socklet_setting(const char *key);
/* A setting of one type. Not set, it leaves *value alone and returns true; of another type, it says so in the log and returns false. */
bool socklet_setting_integer(const char *key, int64_t *value);
bool socklet_setting_number(const char *key, double *value);
bool socklet_setting_bool(const char *key, bool *value);
/* A setting that is a JSON object of strings: calls `each` for every key, until it returns false. */
bool socklet_setting_object(const char *key, bool (*each)(socklet_text key, socklet_text value, void *data), void *data);

/* ---- The request ---- */

/* The HTTP request that asks for a WebSocket. */
typedef struct socklet_request socklet_request;

/* Names one connection of this route. Opaque, below 2^53. */
typedef uint64_t socklet_connection;
#define SOCKLET_NOBODY UINT64_MAX

socklet_connection socklet_request_connection(const socklet_request *request);
socklet_text socklet_request_listener(const socklet_request *request);
socklet_text socklet_request_method(const socklet_request *request);
socklet_text socklet_request_authority(const socklet_request *request);
socklet_text socklet_request_path(const socklet_request *request);
socklet_text socklet_request_raw_query(const socklet_request *request);
socklet_text socklet_request_client_ip(const socklet_request *request);
uint16_t socklet_request_client_port(const socklet_request *request);
bool socklet_request_secure(const socklet_request *request);
/* The first header field of a name in lower case; without data when there is none. */
socklet_text socklet_request_header(const socklet_request *request, const char *name);
/* How many header fields there are, and one of them. */
size_t socklet_request_headers(const socklet_request *request);
void socklet_request_header_at(const socklet_request *request, size_t index, socklet_text *name, socklet_text *value);
/* What the route's path captured under a name. */
socklet_text socklet_request_capture(const socklet_request *request, const char *name);
/* What else the host knows: tenant, route, tls.version and more. */
socklet_text socklet_request_attribute(const socklet_request *request, const char *name);
/* The first value of a name in the query, percent-decoded. */
socklet_text socklet_request_query(const socklet_request *request, const char *name);
/* The first cookie of a name. */
socklet_text socklet_request_cookie(const socklet_request *request, const char *name);
/* The token of `Authorization: Bearer`. */
socklet_text socklet_request_bearer(const socklet_request *request);
/* User and password of `Authorization: Basic`; false when there is none or it cannot be read. */
bool socklet_request_basic(const socklet_request *request, socklet_text *user, socklet_text *password);
/* Whether the client offered a subprotocol. */
bool socklet_request_offers(const socklet_request *request, const char *subprotocol);

/* Who a connection belongs to. */
typedef struct socklet_principal socklet_principal;

socklet_text socklet_principal_subject(const socklet_principal *principal);
socklet_text socklet_principal_attribute(const socklet_principal *principal, const char *name);

#ifdef SOCKLET_AUTHENTICATOR_WORLD

/* ---- Authenticators ---- */

/* What is said of a request: abstain, until one of these is called. The last of grant and deny counts. */
typedef struct socklet_verdict socklet_verdict;

/* Lets the connection in as this subject of 1 to 255 bytes. */
void socklet_grant(socklet_verdict *verdict, socklet_text subject);
/* After a grant: something else that is known of the principal. */
void socklet_grant_attribute(socklet_verdict *verdict, const char *name, socklet_text value);
/* After a grant: when it ends, in Unix seconds. */
void socklet_grant_until(socklet_verdict *verdict, uint64_t expires_at);
/* Refuses with a status of 400 to 599 and a body of plain text. */
void socklet_deny(socklet_verdict *verdict, uint16_t status, socklet_text body);
/* After a denial: a header field of the response. */
void socklet_deny_header(socklet_verdict *verdict, const char *name, socklet_text value);

typedef struct {
    /* Reads settings; false refuses the request with 500. */
    bool (*start)(void);
    /* Judges one request. Every request has a fresh instance. */
    void (*authenticate)(const socklet_request *request, socklet_verdict *verdict);
} socklet_authenticator;

extern const socklet_authenticator socklet_plugin;
#define SOCKLET_AUTHENTICATOR const socklet_authenticator socklet_plugin

#else
#include "socklet_behavior.h"
#endif

#endif
