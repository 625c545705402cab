// Counts the messages of each connection.
package main

import (
	"socklet"
	"socklet/behavior"
)

var settings struct {
	// Start is where counting begins.
	Start int64 `json:"start"`
}

// counter is one connection's; it is saved as JSON.
type counter struct {
	Messages int64
}

func (c *counter) OnMessage(connection behavior.Connection, message behavior.Message) error {
	text, ok := message.Text()
	if !ok {
		return behavior.Close(behavior.Unsupported, "text only")
	}
	c.Messages++
	if text == "reset" {
		c.Messages = 0
	}
	return connection.Send(behavior.Textf("%d", settings.Start+c.Messages))
}

func init() {
	behavior.Serve(behavior.Plugin{
		New:   func() behavior.Handler { return &counter{} },
		Start: func() error { return socklet.Settings(&settings) },
	})
}

func main() {}
