package deploy

import (
	"fmt"
	"strings"
)

// CheckDomain refuses a host that belongs to the server itself: its domain, and
// the names right below it, which are the apps' own ("shop.<domain>") whether
// such an app exists yet or not. The error wraps ErrBadName. host is lower case.
func CheckDomain(host, server string) error {
	if !ownHost(host, server) {
		return nil
	}
	return fmt.Errorf("%w: %s belongs to this server: names below %s are the apps' own, each has its name there already", ErrBadName, Clean(host, 100), server)
}

func ownHost(host, server string) bool {
	if host == server {
		return true
	}
	label, rest, below := strings.Cut(host, ".")
	return below && rest == server && label != "" // "*" too
}
