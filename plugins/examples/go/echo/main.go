// Sends every message back as it came.
package main

import "socklet/behavior"

type echo struct{}

func (echo) OnMessage(connection behavior.Connection, message behavior.Message) error {
	return connection.Send(message)
}

func init() {
	behavior.Serve(behavior.Plugin{New: func() behavior.Handler { return echo{} }})
}

func main() {}
