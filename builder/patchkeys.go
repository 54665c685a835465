package builder

import (
	"fmt"
	"slices"
	"strings"

	"teal/deploy"
)

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
