package builder

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

// duration is a length of time written as a string: "90s", "5m", "1h30m". It is
// a struct so that a bare number, which has no unit, is refused.
type duration struct{ time.Duration }

// UnmarshalText reads a duration.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a length of time: write it like \"90s\" or \"5m\"", deploy.Clean(string(text), 40))
	}
	d.Duration = parsed
	return nil
}

// lapse is a duration, or "off".
type lapse struct {
	duration
	off bool
}

// UnmarshalText reads a lapse; nothing at all is off, too.
func (l *lapse) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		l.off = true
		return nil
	}
	if err := l.duration.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, or \"off\"", err)
	}
	l.off = l.Duration == 0
	return nil
}

// unlessOff gives the duration; nil when there is none, or it is off, which is
// then noted.
func (l *lapse) unlessOff(to *time.Duration) *duration {
	if l == nil {
		return nil
	}
	if l.off {
		*to = 0
		return nil
	}
	return &l.duration
}

// size is a number of bytes written as a string: "512MB", "1GiB".
type size struct{ bytes int64 }

var sizePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([kKMGT]i?)?B?$`)

var sizeUnits = map[string]float64{
	"":  1,
	"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
	"KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40,
}

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	m := sizePattern.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("%q is not a size: write it like \"512MB\" or \"1GiB\"", deploy.Clean(string(text), 40))
	}
	n, err := strconv.ParseFloat(m[1], 64)
	bytes := n * sizeUnits[strings.ToUpper(m[2])]
	if err != nil || bytes > math.MaxInt64/2 {
		return fmt.Errorf("%q is too large for a size", deploy.Clean(string(text), 40))
	}
	s.bytes = int64(bytes)
	return nil
}

// repoPath checks a path in the repository and cleans it of "./" and the like.
func repoPath(s string) (string, error) {
	clean := path.Clean(s)
	if s == "" || deploy.Clean(s, 512) != s || strings.Contains(s, "\\") || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%q is not a path in the repository", deploy.Clean(s, 80))
	}
	return clean, nil
}

// mib writes a number of bytes for people.
func mib(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
