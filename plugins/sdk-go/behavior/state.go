package behavior

import (
	"encoding/json"
	"fmt"
	"reflect"
	"socklet"
	"socklet/internal/gc"
	"socklet/wit/types"
)

// A request that was accepted may go away before it opens, and nobody says so: that many are waited for.
const openingMax = 1024

type entry struct {
	handler Handler
	// When it was accepted, counted from 1; 0 once it has opened.
	opening uint64
}

var (
	handlers     = map[Connection]entry{}
	openingCount int
	accepted     uint64
)

// handlerOf is the handler of an open connection: a new one when the instance that had it is gone.
func handlerOf(connection Connection) Handler {
	found, there := handlers[connection]
	if !there {
		found.handler = served.New()
	}
	if !there || found.opening != 0 {
		if found.opening != 0 {
			openingCount--
		}
		handlers[connection] = entry{handler: found.handler}
	}
	return found.handler
}

// opening makes the handler of a request.
func opening(connection Connection) Handler {
	if openingCount >= openingMax {
		oldest, at := Connection(0), uint64(0)
		for id, one := range handlers {
			if one.opening != 0 && (at == 0 || one.opening < at) {
				oldest, at = id, one.opening
			}
		}
		forget(oldest)
	}
	accepted++
	openingCount++
	handler := served.New()
	handlers[connection] = entry{handler: handler, opening: accepted}
	return handler
}

func forget(connection Connection) {
	if handlers[connection].opening != 0 {
		openingCount--
	}
	delete(handlers, connection)
}

// What is saved.
type saved struct {
	Shared      json.RawMessage                `json:"shared,omitempty"`
	Connections map[Connection]json.RawMessage `json:"connections"`
}

// savable finds what encoding/json would leave out without a word.
func savable(handler Handler) error {
	if _, ok := handler.(json.Marshaler); ok {
		return nil
	}
	kind := reflect.TypeOf(handler)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct {
		return nil
	}
	for index := range kind.NumField() {
		if field := kind.Field(index); !field.IsExported() && !field.Anonymous {
			return fmt.Errorf("field `%s` of %s would not be saved: begin its name with a capital letter", field.Name, kind)
		}
	}
	return nil
}

func save() wit_types.Result[[]uint8, string] {
	defer gc.Run()
	var bytes []byte
	err := start()
	if err == nil {
		err = guarded(func() (err error) {
			state := saved{Connections: map[Connection]json.RawMessage{}}
			if served.Shared != nil {
				if state.Shared, err = json.Marshal(served.Shared); err != nil {
					return err
				}
			}
			for connection, one := range handlers {
				if state.Connections[connection], err = json.Marshal(one.handler); err != nil {
					return err
				}
			}
			bytes, err = json.Marshal(state)
			return err
		})
	}
	if err != nil {
		return wit_types.Err[[]uint8](err.Error())
	}
	gc.Passed(3 * len(bytes))
	return wit_types.Ok[[]uint8, string](bytes)
}

func load(bytes []uint8) wit_types.Result[wit_types.Unit, string] {
	defer gc.Run()
	gc.Passed(3 * len(bytes))
	err := start()
	if err == nil {
		err = guarded(func() error {
			var state saved
			if err := json.Unmarshal(bytes, &state); err != nil {
				return err
			}
			if served.Shared != nil && state.Shared != nil {
				if err := json.Unmarshal(state.Shared, served.Shared); err != nil {
					return err
				}
			}
			for connection, one := range state.Connections {
				handler := served.New()
				if err := json.Unmarshal(one, handler); err != nil {
					return err
				}
				handlers[connection] = entry{handler: handler}
			}
			return nil
		})
	}
	if err != nil {
		socklet.Errorf("the saved state cannot be loaded: %v", err)
		return wit_types.Err[wit_types.Unit](err.Error())
	}
	return wit_types.Ok[wit_types.Unit, string](wit_types.Unit{})
}
