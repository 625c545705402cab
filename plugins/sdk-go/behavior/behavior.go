// Package behavior says what a connection does.
//
// Each connection has a Handler of its own, made by Plugin.New when its request is accepted and dropped when it has ended, whoever
// shares the instance. What else a handler has is found by the interfaces Upgrader, Opener, Closer, Timed, Framer; to have the compiler
// check that it has one:
//
//	var _ behavior.Closer = (*member)(nil)
package behavior

import (
	"fmt"
	"socklet"
	"time"
	"unicode/utf8"

	"socklet/bindings/imports/socklet_plugin_types"
)

// Handler is what one connection does. With the export state it is saved as JSON, its exported fields.
type Handler interface {
	// OnMessage is called with each complete message. An error ends the connection: one made by Close with its frame, any other is
	// logged and becomes 1011. So does a panic, with its stack in the log.
	OnMessage(connection Connection, message Message) error
}

// Upgrader is a Handler with the last word before the 101. Nothing can be sent yet.
type Upgrader interface {
	// OnUpgrade accepts, or refuses by an error made by Refuse. Any other error is logged and becomes a 500. `principal` is nil where
	// nobody was asked.
	OnUpgrade(request *socklet.Request, principal *socklet.Principal) (Acceptance, error)
}

// Opener is a Handler that is told when its connection can be sent to.
type Opener interface {
	OnOpen(connection Connection) error
}

// Closer is a Handler that is told when its connection has ended: once for each OnOpen. When the instance was lost, on a new Handler.
type Closer interface {
	OnClose(connection Connection, ending Ending)
}

// Timed is a Handler whose connection has timers. It needs the export timer-events.
type Timed interface {
	OnTimer(connection Connection, name string) error
}

// Framer is a Handler that sees every frame. It needs the export frames.
type Framer interface {
	OnFrame(connection Connection, frame Frame) Disposition
}

// Plugin is a behavior.
type Plugin struct {
	// New makes the handler of a connection.
	New func() Handler
	// Start reads settings, once. With an error nothing is served.
	Start func() error
	// Shared points to what all connections share and what is saved, as JSON, with the export state. It is loaded after Start.
	Shared any
	// OnTimer is called for the timers of the instance. It needs the export timer-events.
	OnTimer func(name string) error
}

// Acceptance is what the 101 carries beside its fixed fields.
type Acceptance struct {
	// Subprotocol is one of those that the client offered, or empty.
	Subprotocol string
	Headers     []socklet.Field
}

// Ending is how a connection ended.
type Ending struct {
	// Code and Reason are of the close frame; without one the code is 1005 or 1006.
	Code             uint16
	Reason           string
	Cause            Cause
	Clean            bool
	Duration         time.Duration
	MessagesReceived uint64
	MessagesSent     uint64
}

// Cause is who or what ended a connection.
type Cause uint8

// What a Cause can be.
const (
	ByClient Cause = iota
	ByPlugin
	ByOperator
	Disconnected
	ByHeartbeat
	ByProtocol
	ByLimit
	BySlowConsumer
	Expired
	PluginFailed
	ByHost
	ByOther
)

// Opcode is that of a frame (RFC 6455, section 5.2).
type Opcode uint8

// What an Opcode can be.
const (
	ContinuationFrame Opcode = iota
	TextFrame
	BinaryFrame
	CloseFrame
	PingFrame
	PongFrame
)

// Frame is one frame, unmasked.
type Frame struct {
	Opcode  Opcode
	Fin     bool
	Payload []byte
}

// Disposition is what the host does with a frame next.
type Disposition uint8

// What a Disposition can be.
const (
	// Process handles the frame as usual.
	Process Disposition = iota
	// Skip does nothing more with it.
	Skip
	// Stop closes the connection.
	Stop
)

// Codes to close with (RFC 6455, section 7.4).
const (
	Normal        = 1000
	GoingAway     = 1001
	Unsupported   = 1003
	InvalidData   = 1007
	Policy        = 1008
	TooBig        = 1009
	Internal      = 1011
	TryAgainLater = 1013
)

// CloseError ends a connection with this frame, when a hook returns it.
type CloseError struct {
	Code   uint16
	Reason string
}

// Close makes an error that ends the connection with a code (1000, 1001, 1003, 1007 to 1014, 3000 to 4999) and a reason, cut to 123
// bytes between characters.
func Close(code uint16, reason string) *CloseError {
	if len(reason) > 123 {
		end := 123
		for end > 0 && !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return &CloseError{Code: code, Reason: reason}
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("close with %d %s", e.Code, e.Reason)
}

func (e *CloseError) raw() socklet_plugin_types.CloseFrame {
	return socklet_plugin_types.CloseFrame{Code: e.Code, Reason: e.Reason}
}

// Refusal is the response that refuses an upgrade, when OnUpgrade returns it.
type Refusal struct {
	socklet.Response
}

// Refuse makes an error that refuses an upgrade with a status of 200 to 599, a body of plain text and header fields.
func Refuse(status int, body string, headers ...socklet.Field) *Refusal {
	if body != "" {
		headers = append(headers, socklet.Field{Name: "content-type", Value: "text/plain; charset=utf-8"})
	}
	return &Refusal{socklet.Response{Status: status, Headers: headers, Body: []byte(body)}}
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("refuse with %d", r.Status)
}
