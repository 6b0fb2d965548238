package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
)

var update = flag.Bool("update", false, "write what is derived from the table of settings")

const schemaFile = chartFolder + "/values.schema.json"

// notOurs are the variables that the worker's libraries read.
var notOurs = []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}

// TestSchemaKnowsTheSettings: the chart takes every setting of the worker that is not a secret, and no other.
func TestSchemaKnowsTheSettings(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	schema["properties"].(map[string]any)["settings"] = settingsSchema(t)
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want.Bytes()) {
		t.Errorf("%s is not as the table of settings has it: cd deploy/test && go test -run TestSchemaKnowsTheSettings -update", schemaFile)
	}
}

func settingsSchema(t *testing.T) map[string]any {
	t.Helper()
	settings, properties := knownSettings(t), map[string]any{}
	for name, preset := range settings {
		if _, secret := settings[name+"_FILE"]; !secret {
			properties[name] = settingSchema(preset)
		}
	}
	for _, name := range notOurs {
		properties[name] = map[string]any{"type": "string"}
	}
	return map[string]any{"type": "object", "description": "the worker's settings: deploy/CONFIGURATION.md", "additionalProperties": false, "properties": properties}
}

// settingSchema is what a value may be. A text that YAML takes for something else (on, 1e5) must be in quotes, or the worker would
// see another text than was written.
func settingSchema(preset string) map[string]any {
	schema := map[string]any{"type": "string"}
	if _, err := strconv.Atoi(preset); err == nil {
		schema["type"], schema["pattern"] = []string{"string", "integer"}, "^(-?[0-9]+)?$"
	}
	if preset == "true" || preset == "false" {
		schema["type"] = []string{"string", "boolean"}
	}
	return schema
}

// TestValuesAreInTheSchema: every default has a place there, and every place, except those of settings and secrets, a default.
func TestValuesAreInTheSchema(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema.Properties, "global") // Helm's own
	defaults, err := os.ReadFile(chartFolder + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, want := slices.Sorted(maps.Keys(parseValues(t, string(defaults)))), slices.Sorted(maps.Keys(schema.Properties))
	if !slices.Equal(got, want) {
		t.Errorf("values.yaml has %v, the schema %v", got, want)
	}
}
