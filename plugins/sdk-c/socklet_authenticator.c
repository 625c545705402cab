/* The export of an authenticator. */
#include "socklet_internal.h"

#ifdef SOCKLET_AUTHENTICATOR_WORLD

struct socklet_verdict {
    exports_socklet_plugin_authenticator_verdict_t raw;
};

static void forget(socklet_verdict *verdict) {
    exports_socklet_plugin_authenticator_verdict_free(&verdict->raw);
    verdict->raw = (exports_socklet_plugin_authenticator_verdict_t){.tag = EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_ABSTAIN};
}

void socklet_grant(socklet_verdict *verdict, socklet_text subject) {
    forget(verdict);
    verdict->raw.tag = EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_GRANT;
    verdict->raw.val.grant = (socklet_plugin_types_principal_t){.subject = socklet_give(subject)};
}

void socklet_grant_attribute(socklet_verdict *verdict, const char *name, socklet_text value) {
    if (verdict->raw.tag != EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_GRANT) __builtin_trap();
    socklet_give_pair(&verdict->raw.val.grant.attributes, name, value);
}

void socklet_grant_until(socklet_verdict *verdict, uint64_t expires_at) {
    if (verdict->raw.tag != EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_GRANT) __builtin_trap();
    verdict->raw.val.grant.expires_at = (this_option_u64_t){.is_some = true, .val = expires_at};
}

void socklet_deny(socklet_verdict *verdict, uint16_t status, socklet_text body) {
    forget(verdict);
    verdict->raw.tag = EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_DENY;
    socklet_give_response(&verdict->raw.val.deny, status, body);
}

void socklet_deny_header(socklet_verdict *verdict, const char *name, socklet_text value) {
    if (verdict->raw.tag != EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_DENY) __builtin_trap();
    socklet_give_field(&verdict->raw.val.deny.headers, name, value);
}

// === The export ===

void exports_socklet_plugin_authenticator_authenticate(
    exports_socklet_plugin_authenticator_request_t *request, exports_socklet_plugin_authenticator_verdict_t *ret) {
    socklet_verdict verdict = {.raw = {.tag = EXPORTS_SOCKLET_PLUGIN_AUTHENTICATOR_VERDICT_ABSTAIN}};
    if (!socklet_started(socklet_plugin.start)) {
        socklet_deny(&verdict, 500, socklet_str(""));
    } else if (socklet_plugin.authenticate) {
        socklet_plugin.authenticate((const socklet_request *)request, &verdict);
    }
    *ret = verdict.raw;
    socklet_plugin_types_request_free(request);
    socklet_release();
}

#endif
