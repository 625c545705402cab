// Package export_socklet_plugin_behavior is what the generated bindings call; package behavior says what is done.
package export_socklet_plugin_behavior

import (
	"socklet/bindings/imports/socklet_plugin_behavior"
	"socklet/bindings/imports/socklet_plugin_types"
	"socklet/wit/types"
)

type (
	upgraded = wit_types.Result[socklet_plugin_behavior.Acceptance, socklet_plugin_types.Response]
	handled  = wit_types.Result[wit_types.Unit, socklet_plugin_types.CloseFrame]
)

// Hooks are set before anything is called.
var Hooks struct {
	OnUpgrade func(socklet_plugin_types.Request, wit_types.Option[socklet_plugin_types.Principal]) upgraded
	OnOpen    func(uint64) handled
	OnMessage func(uint64, socklet_plugin_types.Message) handled
	OnClose   func(uint64, socklet_plugin_behavior.Ending)
}

func OnUpgrade(request socklet_plugin_types.Request, principal wit_types.Option[socklet_plugin_types.Principal]) upgraded {
	return Hooks.OnUpgrade(request, principal)
}

func OnOpen(connection uint64) handled {
	return Hooks.OnOpen(connection)
}

func OnMessage(connection uint64, message socklet_plugin_types.Message) handled {
	return Hooks.OnMessage(connection, message)
}

func OnClose(connection uint64, ending socklet_plugin_behavior.Ending) {
	Hooks.OnClose(connection, ending)
}
