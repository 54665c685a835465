package builder

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"teal/deploy"
)

// readChecks reads the CHECKS file that Dokku had before app.json's health
// checks: settings NAME=value, and lines of a path, or a URL that names the host,
// and the text that the answer must have.
//
//	WAIT=5
//	TIMEOUT=30
//	ATTEMPTS=6
//	/            Welcome
//	//admin.example.com/login
func (d *declared) readChecks(ctx context.Context, t *tree, s *deploy.Settings) error {
	text, err := t.readSmall(ctx, "CHECKS")
	if err != nil || text == "" {
		return err
	}
	if len(s.Expect) > 0 {
		d.note("CHECKS is not used: app.json has health checks")
		return nil
	}
	settings := map[string]float64{"WAIT": 5, "TIMEOUT": 30, "ATTEMPTS": 5}
	var expect []deploy.Expectation
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && assignment.MatchString(line) {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if _, known := settings[key]; !known {
				d.note("CHECKS line %d: %s is not used", n+1, deploy.Clean(key, 40))
				continue
			}
			if err != nil || !(number >= 0 && number <= 86400) {
				return checksError(n, "%s is a number, not %q", key, deploy.Clean(value, 40))
			}
			settings[key] = number
			continue
		}
		where, want, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		e, why := checkOf(where, strings.TrimSpace(want))
		if why != "" {
			return checksError(n, "%s", why)
		}
		expect = append(expect, e)
	}
	var p probing
	for _, e := range expect {
		p.add(e, settings["ATTEMPTS"], settings["TIMEOUT"], settings["WAIT"], 0)
	}
	return d.probeBy("CHECKS", p, s)
}

// checkOf reads "/path", "//host/path" or "http://host/path".
func checkOf(where, want string) (deploy.Expectation, string) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || u.Scheme == "" && !strings.HasPrefix(where, "/") {
		return deploy.Expectation{}, fmt.Sprintf("%q is not a path, //host/path or a URL", deploy.Clean(where, 80))
	}
	e := deploy.Expectation{Path: u.RequestURI(), Host: u.Host, Text: want}
	return e, expectable(e)
}

func checksError(n int, format string, args ...any) error {
	return failure(fmt.Sprintf("CHECKS line %d: ", n+1)+fmt.Sprintf(format, args...), "correct CHECKS, commit and push again", nil, nil)
}
