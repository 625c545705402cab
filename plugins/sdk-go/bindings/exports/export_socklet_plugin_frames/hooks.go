// Package export_socklet_plugin_frames is what the generated bindings call; package behavior says what is done.
package export_socklet_plugin_frames

import "socklet/bindings/imports/socklet_plugin_frames"

// Hook is set before anything is called.
var Hook func(uint64, socklet_plugin_frames.Frame) uint8

func OnFrame(connection uint64, frame socklet_plugin_frames.Frame) socklet_plugin_frames.Disposition {
	return Hook(connection, frame)
}
