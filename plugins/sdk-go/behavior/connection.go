package behavior

import (
	"encoding/json"
	"errors"
	"fmt"
	"socklet"
	"socklet/bindings/imports/socklet_plugin_connections"
	"socklet/bindings/imports/socklet_plugin_heartbeat"
	"socklet/bindings/imports/socklet_plugin_timers"
	"socklet/bindings/imports/socklet_plugin_topics"
	"socklet/bindings/imports/socklet_plugin_types"
	"socklet/internal/gc"
	"socklet/internal/wire"
	"socklet/wit/types"
	"strings"
	"time"
)

// Connection names one connection of this route. It may have ended: then sends say ErrUnknown.
type Connection uint64

// Nobody is whom a message to all but one does not leave out.
const Nobody = Connection(1<<64 - 1)

// Why nothing was queued.
var (
	// ErrUnknown is returned for a connection that is not on this route, or is closing.
	ErrUnknown = errors.New("no such connection, or it is closing")
	// ErrNotOpen is returned before OnOpen.
	ErrNotOpen = errors.New("the connection is not open yet")
	// ErrFull is returned when the send queue is full: the client does not read fast enough.
	ErrFull = errors.New("the send queue is full")
	// ErrInvalid is returned for a frame, a close code or a text that may not be sent.
	ErrInvalid = errors.New("not a frame that may be sent")
)

// Message is one complete message.
type Message struct {
	binary bool
	text   string
	bytes  []byte
}

// Text makes a text message.
func Text(text string) Message {
	return Message{text: text}
}

// Binary makes a binary message.
func Binary(bytes []byte) Message {
	return Message{binary: true, bytes: bytes}
}

// Textf makes a text message, formatted like fmt.Sprintf.
func Textf(format string, arguments ...any) Message {
	return Text(fmt.Sprintf(format, arguments...))
}

// JSON makes a text message of a value. It panics when the value has no JSON.
func JSON(value any) Message {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return Text(strings.TrimSuffix(text.String(), "\n"))
}

// Text is the text of a text message, and whether it is one.
func (m Message) Text() (string, bool) {
	return m.text, !m.binary
}

// Binary is what a binary message carries, and whether it is one.
func (m Message) Binary() ([]byte, bool) {
	return m.bytes, m.binary
}

func (m Message) size() int {
	return len(m.text) + len(m.bytes)
}

func (m Message) raw() socklet_plugin_types.Message {
	gc.Passed(m.size())
	if m.binary {
		return socklet_plugin_types.MakeMessageBinary(m.bytes)
	}
	return socklet_plugin_types.MakeMessageText(m.text)
}

// Connections are all of the route that are open.
func Connections() []Connection {
	return connections(socklet_plugin_connections.Ids())
}

// Count is how many connections the route has.
func Count() int {
	return int(socklet_plugin_connections.Count())
}

// SendAll queues a message for every connection but one, or Nobody; it returns how many on this node accepted it.
func SendAll(message Message, but Connection) int {
	return int(socklet_plugin_connections.SendAll(message.raw(), but.raw()))
}

// Send queues a message. It never waits.
func (c Connection) Send(message Message) error {
	return sent(socklet_plugin_connections.Send(uint64(c), message.raw()))
}

// SendFrame queues one frame: a fragment, a ping of one's own.
func (c Connection) SendFrame(opcode Opcode, fin bool, payload []byte) error {
	gc.Passed(len(payload))
	return sent(socklet_plugin_connections.SendFrame(uint64(c), uint8(opcode), fin, payload))
}

// Flush waits until everything queued was written.
func (c Connection) Flush() error {
	return sent(socklet_plugin_connections.Flush(uint64(c)))
}

// Queued is how many bytes are queued and not yet written.
func (c Connection) Queued() int {
	return int(socklet_plugin_connections.Queued(uint64(c)))
}

// Close starts the closing handshake, after what is queued already.
func (c Connection) Close(code uint16, reason string) error {
	return sent(socklet_plugin_connections.Close(uint64(c), Close(code, reason).raw()))
}

// Principal is who the connection belongs to; nil where nobody was asked.
func (c Connection) Principal() *socklet.Principal {
	return wire.Principal(socklet_plugin_connections.PrincipalOf(uint64(c)))
}

