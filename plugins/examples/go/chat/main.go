// Rooms that talk: who comes and goes, and what they say.
package main

import (
	"errors"
	"fmt"
	"socklet"
	"socklet/behavior"
	"time"
	"unicode/utf8"
)

const maxName = 40

// member is one connection's; it is saved as JSON.
type member struct {
	Name string
	Room string
}

// event is who came or went, with how many there are now.
type event struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Members int    `json:"members"`
}

// line is what somebody said.
type line struct {
	Type string `json:"type"`
	Name string `json:"name"`
	Text string `json:"text"`
}

var (
	_ behavior.Upgrader = (*member)(nil)
	_ behavior.Opener   = (*member)(nil)
	_ behavior.Timed    = (*member)(nil)
	_ behavior.Closer   = (*member)(nil)
)

func (m *member) topic() string {
	return "room:" + m.Room
}

func (m *member) tell(kind string) {
	members := len(behavior.Subscribers(m.topic()))
	behavior.Publish(m.topic(), behavior.JSON(event{kind, m.Name, members}), behavior.Nobody)
}

func (m *member) OnUpgrade(request *socklet.Request, _ *socklet.Principal) (behavior.Acceptance, error) {
	m.Name = fmt.Sprintf("guest-%d", request.Connection)
	if query := request.Query(); query.Has("name") {
		m.Name = query.Get("name")
	}
	if length := utf8.RuneCountInString(m.Name); length < 1 || length > maxName {
		return behavior.Acceptance{}, behavior.Refuse(400, "bad name")
	}
	m.Room = "lobby"
	if room, ok := request.Captures["room"]; ok {
		m.Room = room
	}
	return behavior.Acceptance{}, nil
}

func (m *member) OnOpen(connection behavior.Connection) error {
	if err := connection.Subscribe(m.topic()); err != nil {
		return err
	}
	m.tell("join")
	return nil
}

func (m *member) OnMessage(connection behavior.Connection, message behavior.Message) error {
	text, ok := message.Text()
	if !ok {
		return behavior.Close(behavior.Unsupported, "text only")
	}
	switch text {
	case "/quit":
		return behavior.Close(behavior.Normal, "bye")
	case "/boom":
		panic("boom")
	case "/later":
		return connection.SetTimer("later", time.Second)
	}
	behavior.Publish(m.topic(), behavior.JSON(line{"message", m.Name, text}), behavior.Nobody)
	return nil
}

func (m *member) OnTimer(connection behavior.Connection, name string) error {
	if name != "later" {
		return errors.New("what timer is " + name + "?")
	}
	return connection.Send(behavior.Text(`{"type":"timer"}`))
}

func (m *member) OnClose(_ behavior.Connection, _ behavior.Ending) {
	// When the instance was lost nobody knows any more who it was.
	if m.Name != "" {
		m.tell("leave")
	}
}

func init() {
	behavior.Serve(behavior.Plugin{New: func() behavior.Handler { return &member{} }})
}

func main() {}
