package builder

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"teal/deploy"
)

// appVariable is one of env in app.json.
type appVariable struct {
	Value     *string `json:"value"`
	Required  *bool   `json:"required"` // missing: true, as Heroku has it
	Generator string  `json:"generator"`
}

// takeEnv takes what the app wants in its environment: values for what is not
// set, secrets that are made once, and names that must be set by a person.
func (d *declared) takeEnv(env map[string]json.RawMessage, s *deploy.Settings, set []string) error {
	var defaults []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !argName.MatchString(name) {
			return appJSONError("env: %q is not a name: letters, digits and '_'", deploy.Clean(name, 60))
		}
		v, err := readVariable(env[name])
		switch {
		case err != nil:
			return appJSONError("env.%s: %s", name, err)
		case slices.Contains(set, name):
		case v.Generator == "secret":
			s.Secrets = append(s.Secrets, name)
			d.note("app.json: %s is not set: a secret value is made for it, once", name)
		case v.Value != nil && strings.ContainsRune(*v.Value, 0):
			return appJSONError("env.%s has a zero byte in it", name)
		case v.Value != nil:
			if s.Env == nil {
				s.Env = map[string]string{}
			}
			s.Env[name] = *v.Value
			defaults = append(defaults, name)
		case v.Required == nil || *v.Required:
			d.missing = append(d.missing, name)
		}
	}
	if len(defaults) > 0 {
		d.note("app.json: values for what is not set: %s", strings.Join(defaults, ", "))
	}
	return nil
}

// complete refuses an app whose environment lacks what app.json requires.
func (d *declared) complete() error {
	if len(d.missing) == 0 {
		return nil
	}
	return failure("app.json requires "+strings.Join(d.missing, ", ")+", and nothing is set",
		"set it, then push again: config set APP "+strings.Join(d.missing, "=… ")+"=…", nil, nil)
}

// readVariable reads a value that is a string, or an object.
func readVariable(raw json.RawMessage) (v appVariable, err error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return appVariable{Value: &text}, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("it must be a string, or an object with value, required or generator")
	}
	if v.Generator != "" && v.Generator != "secret" {
		return v, fmt.Errorf("the generator %q is not known: only \"secret\" is", deploy.Clean(v.Generator, 40))
	}
	return v, nil
}
