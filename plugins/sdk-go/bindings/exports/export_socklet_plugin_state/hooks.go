// Package export_socklet_plugin_state is what the generated bindings call; package behavior says what is done.
package export_socklet_plugin_state

import "socklet/wit/types"

// Hooks are set before anything is called.
var Hooks struct {
	Save func() wit_types.Result[[]uint8, string]
	Load func([]uint8) wit_types.Result[wit_types.Unit, string]
}

func Save() wit_types.Result[[]uint8, string] {
	return Hooks.Save()
}

func Load(state []uint8) wit_types.Result[wit_types.Unit, string] {
	return Hooks.Load(state)
}
