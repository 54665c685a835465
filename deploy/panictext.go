package deploy

import (
	"fmt"
	"runtime"
)

// PanicText says what a recovered panic was, for a log: the runtime's own words,
// which hold numbers and names of types, or else only the type of the value. The
// value itself may have an app's secret in it, and so has no place in a log that
// others read; the stack beside it says where.
func PanicText(recovered any) string {
	switch r := recovered.(type) {
	case runtime.Error:
		return r.Error()
	case nil:
		return "nothing"
	default:
		return fmt.Sprintf("a panic with a %T, which may hold a secret and is not shown", r)
	}
}
