package socklet

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"socklet/bindings/imports/wasi_config_store"
	"socklet/wit/types"
	"sort"
	"strings"
)

// Settings reads the plugin's settings into a struct: a field for each key, named as for encoding/json. Strings are taken as they
// are, everything else is JSON. A key that no field has is an error; one that is not set leaves its field alone.
func Settings(into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		return errors.New("settings are read into a pointer to a struct")
	}
	all := wasi_config_store.GetAll()
	if all.Tag() == wit_types.ResultErr {
		return errors.New("the settings cannot be read")
	}
	fields := map[string]reflect.Value{}
	for index := range target.Elem().NumField() {
		field := target.Elem().Type().Field(index)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if name != "-" && field.IsExported() {
			fields[name] = target.Elem().Field(index)
		}
	}
	for _, setting := range all.Ok() {
		field, known := fields[setting.F0]
		if !known {
			return fmt.Errorf("setting `%s`: unknown, the known ones are %s", setting.F0, names(fields))
		}
		if field.Kind() == reflect.String {
			field.SetString(setting.F1)
		} else if err := json.Unmarshal([]byte(setting.F1), field.Addr().Interface()); err != nil {
			// Without the value: it may be a secret.
			return fmt.Errorf("setting `%s`: expected %s: %w", setting.F0, field.Type(), err)
		}
	}
	return nil
}

// Setting reads one setting as text.
func Setting(key string) (string, bool) {
	found := wasi_config_store.Get(key)
	if found.Tag() == wit_types.ResultErr || found.Ok().Tag() == wit_types.OptionNone {
		return "", false
	}
	return found.Ok().Some(), true
}

func names(fields map[string]reflect.Value) string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
