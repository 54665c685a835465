package builder

import (
	"fmt"
	"slices"
	"strings"

	"teal/deploy"
)

// patchKeys are those of [patch].
type patchKeys struct {
	Mode   *string `toml:"mode"`
	Window *string `toml:"window"`
	Scope  *string `toml:"scope"`
	Layer  *bool   `toml:"layer"`
	Tell   *bool   `toml:"tell"`
}

func (k patchKeys) overlay(s *deploy.PatchSettings) error {
	return first(
		oneOf("patch.mode", k.Mode, &s.Mode, "auto", deploy.PatchNotify, deploy.PatchOff),
		window(k.Window, &s.Window),
		oneOf("patch.scope", k.Scope, &s.Scope, "all", deploy.ScopeSecurity),
		choice(k.Layer, &s.Layer),
		choice(k.Tell, &s.Tell),
	)
}

func window(value, to *string) error {
	if value == nil {
		return nil
	}
	if _, err := deploy.ParseWindow(*value); err != nil {
		return fmt.Errorf("patch.window = %q is no time of day: write it like \"02:00-05:00\"", deploy.Clean(*value, 40))
	}
	*to = *value
	return nil
}

// migrateKeys are those of [migrate].
type migrateKeys struct {
	Mark     *string `toml:"mark"`
	Rollback *string `toml:"rollback"`
}

func (k migrateKeys) overlay(s *deploy.MigrateSettings) error {
	if k.Mark != nil {
		if *k.Mark != deploy.Clean(*k.Mark, 60) {
			return fmt.Errorf("migrate.mark = %q is no mark: at most 60 characters, on one line", deploy.Clean(*k.Mark, 60))
		}
		s.Mark = *k.Mark
	}
	type word string
	policy := word("")
	err := oneOf("migrate.rollback", k.Rollback, &policy, "warn", word("block"))
	s.Block = s.Block && k.Rollback == nil || policy != ""
	return err
}

// oneOf takes one of a few words; standard is the word for the zero value.
func oneOf[T ~string](key string, value *string, to *T, standard string, others ...T) error {
	switch {
	case value == nil:
		return nil
	case *value == standard:
		*to = ""
		return nil
	case slices.Contains(others, T(*value)):
		*to = T(*value)
		return nil
	}
	known := []string{fmt.Sprintf("%q", standard)}
	for _, o := range others {
		known = append(known, fmt.Sprintf("%q", string(o)))
	}
	return fmt.Errorf("%s = %q is not known: use %s", key, deploy.Clean(*value, 40), strings.Join(known, " or "))
}
