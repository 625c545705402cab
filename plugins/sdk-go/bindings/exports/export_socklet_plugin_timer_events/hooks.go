// Package export_socklet_plugin_timer_events is what the generated bindings call; package behavior says what is done.
package export_socklet_plugin_timer_events

// Hook is set before anything is called.
var Hook func(string)

func OnTimer(name string) {
	Hook(name)
}
