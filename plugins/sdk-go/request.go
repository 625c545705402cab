package socklet

import (
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
)

// Field is a header field; its name is in lower case.
type Field struct {
	Name  string
	Value string
}

// Request is the HTTP request that asks for a WebSocket.
type Request struct {
	// Connection is the id of the connection that it becomes.
	Connection uint64
	// Listener is the name of the listener that accepted it.
	Listener string
	// Method is GET.
	Method string
	// Secure tells whether the client reached the host over TLS.
	Secure bool
	// Authority is the host, with a port, as the client named it.
	Authority string
	// Path is percent-decoded.
	Path string
	// RawQuery is not decoded, and without its question mark.
	RawQuery string
	// Headers are the header fields. A behavior does not see credentials unless they were granted.
	Headers []Field
	// Captures is what the route's path has captured.
	Captures map[string]string
	// ClientIP is empty on a UNIX socket.
	ClientIP   string
	ClientPort uint16
	// Attributes are what else the host knows: tenant, route, tls.version and more.
	Attributes map[string]string
}

// Principal is who a connection belongs to.
type Principal struct {
	// Subject has 1 to 255 bytes.
	Subject    string
	Attributes map[string]string
	// ExpiresAt is in Unix seconds; 0 for never.
	ExpiresAt uint64
}

// Response is an HTTP response that refuses a request.
type Response struct {
	Status  int
	Headers []Field
	Body    []byte
}

// Header is the first header field of this name, in lower case, and whether there is one.
func (r *Request) Header(name string) (string, bool) {
	for _, field := range r.Headers {
		if field.Name == name {
			return field.Value, true
		}
	}
	return "", false
}

// Query is the decoded query. Pairs that are not well-formed are left out.
func (r *Request) Query() url.Values {
	values, _ := url.ParseQuery(r.RawQuery)
	return values
}

// Cookie is the first cookie of this name, and whether there is one.
func (r *Request) Cookie(name string) (string, bool) {
	for _, field := range r.Headers {
		if field.Name != "cookie" {
			continue
		}
		for _, pair := range strings.Split(field.Value, ";") {
			if key, value, _ := strings.Cut(strings.TrimSpace(pair), "="); key == name {
				return value, true
			}
		}
	}
	return "", false
}

// Subprotocols are what the client offered, in its order.
func (r *Request) Subprotocols() []string {
	var offered []string
	for _, field := range r.Headers {
		if field.Name != "sec-websocket-protocol" {
			continue
		}
		for _, one := range strings.Split(field.Value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				offered = append(offered, one)
			}
		}
	}
	return offered
}

// BearerToken is the token of `Authorization: Bearer`, and whether there is one.
func (r *Request) BearerToken() (string, bool) {
	return r.credentials("bearer")
}

// BasicAuth is user and password of `Authorization: Basic`, and whether they are there.
func (r *Request) BasicAuth() (user, password string, ok bool) {
	encoded, ok := r.credentials("basic")
	if !ok {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

func (r *Request) credentials(wanted string) (string, bool) {
	value, _ := r.Header("authorization")
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, wanted) {
		return "", false
	}
	return strings.TrimSpace(rest), true
}

// Same tells whether two secrets are the same, in a time that depends on their lengths alone.
func Same(one, other string) bool {
	return subtle.ConstantTimeCompare([]byte(one), []byte(other)) == 1
}
