// Package wire translates between what authors see and what the bindings have.
package wire

import (
	"socklet"
	"socklet/bindings/imports/socklet_plugin_types"
	"socklet/wit/types"
	"sort"
)

// Request makes a request of the bindings' one.
func Request(raw socklet_plugin_types.Request) *socklet.Request {
	request := &socklet.Request{
		Connection: raw.Connection,
		Listener:   raw.Listener,
		Method:     raw.Method,
		Secure:     raw.Secure,
		Authority:  raw.Authority,
		Path:       raw.Path,
		Captures:   fromPairs(raw.Captures),
		ClientIP:   raw.ClientIp,
		ClientPort: raw.ClientPort,
		Attributes: fromPairs(raw.Attributes),
	}
	if raw.Query.Tag() == wit_types.OptionSome {
		request.RawQuery = raw.Query.Some()
	}
	for _, field := range raw.Headers {
		request.Headers = append(request.Headers, socklet.Field(field))
	}
	return request
}

// Principal makes a principal of the bindings' one; nil when there is none.
func Principal(raw wit_types.Option[socklet_plugin_types.Principal]) *socklet.Principal {
	if raw.Tag() == wit_types.OptionNone {
		return nil
	}
	found := raw.Some()
	principal := &socklet.Principal{Subject: found.Subject, Attributes: fromPairs(found.Attributes)}
	if found.ExpiresAt.Tag() == wit_types.OptionSome {
		principal.ExpiresAt = found.ExpiresAt.Some()
	}
	return principal
}

// RawPrincipal is the bindings' principal, its attributes in the order of their names.
func RawPrincipal(principal socklet.Principal) socklet_plugin_types.Principal {
	raw := socklet_plugin_types.Principal{
		Subject:    principal.Subject,
		Attributes: []wit_types.Tuple2[string, string]{},
		ExpiresAt:  wit_types.None[uint64](),
	}
	for name, value := range principal.Attributes {
		raw.Attributes = append(raw.Attributes, wit_types.Tuple2[string, string]{F0: name, F1: value})
	}
	sort.Slice(raw.Attributes, func(a, b int) bool { return raw.Attributes[a].F0 < raw.Attributes[b].F0 })
	if principal.ExpiresAt != 0 {
		raw.ExpiresAt = wit_types.Some(principal.ExpiresAt)
	}
	return raw
}

// RawHeaders are the bindings' header fields.
func RawHeaders(fields []socklet.Field) []socklet_plugin_types.Field {
	var raw []socklet_plugin_types.Field
	for _, field := range fields {
		raw = append(raw, socklet_plugin_types.Field(field))
	}
	return raw
}

// RawResponse is the bindings' response.
func RawResponse(response socklet.Response) socklet_plugin_types.Response {
	return socklet_plugin_types.Response{
		Status:  uint16(response.Status),
		Headers: RawHeaders(response.Headers),
		Body:    response.Body,
	}
}

func fromPairs(raw []wit_types.Tuple2[string, string]) map[string]string {
	pairs := make(map[string]string, len(raw))
	for _, pair := range raw {
		if _, there := pairs[pair.F0]; !there {
			pairs[pair.F0] = pair.F1
		}
	}
	return pairs
}
