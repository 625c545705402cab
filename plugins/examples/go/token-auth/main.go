// Lets in whoever has a token that the settings know.
package main

import (
	"socklet"
	"socklet/authenticator"
	"time"
)

var settings struct {
	// Tokens are the subjects by their tokens.
	Tokens map[string]string `json:"tokens"`
	// TTL is how long a connection may stay, in seconds.
	TTL *uint64 `json:"ttl"`
}

type tokens struct{}

func (tokens) Authenticate(request *socklet.Request) (authenticator.Verdict, error) {
	via := "bearer"
	token, ok := request.BearerToken()
	if query := request.Query(); !ok && query.Has("token") {
		via, ok = "query", true
		token = query.Get("token")
	}
	if !ok {
		return authenticator.Abstain(), nil
	}
	subject, ok := subjectOf(token)
	if !ok {
		challenge := socklet.Field{Name: "www-authenticate", Value: `Bearer realm="socklet"`}
		return authenticator.Deny(401, "unknown token", challenge), nil
	}
	principal := socklet.Principal{Subject: subject, Attributes: map[string]string{"via": via}}
	if settings.TTL != nil {
		principal.ExpiresAt = uint64(time.Now().Unix()) + *settings.TTL
	}
	return authenticator.Grant(principal), nil
}

// subjectOf looks at every token, so that the time tells nothing.
func subjectOf(token string) (subject string, found bool) {
	for known, of := range settings.Tokens {
		if socklet.Same(known, token) {
			subject, found = of, true
		}
	}
	return subject, found
}

func init() {
	authenticator.Serve(tokens{}, func() error { return socklet.Settings(&settings) })
}

func main() {}
