package socklet

import (
	"fmt"
	"log"
	"socklet/bindings/imports/socklet_plugin_logging"
	"strings"
)

// What the standard library's log prints becomes lines of the host's log, at level info.
type lines struct{}

func init() {
	log.SetFlags(0)
	log.SetOutput(lines{})
}

func (lines) Write(line []byte) (int, error) {
	socklet_plugin_logging.Log(socklet_plugin_logging.Level_Info, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

// Debugf logs a line for the plugin's author. Lines are cut at 4 KiB.
func Debugf(format string, arguments ...any) {
	socklet_plugin_logging.Log(socklet_plugin_logging.Level_Debug, fmt.Sprintf(format, arguments...))
}

// Infof logs a line worth knowing.
func Infof(format string, arguments ...any) {
	socklet_plugin_logging.Log(socklet_plugin_logging.Level_Info, fmt.Sprintf(format, arguments...))
}

// Warnf logs a line worth looking at.
func Warnf(format string, arguments ...any) {
	socklet_plugin_logging.Log(socklet_plugin_logging.Level_Warn, fmt.Sprintf(format, arguments...))
}

// Errorf logs a line about something that failed.
func Errorf(format string, arguments ...any) {
	socklet_plugin_logging.Log(socklet_plugin_logging.Level_Error, fmt.Sprintf(format, arguments...))
}
