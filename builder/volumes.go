package builder

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

var volumeName = regexp.MustCompile(`^[a-z][a-z0-9]{0,29}$`)

// ownPaths are directories of a container that are not for volumes.
var ownPaths = []string{"/proc", "/sys", "/dev", "/tmp", "/etc", "/bin", "/lib", "/usr"}

// volumes checks names and places of volumes.
func volumes(all map[string]string, to *map[string]string) error {
	if len(all) > 10 {
		return fmt.Errorf("volumes has %d entries: at most 10", len(all))
	}
	var taken []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := all[name]
		if !volumeName.MatchString(name) {
			return fmt.Errorf("volumes: %q is not a name for a volume: up to 30 of a-z and 0-9, beginning with a letter", deploy.Clean(name, 40))
		}
		if !strings.HasPrefix(at, "/") || path.Clean(at) != at || at == "/" || deploy.Clean(at, 200) != at || strings.ContainsAny(at, ":,") {
			return fmt.Errorf("volumes.%s = %q is not a directory in the container: write it like \"/data\"", name, deploy.Clean(at, 80))
		}
		for _, own := range ownPaths {
			if at == own || (own == "/proc" || own == "/sys" || own == "/dev") && strings.HasPrefix(at, own+"/") {
				return fmt.Errorf("volumes.%s = %q is a directory of the system: use one of its own, like \"/data\"", name, at)
			}
		}
		for _, other := range taken {
			if at == other || strings.HasPrefix(at, other+"/") || strings.HasPrefix(other, at+"/") {
				return fmt.Errorf("volumes.%s = %q and another volume at %q lie in one another", name, at, other)
			}
		}
		taken = append(taken, at)
	}
	if len(all) > 0 {
		*to = all
	}
	return nil
}
