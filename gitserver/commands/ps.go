package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

var psRow = command{
	name: "ps", usage: "[APP]", scope: someApps, verb: deploy.VerbView, json: true,
	short: "both colors of an app: release, state, instances",
	long: "Each app has two colors. One serves; the other holds what is being deployed,\n" +
		"what waits on the preview, or what is kept for restart-previous: warm comes back\n" +
		"in milliseconds, asleep in the seconds that its containers take to start.",
	examples: []string{"ps", "ps shop", "ps shop --json"},
	run:      runPs,
}

// slot is what one color of an app holds.
type slot struct {
	Color   string     `json:"color"`
	Role    string     `json:"role"`
	Release int        `json:"release"`
	State   string     `json:"state"`
	Commit  string     `json:"commit"`
	Since   *time.Time `json:"since"`
	// Share is the percent of new requests that it gets while a promotion is gradual.
	Share     int                `json:"share,omitempty"`
	Held      bool               `json:"held,omitempty"`    // its requests wait
	Watched   bool               `json:"watched,omitempty"` // it goes back if it is clearly worse
	Instances []instanceDocument `json:"instances"`

	subject string
}

type instanceDocument struct {
	Process string `json:"process,omitempty"` // of a worker; not there on web
	Index   int    `json:"index"`
	ID      string `json:"id"`
	Running bool   `json:"running"`
	Exit    *int   `json:"exit_code"`
	OOM     bool   `json:"oom"`
}

type psDocument struct {
	Name   string `json:"name"`
	Active string `json:"active"`
	Colors []slot `json:"colors"`
}

func runPs(ctx context.Context, j *job) error {
	apps := []deploy.App{j.app}
	if j.app.Name == "" {
		var err error
		if apps, err = j.Store.AppsOf(ctx, j.user.Name); err != nil {
			return err
		}
	}
	instances, away := j.instances(ctx)
	if away != nil && !errors.Is(away, deploy.ErrEngineAway) {
		return away
	}
	docs := []psDocument{}
	for _, a := range apps {
		slots, err := j.slots(ctx, a, instances)
		if err != nil {
			return err
		}
		docs = append(docs, psDocument{string(a.Name), string(a.Active), slots})
	}
	if j.flags.on("json") {
		if err := j.document(map[string]any{"apps": docs, "engine_away": away != nil}); err != nil {
			return err
		}
		return away
	}
	if len(docs) == 0 {
		j.say("No apps yet.")
		return away
	}
	j.psTable(docs, away != nil)
	return away
}

func (j *job) psTable(docs []psDocument, away bool) {
	t := j.rows("APP", "COLOR", "ROLE", "RELEASE", "STATE", "SINCE", "INSTANCES", "COMMIT")
	for _, a := range docs {
		for _, s := range a.Colors {
			since := ""
			if s.Since != nil {
				since = j.ago(*s.Since)
			}
			running := tally(s.Instances)
			if away && s.Role != "empty" {
				running = "?"
			}
			commit := deploy.Commit{ID: s.Commit}.Short()
			t.add(a.Name, s.Color, s.Role, releaseName(s.Release), s.state(), since, running, strings.TrimSpace(commit+" "+s.subject))
		}
	}
	t.end()
}

func (j *job) instances(ctx context.Context) ([]deploy.Instance, error) {
	if j.Instances == nil {
		return nil, nil
	}
	return j.Instances(ctx)
}

// slots gives both colors of an app, blue first.
func (j *job) slots(ctx context.Context, a deploy.App, instances []deploy.Instance) ([]slot, error) {
	recent, err := j.Store.Deployments(ctx, a.Name, 0, 50)
	if err != nil {
		return nil, err
	}
	both := []slot{}
	for _, c := range []deploy.Color{deploy.Blue, deploy.Green} {
		s := j.hold(a, c, recent)
		if s.Release != 0 {
			if r, err := j.Store.Release(ctx, a.Name, s.Release); err == nil {
				s.Commit, s.subject = r.Commit.ID, r.Commit.Subject
			} else if !errors.Is(err, deploy.ErrNotFound) {
				return nil, err
			}
		}
		s.Instances = []instanceDocument{}
		for _, in := range instances {
			if in.App == a.Name && in.Color == c && (s.Release == 0 || in.Release == s.Release) {
				s.Instances = append(s.Instances, instanceOf(in))
			}
		}
		j.lead(&s, a)
		slices.SortFunc(s.Instances, func(a, b instanceDocument) int {
			return cmp.Or(strings.Compare(a.Process, b.Process), a.Index-b.Index)
		})
		both = append(both, s)
	}
	return both, nil
}

