package builder

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// The checks of teal.toml's values: each takes what was set, nil for nothing,
// and puts it where it belongs when it is in its range.

// first gives the first error: one thing to correct at a time, in the file's order.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func number(key string, value *int64, low, high int64, set func(int64)) error {
	if value == nil {
		return nil
	}
	if *value < low || *value > high {
		return fmt.Errorf("%s = %d is out of range: %d to %d", key, *value, low, high)
	}
	set(*value)
	return nil
}

// choice takes a yes or no, which can't be out of range.
func choice(value, to *bool) error {
	if value != nil {
		*to = *value
	}
	return nil
}

func span(key string, value *duration, low, high time.Duration, to *time.Duration) error {
	if value == nil {
		return nil
	}
	d := value.Duration
	if d < low || d > high {
		return fmt.Errorf("%s = %q is out of range: %s to %s", key, d, low, high)
	}
	*to = d
	return nil
}

func memory(value *size, to *int64) error {
	if value == nil {
		return nil
	}
	if value.bytes < 16<<20 || value.bytes > 1<<40 {
		return fmt.Errorf("limits.memory is %d bytes, which is out of range: 16MiB to 1TiB", value.bytes)
	}
	*to = value.bytes
	return nil
}

func cpus(value *float64, to *float64) error {
	if value == nil {
		return nil
	}
	if !(*value >= 0.05 && *value <= 512) { // not a number is refused too
		return fmt.Errorf("limits.cpus = %v is out of range: 0.05 to 512", *value)
	}
	*to = *value
	return nil
}

// release takes a command as a string, which is split, or as a list.
func release(value any, to *[]string) error {
	var argv []string
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		words, err := splitArgv(v)
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		argv = words
	case []any:
		for _, item := range v {
			word, ok := item.(string)
			if !ok {
				return fmt.Errorf("release: every item of the list must be a string")
			}
			argv = append(argv, word)
		}
	default:
		return fmt.Errorf("release must be a string or a list of strings")
	}
	if len(argv) > 256 || slices.ContainsFunc(argv, func(w string) bool { return strings.ContainsRune(w, 0) }) {
		return fmt.Errorf("release has more than 256 words, or a zero byte in one")
	}
	if len(argv) > 0 && argv[0] == "" {
		return fmt.Errorf("release: its first word, the command, is empty")
	}
	*to = argv
	return nil
}

// repoFile checks the path of a file in the repository.
func repoFile(key string, value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil || clean == "." {
		return fmt.Errorf("%s = %q is not the path of a file in the repository", key, deploy.Clean(*value, 80))
	}
	*to = clean
	return nil
}

// repoDir checks the path of a directory in the repository; the root is "".
func repoDir(key string, value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil {
		return fmt.Errorf("%s = %q is not a directory in the repository", key, deploy.Clean(*value, 80))
	}
	if *to = clean; clean == "." {
		*to = ""
	}
	return nil
}

func mainPackage(value *string, to *string) error {
	if value == nil {
		return nil
	}
	clean, err := repoPath(*value)
	if err != nil {
		return fmt.Errorf("build.main = %q is not a directory in the repository: write it like \"./cmd/web\"", deploy.Clean(*value, 80))
	}
	*to = clean
	return nil
}

func probePath(value *string, to *string) error {
	if value == nil {
		return nil
	}
	if !strings.HasPrefix(*value, "/") || deploy.Clean(*value, 1024) != *value || strings.ContainsAny(*value, " #") {
		return fmt.Errorf("probe.path = %q is not a path: it begins with \"/\" and has no spaces, e.g. \"/healthz\"", deploy.Clean(*value, 80))
	}
	*to = *value
	return nil
}

// scales takes the table [formation]: over that of a file above, name by name.
func scales(table map[string]int64, to *map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := "formation." + deploy.Clean(name, 60)
		if name == "web" {
			return fmt.Errorf("%s: how many of web there are is the key instances, at the top of the file", key)
		}
		n := table[name]
		if err := number(key, &n, 0, deploy.MaxInstances, func(int64) {}); err != nil {
			return err
		}
		if *to == nil {
			*to = map[string]int{}
		}
		(*to)[name] = int(n)
	}
	return nil
}

var argName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func buildArgs(args map[string]string, to *map[string]string) error {
	if len(args) > 100 {
		return fmt.Errorf("build.args has %d entries: at most 100", len(args))
	}
	for name := range args {
		if !argName.MatchString(name) {
			return fmt.Errorf("build.args: %q is not a name for an ARG: letters, digits and '_'", deploy.Clean(name, 60))
		}
		if strings.HasPrefix(name, "BUILDKIT_") {
			return fmt.Errorf("build.args: %s is not for apps to set", name)
		}
	}
	*to = args
	return nil
}

// word takes a value that is checked where it is used.
func word(value *string, to *string) error {
	if value != nil {
		*to = strings.ToLower(*value)
	}
	return nil
}

var stagePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// stageName takes build.target, the name or the number of a stage.
func stageName(value, to *string) error {
	if value == nil {
		return nil
	}
	if !stagePattern.MatchString(*value) {
		return fmt.Errorf("build.target is %q: the name of a stage of the Dockerfile, FROM … AS name", deploy.Clean(*value, 60))
	}
	*to = *value
	return nil
}
