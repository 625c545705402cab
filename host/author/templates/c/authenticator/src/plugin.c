// {{name}}: lets in whoever knows the token.
#include <socklet.h>

static void authenticate(const socklet_request *request, socklet_verdict *verdict) {
    socklet_text token = socklet_request_bearer(request);
    // Without a token it has no opinion: the next authenticator is asked, and without one the answer is 401.
    if (!token.data) return;
    // `[plugin.{{name}}.settings]` of the server's configuration.
    if (socklet_same(token, socklet_setting("token"))) {
        socklet_grant(verdict, socklet_str("friend"));
    } else {
        socklet_deny(verdict, 401, socklet_str("unknown token"));
        socklet_deny_header(verdict, "www-authenticate", socklet_str("Bearer"));
    }
}

SOCKLET_AUTHENTICATOR = {.authenticate = authenticate};
