package commands

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"teal/deploy"
)

// rows prints a table: a heading and cells, columns aligned.
type rows struct {
	w     io.Writer
	table *tabwriter.Writer
}

func (j *job) rows(heading ...string) *rows {
	r := &rows{w: j.Stdout, table: tabwriter.NewWriter(j.Stdout, 0, 8, 2, ' ', 0)}
	r.add(heading...)
	return r
}

// add prints one row. Cells are cleaned here, so that no caller can forget it.
func (r *rows) add(cells ...string) {
	for i, c := range cells {
		if c == "" {
			c = "–"
		}
		cells[i] = deploy.Clean(c, 200)
	}
	fmt.Fprintln(r.table, strings.Join(cells, "\t"))
}

func (r *rows) end() { _ = r.table.Flush() }

// ago says when something was, the way people do.
func (s *Set) ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := s.Now().Sub(t)
	switch {
	case d < -30*time.Second:
		return "in " + span(-d)
	case d < 10*time.Second:
		return "just now"
	case d < 30*24*time.Hour:
		return span(d) + " ago"
	}
	return t.UTC().Format("2006-01-02")
}

// span says how long something is, in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < time.Hour-30*time.Second:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// took says how long a piece of work lasted.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes "1 key", "2 keys".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// releaseName writes a release number, or "" for none.
func releaseName(n int) string {
	if n == 0 {
		return ""
	}
	return deploy.ReleaseName(n)
}

// maxLine is the longest line of output that is passed on.
const maxLine = 16 << 10

// csi are the sequences that color a terminal. They are taken out before
// Clean would make them readable noise.
var csi = regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]`)

// line makes one line of a log safe to print.
func line(s string) string {
	return deploy.Clean(csi.ReplaceAllString(strings.TrimSuffix(s, "\r"), ""), maxLine)
}

// cleaner passes whole lines on, each made safe. Close passes the rest.
type cleaner struct {
	w    io.Writer
	rest []byte
}

func (c *cleaner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		before, after, found := strings.Cut(string(p), "\n")
		c.rest, p = append(c.rest, before...), []byte(after)
		// A line without end is cut, lest an app fill the memory with it.
		if !found && len(c.rest) < 4*maxLine {
			return n, nil
		}
		if err := c.Close(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (c *cleaner) Close() error {
	s := string(c.rest)
	c.rest = c.rest[:0]
	_, err := io.WriteString(c.w, line(s)+"\n")
	return err
}