// state is the state with what is special about its requests.
func (s slot) state() string {
	switch {
	case s.Held:
		return s.State + ", requests wait"
	case s.Share > 0:
		return fmt.Sprintf("%s, %d %% of requests", s.State, s.Share)
	case s.Watched:
		return s.State + ", watched"
	}
	return s.State
}

// lead notes how the app's requests are led just now.
func (j *job) lead(s *slot, a deploy.App) {
	if j.Traffic == nil || s.Release == 0 {
		return
	}
	t := j.Traffic(a.Name)
	switch {
	case s.Release == a.Live && s.Color == string(a.Active):
		s.Held, s.Watched = t.Held, t.Watched
		if t.Share > 0 {
			s.Share = 100 - t.Share
		}
	case s.Release == t.Candidate:
		s.Share = t.Share
	}
}

// hold says what a color holds, by the record; recent are the app's last
// deployments, newest first.
func (j *job) hold(a deploy.App, c deploy.Color, recent []deploy.Deployment) slot {
	s := slot{Color: string(c), Role: "empty"}
	pick := func(role string, release int, fits func(deploy.Deployment) bool) slot {
		s.Role, s.Release = role, release
		for _, d := range recent {
			if fits(d) {
				at := d.PromotedAt
				if at.IsZero() {
					at = d.CreatedAt
				}
				s.State, s.Since, s.Release = string(d.State), stamp(at), d.Release
				if d.Push.Commit.ID != "" {
					s.Commit, s.subject = d.Push.Commit.ID, d.Push.Commit.Subject
				}
				break
			}
		}
		return s
	}
	promoted := func(release int) func(deploy.Deployment) bool {
		return func(d deploy.Deployment) bool { return d.Release == release && d.State.Committed() }
	}
	underWay := func(d deploy.Deployment) bool {
		return d.State.Running() && !d.State.Committed() && d.State != deploy.Queued
	}
	switch {
	case c == a.Active && a.Live != 0:
		return pick("serves", a.Live, promoted(a.Live))
	case c != a.Idle():
		return s
	case slices.ContainsFunc(recent, underWay):
		return pick("deploying", 0, underWay)
	case a.Staged != 0:
		return pick("staged", a.Staged, func(d deploy.Deployment) bool { return d.State == deploy.Staged })
	case a.Previous != 0:
		return pick("kept", a.Previous, promoted(a.Previous))
	}
	return s
}

func instanceOf(in deploy.Instance) instanceDocument {
	doc := instanceDocument{Process: in.Process, Index: in.Index, ID: in.ID[:min(len(in.ID), 12)], Running: in.Running}
	if !in.Running {
		code := in.Exit.Code
		doc.Exit, doc.OOM = &code, in.Exit.OOM
	}
	return doc
}

// name tells the instance from the others of its release: "2", or "mailer.1".
func (in instanceDocument) name() string {
	if in.Process == "" {
		return strconv.Itoa(in.Index)
	}
	return fmt.Sprintf("%s.%d", in.Process, in.Index)
}

// tally says how many instances run, and how the others ended.
func tally(all []instanceDocument) string {
	if len(all) == 0 {
		return ""
	}
	running, ends := 0, ""
	for _, in := range all {
		switch {
		case in.Running:
			running++
		case in.OOM:
			ends += fmt.Sprintf(", %s: out of memory", in.name())
		case in.Exit != nil && *in.Exit != 0:
			ends += fmt.Sprintf(", %s: exit %d", in.name(), *in.Exit)
		}
	}
	if running == 0 && ends == "" {
		return fmt.Sprintf("%d stopped", len(all))
	}
	return fmt.Sprintf("%d of %d run%s", running, len(all), ends)
}
