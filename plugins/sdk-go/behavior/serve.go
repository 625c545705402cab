package behavior

import (
	"errors"
	"fmt"
	"runtime/debug"
	"socklet"
	"socklet/bindings/exports/export_socklet_plugin_behavior"
	"socklet/bindings/exports/export_socklet_plugin_frames"
	"socklet/bindings/exports/export_socklet_plugin_state"
	"socklet/bindings/exports/export_socklet_plugin_timer_events"
	_ "socklet/bindings/exports/wit_exports"
	"socklet/bindings/imports/socklet_plugin_behavior"
	"socklet/bindings/imports/socklet_plugin_frames"
	"socklet/bindings/imports/socklet_plugin_types"
	"socklet/internal/gc"
	"socklet/internal/wire"
	"socklet/internal/world"
	"socklet/wit/types"
	"strconv"
	"strings"
	"time"
)

type handled = wit_types.Result[wit_types.Unit, socklet_plugin_types.CloseFrame]

// The plugin of this instance; broken when it could not start.
var served struct {
	Plugin
	started bool
	broken  error
}

// Serve makes the program this plugin. Call it from init.
func Serve(plugin Plugin) {
	if plugin.New == nil {
		panic("a plugin needs New")
	}
	served.Plugin = plugin
	export_socklet_plugin_behavior.Hooks.OnUpgrade = onUpgrade
	export_socklet_plugin_behavior.Hooks.OnOpen = func(id uint64) handled {
		return hook(id, func(connection Connection, handler Handler) error {
			if opener, ok := handler.(Opener); ok {
				return opener.OnOpen(connection)
			}
			return nil
		})
	}
	export_socklet_plugin_behavior.Hooks.OnMessage = func(id uint64, message socklet_plugin_types.Message) handled {
		return hook(id, func(connection Connection, handler Handler) error {
			return handler.OnMessage(connection, received(message))
		})
	}
	export_socklet_plugin_behavior.Hooks.OnClose = onClose
	export_socklet_plugin_frames.Hook = onFrame
	export_socklet_plugin_state.Hooks.Save = save
	export_socklet_plugin_state.Hooks.Load = load
	export_socklet_plugin_timer_events.Hook = onTimer
}

// start starts the plugin at its first hook: before, the host cannot be asked for settings.
func start() error {
	if served.started {
		return served.broken
	}
	served.started = true
	served.broken = guarded(func() error {
		if served.Start != nil {
			if err := served.Start(); err != nil {
				return err
			}
		}
		return fits(served.New())
	})
	if served.broken != nil {
		socklet.Errorf("the plugin cannot start: %v", served.broken)
	}
	return served.broken
}

// fits finds hooks that nothing would call.
func fits(handler Handler) error {
	if _, ok := handler.(Timed); (ok || served.OnTimer != nil) && !world.TimerEvents {
		return errors.New("there is an OnTimer, and `exports` in plugin.toml lacks \"timer-events\"")
	}
	if _, ok := handler.(Framer); ok && !world.Frames {
		return errors.New("there is an OnFrame, and `exports` in plugin.toml lacks \"frames\"")
	}
	if world.State {
		return savable(handler)
	}
	return nil
}

// guarded turns a panic into an error with its stack.
func guarded(call func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	return call()
}

// closing is the frame that an error becomes; what is not meant for the client is logged.
func closing(err error) socklet_plugin_types.CloseFrame {
	var close *CloseError
	if errors.As(err, &close) {
		return close.raw()
	}
	socklet.Errorf("closing the connection: %v", err)
	return Close(Internal, "internal error").raw()
}

// hook calls what a connection does, with its handler.
func hook(id uint64, call func(Connection, Handler) error) handled {
	defer gc.Run()
	err := start()
	if err == nil {
		err = guarded(func() error { return call(Connection(id), handlerOf(Connection(id))) })
	} else {
		err = Close(Internal, "internal error")
	}
	if err == nil {
		return wit_types.Ok[wit_types.Unit, socklet_plugin_types.CloseFrame](wit_types.Unit{})
	}
	return wit_types.Err[wit_types.Unit](closing(err))
}

