// Package export_socklet_plugin_authenticator is what the generated bindings call; package authenticator says what is done.
package export_socklet_plugin_authenticator

import (
	"socklet/bindings/imports/socklet_plugin_authenticator"
	"socklet/bindings/imports/socklet_plugin_types"
)

// Hook is set before anything is called.
var Hook func(socklet_plugin_types.Request) socklet_plugin_authenticator.Verdict

func Authenticate(request socklet_plugin_types.Request) socklet_plugin_authenticator.Verdict {
	return Hook(request)
}
