// Lets in whoever has a token that the settings know.
#include <socklet.h>
#include <time.h>

// A token that came, and whose it is.
typedef struct {
    socklet_text token;
    socklet_text subject;
} search;

// Called for every token of the settings.
static bool compare(socklet_text token, socklet_text subject, void *data) {
    search *search = data;
    if (socklet_same(token, search->token)) search->subject = subject;
    // On to the end, so that the time tells nothing.
    return true;
}

static void fail(socklet_verdict *verdict) { socklet_deny(verdict, 500, socklet_str("")); }

static void authenticate(const socklet_request *request, socklet_verdict *verdict) {
    const char *via = "bearer";
    search search = {.token = socklet_request_bearer(request)};
    if (!search.token.data) {
        via = "query";
        search.token = socklet_request_query(request, "token");
    }
    if (!search.token.data) return;
    int64_t ttl = -1;
    if (!socklet_setting_object("tokens", compare, &search) || !socklet_setting_integer("ttl", &ttl)) {
        fail(verdict);
        return;
    }
    if (!search.subject.data) {
        socklet_deny(verdict, 401, socklet_str("unknown token"));
        socklet_deny_header(verdict, "www-authenticate", socklet_str("Bearer realm=\"socklet\""));
        return;
    }
    socklet_grant(verdict, search.subject);
    socklet_grant_attribute(verdict, "via", socklet_str(via));
    if (ttl >= 0) socklet_grant_until(verdict, (uint64_t)time(NULL) + (uint64_t)ttl);
}

SOCKLET_AUTHENTICATOR = {.authenticate = authenticate};
