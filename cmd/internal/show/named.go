package show

import (
	"reflect"
	"time"
)

// named turns a decoded record into maps under the names that its schema uses (the avro tags), leaving out what is null.
func named(v any) any { return namedValue(reflect.ValueOf(v)) }

func namedValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return namedValue(v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = namedValue(v.Index(i))
		}
		return out
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return v.Interface()
		}
		out := map[string]any{}
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("avro")
			if value := namedValue(v.Field(i)); name != "" && value != nil {
				out[name] = value
			}
		}
		return out
	default:
		return v.Interface()
	}
}