// Attachment is what the host keeps with the connection, whatever becomes of the instance.
func (c Connection) Attachment() []byte {
	return socklet_plugin_connections.Attachment(uint64(c))
}

// Attach replaces the attachment; above 16 KiB it returns ErrFull.
func (c Connection) Attach(value []byte) error {
	gc.Passed(len(value))
	return sent(socklet_plugin_connections.SetAttachment(uint64(c), value))
}

// Subscribe adds the connection to a topic of 1 to 255 bytes. It leaves by itself when it closes.
func (c Connection) Subscribe(topic string) error {
	return said(socklet_plugin_topics.Subscribe(uint64(c), topic))
}

// Unsubscribe takes the connection out of a topic.
func (c Connection) Unsubscribe(topic string) {
	socklet_plugin_topics.Unsubscribe(uint64(c), topic)
}

// SetTimer sets a timer of this connection, or moves the one of that name. It comes due at OnTimer of its handler, and not at all when
// the connection has ended by then.
func (c Connection) SetTimer(name string, after time.Duration) error {
	return setTimer(c.timer(name), after)
}

// CancelTimer forgets a timer of this connection.
func (c Connection) CancelTimer(name string) {
	socklet_plugin_timers.Cancel(c.timer(name))
}

func (c Connection) timer(name string) string {
	return fmt.Sprintf("#%d/%s", uint64(c), name)
}

func (c Connection) raw() wit_types.Option[uint64] {
	if c == Nobody {
		return wit_types.None[uint64]()
	}
	return wit_types.Some(uint64(c))
}

// Publish queues a message for every subscriber of a topic but one, or Nobody; it returns how many on this node accepted it.
func Publish(topic string, message Message, but Connection) int {
	return int(socklet_plugin_topics.Publish(topic, message.raw(), but.raw()))
}

// Subscribers are those of a topic.
func Subscribers(topic string) []Connection {
	return connections(socklet_plugin_topics.Subscribers(topic))
}

// SetTimer sets a timer of the instance, or moves the one of that name, which must not begin with '#'. It comes due at Plugin.OnTimer.
func SetTimer(name string, after time.Duration) error {
	if strings.HasPrefix(name, "#") {
		return errors.New("names of timers that begin with '#' are those of connections")
	}
	return setTimer(name, after)
}

// CancelTimer forgets a timer of the instance.
func CancelTimer(name string) {
	socklet_plugin_timers.Cancel(name)
}

// Heartbeat is how long connections of the route are idle before they are pinged, and with what.
func Heartbeat() (interval time.Duration, payload string) {
	return time.Duration(socklet_plugin_heartbeat.IntervalSeconds()) * time.Second, socklet_plugin_heartbeat.Payload()
}

// SetHeartbeat sets the interval, in whole seconds from 1 to 86,400, and a payload of at most 125 bytes.
func SetHeartbeat(interval time.Duration, payload string) error {
	if err := said(socklet_plugin_heartbeat.SetIntervalSeconds(uint32(interval / time.Second))); err != nil {
		return err
	}
	return said(socklet_plugin_heartbeat.SetPayload(payload))
}

func setTimer(name string, after time.Duration) error {
	return said(socklet_plugin_timers.Set(name, uint64(max(after, 0).Milliseconds())))
}

func connections(ids []uint64) []Connection {
	connections := make([]Connection, len(ids))
	for index, id := range ids {
		connections[index] = Connection(id)
	}
	return connections
}

func said(result wit_types.Result[wit_types.Unit, string]) error {
	if result.Tag() == wit_types.ResultOk {
		return nil
	}
	return errors.New(result.Err())
}

func sent(result wit_types.Result[wit_types.Unit, socklet_plugin_connections.SendError]) error {
	if result.Tag() == wit_types.ResultOk {
		return nil
	}
	switch err := result.Err(); err.Tag() {
	case socklet_plugin_connections.SendError_Unknown:
		return ErrUnknown
	case socklet_plugin_connections.SendError_NotOpen:
		return ErrNotOpen
	case socklet_plugin_connections.SendError_Full:
		return ErrFull
	case socklet_plugin_connections.SendError_Invalid:
		return ErrInvalid
	default:
		return errors.New(err.Other())
	}
}
