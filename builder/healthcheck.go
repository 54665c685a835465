package builder

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// healthcheck is one of healthchecks in app.json, as Dokku defines it; lengths of
// time are in seconds.
type healthcheck struct {
	Type         string   `json:"type"` // "startup", "liveness", "readiness"; "": startup
	Name         string   `json:"name"`
	Path         string   `json:"path"`
	Port         int      `json:"port"`
	Content      string   `json:"content"`
	Attempts     float64  `json:"attempts"`
	Timeout      float64  `json:"timeout"`
	Wait         float64  `json:"wait"`
	InitialDelay float64  `json:"initialDelay"`
	Command      []string `json:"command"`
	Uptime       float64  `json:"uptime"`
	Listening    bool     `json:"listening"`
	Headers      []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"httpHeaders"`
}

// takeHealthchecks makes the probe of the startup checks of web that ask by HTTP.
func (d *declared) takeHealthchecks(all map[string][]healthcheck, s *deploy.Settings) error {
	var probe probing
	for _, process := range slices.Sorted(maps.Keys(all)) {
		for _, h := range all[process] {
			if process != "web" {
				d.note("app.json: the health check %s of %s is not used: only web is probed", h.label(), deploy.Clean(process, 40))
				continue
			}
			if why := h.unused(); why != "" {
				d.note("app.json: the health check %s is not used: %s", h.label(), why)
				continue
			}
			e, err := h.expectation()
			if err != "" {
				return appJSONError("the health check %s: %s", h.label(), err)
			}
			if h.Port != 0 && h.Port != deploy.Port {
				d.note("app.json: the port %d of the health check %s is not used: an app listens on $PORT, which is %d", h.Port, h.label(), deploy.Port)
			}
			probe.add(e, h.Attempts, h.Timeout, h.Wait, h.InitialDelay)
		}
	}
	return d.probeBy("app.json", probe, s)
}

func (h healthcheck) label() string {
	return "\"" + deploy.Clean(cmp.Or(h.Name, h.Path, strings.Join(h.Command, " "), h.Type, "unnamed"), 60) + "\""
}

// unused says why Teal can't do what the check wants; "": it can.
func (h healthcheck) unused() string {
	switch {
	case h.Type != "" && h.Type != "startup":
		return "of its kind (" + deploy.Clean(h.Type, 40) + ") Teal's router does its own, at the probe's path"
	case len(h.Command) > 0:
		return "it runs a command, and Teal asks by HTTP"
	case h.Path == "" && (h.Listening || h.Uptime > 0):
		return "Teal's probe sees whether the app listens and stays up"
	}
	return ""
}

func (h healthcheck) expectation() (deploy.Expectation, string) {
	e := deploy.Expectation{Path: cmp.Or(h.Path, "/"), Text: h.Content}
	for _, header := range h.Headers {
		if strings.EqualFold(header.Name, "host") {
			e.Host = header.Value
		}
	}
	return e, expectable(e)
}

// expectable says what is wrong with an expectation from outside; "": nothing.
func expectable(e deploy.Expectation) string {
	var path string
	switch {
	case probePath(&e.Path, &path) != nil:
		return deploy.Clean(e.Path, 80) + " is not a path: it begins with \"/\" and has no spaces"
	case e.Host != deploy.Clean(e.Host, 253) || strings.ContainsAny(e.Host, "/ @#?"):
		return deploy.Clean(e.Host, 80) + " is not a host"
	case len(e.Text) > 4096:
		return "the expected text is longer than 4096 bytes"
	}
	return ""
}

// probing is a probe that others' files describe.
type probing struct {
	expect  []deploy.Expectation
	timeout time.Duration // of one try; 0: not said
	start   time.Duration // in all; 0: not said
	least   time.Duration // in all, by checks that don't say how often they are tried; 0: there are none
}

// dokkuAttempts is how often Dokku tries a check that does not say.
const dokkuAttempts = 3

// add takes a check, with how long and often it is tried, in seconds; 0: not said.
func (p *probing) add(e deploy.Expectation, attempts, timeout, wait, delay float64) {
	p.expect = append(p.expect, e)
	seconds := func(s float64) time.Duration { return time.Duration(min(max(s, 0), 86400) * float64(time.Second)) }
	if timeout > 0 {
		p.timeout = max(p.timeout, seconds(timeout))
	}
	all := func(attempts float64) time.Duration {
		return seconds(min(attempts, 86400)*(cmp.Or(max(timeout, 0), 5)+cmp.Or(max(wait, 0), 5)) + max(delay, 0))
	}
	switch {
	case attempts > 0:
		p.start = max(p.start, all(attempts))
	case timeout > 0 || wait > 0 || delay > 0:
		p.least = max(p.least, all(dokkuAttempts))
	}
}

// probeBy has the probe ask what the file says.
func (d *declared) probeBy(file string, p probing, s *deploy.Settings) error {
	if len(p.expect) == 0 {
		return nil
	}
	if len(p.expect) > deploy.MaxExpect {
		return failure(file+" has more checks than Teal makes", "leave the most telling ones", nil, nil)
	}
	s.Expect, s.ProbePath = p.expect, p.expect[0].Path
	if p.timeout > 0 {
		s.ProbeTimeout = min(max(p.timeout, 50*time.Millisecond), 5*time.Minute)
	}
	if p.start > 0 {
		s.StartTimeout = min(max(p.start, time.Second), time.Hour)
	}
	s.StartTimeout = max(s.StartTimeout, min(p.least, time.Hour))
	for _, e := range p.expect {
		text := ""
		if e.Text != "" {
			text = ", with \"" + deploy.Clean(e.Text, 60) + "\" in the answer"
		}
		d.note("%s: probe GET %s%s%s", file, deploy.Clean(e.Host, 80), e.Path, text)
	}
	d.note("%s: one try of a probe takes at most %s, all together %s", file, s.ProbeTimeout, s.StartTimeout)
	return nil
}
