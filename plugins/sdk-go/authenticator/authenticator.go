// Package authenticator says who may connect.
package authenticator

import (
	"fmt"
	"runtime/debug"
	"socklet"
	"socklet/bindings/exports/export_socklet_plugin_authenticator"
	_ "socklet/bindings/exports/wit_exports"
	"socklet/bindings/imports/socklet_plugin_authenticator"
	"socklet/bindings/imports/socklet_plugin_types"
	"socklet/internal/wire"
)

// Authenticator judges requests. Every request is asked of a fresh instance.
type Authenticator interface {
	// Authenticate says what to do with a request. An error is logged, and refuses it with 500.
	Authenticate(request *socklet.Request) (Verdict, error)
}

// Verdict is what is said of a request: made by Grant, Abstain, or Deny.
type Verdict struct {
	principal *socklet.Principal
	response  *socklet.Response
}

// Grant lets the connection in as this principal.
func Grant(principal socklet.Principal) Verdict {
	return Verdict{principal: &principal}
}

// Abstain has no opinion: the next authenticator is asked, and when there is none the answer is 401.
func Abstain() Verdict {
	return Verdict{}
}

// Deny refuses with a status of 400 to 599, a body of plain text and header fields.
func Deny(status int, body string, headers ...socklet.Field) Verdict {
	if body != "" {
		headers = append(headers, socklet.Field{Name: "content-type", Value: "text/plain; charset=utf-8"})
	}
	return Verdict{response: &socklet.Response{Status: status, Headers: headers, Body: []byte(body)}}
}

// Serve makes the program this authenticator. Call it from init. `start` may be nil; it reads settings before the request is judged, and
// with an error the request is refused with 500.
func Serve(authenticator Authenticator, start func() error) {
	export_socklet_plugin_authenticator.Hook = func(request socklet_plugin_types.Request) socklet_plugin_authenticator.Verdict {
		verdict, err := judge(authenticator, start, request)
		if err != nil {
			socklet.Errorf("%v", err)
			verdict = Deny(500, "")
		}
		switch {
		case verdict.principal != nil:
			return socklet_plugin_authenticator.MakeVerdictGrant(wire.RawPrincipal(*verdict.principal))
		case verdict.response != nil:
			return socklet_plugin_authenticator.MakeVerdictDeny(wire.RawResponse(*verdict.response))
		default:
			return socklet_plugin_authenticator.MakeVerdictAbstain()
		}
	}
}

func judge(authenticator Authenticator, start func() error, request socklet_plugin_types.Request) (verdict Verdict, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	if start != nil {
		if err := start(); err != nil {
			return Verdict{}, fmt.Errorf("the plugin cannot start: %w", err)
		}
	}
	return authenticator.Authenticate(wire.Request(request))
}