func received(raw socklet_plugin_types.Message) Message {
	message := Message{binary: raw.Tag() == socklet_plugin_types.Message_Binary}
	if message.binary {
		message.bytes = raw.Binary()
	} else {
		message.text = raw.Text()
	}
	gc.Passed(message.size())
	return message
}

func onUpgrade(
	raw socklet_plugin_types.Request,
	principal wit_types.Option[socklet_plugin_types.Principal],
) wit_types.Result[socklet_plugin_behavior.Acceptance, socklet_plugin_types.Response] {
	defer gc.Run()
	var acceptance Acceptance
	err := start()
	if err != nil {
		err = Refuse(500, "")
	} else {
		err = guarded(func() (err error) {
			handler := opening(Connection(raw.Connection))
			if upgrader, ok := handler.(Upgrader); ok {
				acceptance, err = upgrader.OnUpgrade(wire.Request(raw), wire.Principal(principal))
			}
			return err
		})
	}
	if err == nil {
		accepted := socklet_plugin_behavior.Acceptance{
			Subprotocol: wit_types.None[string](),
			Headers:     wire.RawHeaders(acceptance.Headers),
		}
		if acceptance.Subprotocol != "" {
			accepted.Subprotocol = wit_types.Some(acceptance.Subprotocol)
		}
		return wit_types.Ok[socklet_plugin_behavior.Acceptance, socklet_plugin_types.Response](accepted)
	}
	forget(Connection(raw.Connection))
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		socklet.Errorf("refusing the upgrade: %v", err)
		refusal = Refuse(500, "")
	}
	return wit_types.Err[socklet_plugin_behavior.Acceptance](wire.RawResponse(refusal.Response))
}

func onClose(id uint64, raw socklet_plugin_behavior.Ending) {
	ending := Ending{
		Code:             raw.Close.Code,
		Reason:           raw.Close.Reason,
		Cause:            Cause(raw.Cause.Tag()),
		Clean:            raw.Clean,
		Duration:         time.Duration(raw.DurationMs) * time.Millisecond,
		MessagesReceived: raw.MessagesReceived,
		MessagesSent:     raw.MessagesSent,
	}
	hook(id, func(connection Connection, handler Handler) error {
		if closer, ok := handler.(Closer); ok {
			closer.OnClose(connection, ending)
		}
		return nil
	})
	forget(Connection(id))
}

func onFrame(id uint64, raw socklet_plugin_frames.Frame) uint8 {
	gc.Passed(len(raw.Payload))
	said := Process
	result := hook(id, func(connection Connection, handler Handler) error {
		if framer, ok := handler.(Framer); ok {
			said = framer.OnFrame(connection, Frame{Opcode: Opcode(raw.Opcode), Fin: raw.Fin, Payload: raw.Payload})
		}
		return nil
	})
	if result.Tag() == wit_types.ResultErr {
		said = Stop
	}
	return uint8(said)
}

func onTimer(name string) {
	defer gc.Run()
	if start() != nil {
		return
	}
	id, rest, ok := strings.Cut(strings.TrimPrefix(name, "#"), "/")
	if !ok || !strings.HasPrefix(name, "#") {
		err := guarded(func() error {
			if served.OnTimer == nil {
				return nil
			}
			return served.OnTimer(name)
		})
		if err != nil {
			socklet.Errorf("timer %s: %v", name, err)
		}
		return
	}
	number, _ := strconv.ParseUint(id, 10, 64)
	connection := Connection(number)
	// One that has ended meanwhile has no handler any more.
	timed, ok := handlers[connection].handler.(Timed)
	if !ok {
		return
	}
	if err := guarded(func() error { return timed.OnTimer(connection, rest) }); err != nil {
		frame := closing(err)
		_ = connection.Close(frame.Code, frame.Reason)
	}
}
