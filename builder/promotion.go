package builder

import (
	"fmt"

	"teal/deploy"
)

// defaultSteps are those of a gradual promotion that names none.
var defaultSteps = []int{10, 50}

// gradual reads how a release is promoted: at once, or in steps.
func gradual(promote *string, steps *[]int64, s *deploy.Settings) error {
	switch {
	case promote == nil && steps == nil:
		return nil
	case promote == nil:
		return fmt.Errorf("switch.steps has an effect only with promote = \"gradual\": set both or neither")
	case *promote == "at-once" && steps == nil:
		s.Gradual = nil
		return nil
	case *promote == "at-once":
		return fmt.Errorf("switch.steps has no effect with promote = \"at-once\": set promote = \"gradual\"")
	case *promote != "gradual":
		return fmt.Errorf("promote = %q is not known: use \"at-once\" or \"gradual\"", deploy.Clean(*promote, 40))
	}
	s.Gradual = defaultSteps
	if steps == nil {
		return nil
	}
	s.Gradual = nil
	last := int64(0)
	for _, n := range *steps {
		if n <= last || n > 99 {
			return fmt.Errorf("switch.steps = %v: percentages from 1 to 99 that rise, such as [10, 50]", *steps)
		}
		last = n
		s.Gradual = append(s.Gradual, int(n))
	}
	if len(s.Gradual) == 0 || len(s.Gradual) > 20 {
		return fmt.Errorf("switch.steps has %d steps: 1 to 20 are allowed", len(s.Gradual))
	}
	return nil
}

// strategy reads whether two releases may run at once. It comes after all that
// it has to agree with.
func strategy(value *string, s *deploy.Settings) error {
	switch {
	case value == nil:
	case *value == "blue-green":
		s.SingleWriter = false
	case *value == "single-writer":
		s.SingleWriter = true
	default:
		return fmt.Errorf("strategy = %q is not known: use \"blue-green\" or \"single-writer\"", deploy.Clean(*value, 40))
	}
	switch {
	case !s.SingleWriter:
		return nil
	case len(s.Gradual) > 0:
		return fmt.Errorf("strategy = \"single-writer\" cannot be promoted gradually: two releases of it would run at once")
	case s.Instances > 1:
		return fmt.Errorf("strategy = \"single-writer\" has one instance, not %d: they would write at once", s.Instances)
	}
	return nil
}
