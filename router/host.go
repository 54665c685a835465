package router

import "strings"

// plainHost gives the host of a Host header in the form in which the table
// has it: lower case, without port, trailing dot and brackets. It returns ""
// for anything that is not a host. A host that has the form already is
// returned as it is, without an allocation.
func plainHost(s string) string {
	s, ok := cutPort(s)
	if !ok {
		return ""
	}
	s = strings.TrimSuffix(s, ".")
	upper := false
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '.', b == '_', b == ':':
		case 'A' <= b && b <= 'Z':
			upper = true
		default:
			return ""
		}
	}
	if upper {
		return strings.ToLower(s)
	}
	return s
}

// cutPort removes the port, and the brackets of an IPv6 address.
func cutPort(s string) (host string, ok bool) {
	if strings.HasPrefix(s, "[") {
		host, rest, found := strings.Cut(s[1:], "]")
		return host, found && (rest == "" || isPort(rest))
	}
	i := strings.IndexByte(s, ':')
	if i < 0 {
		return s, s != ""
	}
	return s[:i], i > 0 && isPort(s[i:])
}

// isPort tells whether s is ":" and digits. RFC 3986 §3.2.3 allows none.
func isPort(s string) bool {
	if s[0] != ':' || len(s) > 6 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
