package console

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"teal/deploy"
)

// Limits on what a page shows of text from outside, in runes.
const (
	subjectLimit = 120
	nameLimit    = 60
	lineLimit    = 4096
)

// moment is a time as a page shows it: relative, the absolute one on demand.
type moment struct {
	ISO   string // for machines
	Exact string // "2026-11-21 09:03:12 UTC"
	Ago   string // "3 min ago"
}

// moment gives the zero moment for the zero time.
func (c *Console) moment(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{ISO: t.Format(time.RFC3339), Exact: t.Format("2006-01-02 15:04:05 UTC"), Ago: relative(t, c.Now())}
}

func relative(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Second:
		return "in " + length(-d)
	case d < 2*time.Second:
		return "just now"
	case d < 45*24*time.Hour:
		return length(d) + " ago"
	}
	return t.Format("2 Jan 2006")
}

// length writes a duration in one unit, as precise as people talk.
func length(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// took writes how long something took, in two units: "2 min 5 s".
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func millis(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// count writes a number with thousands apart: "18,234".
func count[N int | int64 | uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// escapes are the sequences with which programs color their output.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)`)

// line makes a line of output fit for a page.
func line(s string) string { return deploy.Clean(escapes.ReplaceAllString(s, ""), lineLimit) }

func subject(s string) string { return deploy.Clean(s, subjectLimit) }

// author is the name of "Name <mail>".
func author(s string) string {
	name, _, _ := strings.Cut(s, "<")
	if name = strings.TrimSpace(name); name == "" {
		name = s
	}
	return deploy.Clean(name, nameLimit)
}

// sentence makes an error's text one: a capital and a full stop.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	s = string(unicode.ToUpper(r)) + s[size:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// shortRef is "main" of "refs/heads/main".
func shortRef(ref string) string {
	return deploy.Clean(strings.TrimPrefix(ref, "refs/heads/"), nameLimit)
}

func appPath(app deploy.AppName) string { return "/apps/" + string(app) }

func deploymentPath(app deploy.AppName, id deploy.DeploymentID) string {
	return fmt.Sprintf("/apps/%s/deployments/%d", app, id)
}
