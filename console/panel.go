package console

import (
	"fmt"
	"time"

	"teal/deploy"
)

// panel is one of an app's two colors as its page shows it.
type panel struct {
	Color   deploy.Color
	Name    string // "Blue"
	Active  bool
	Role    string // what the release there is: "live", "staged", "under way", "previous", "empty"
	State   string // one or two words: "serves production", "asleep"
	Note    string // a sentence beside the state; may be empty
	Until   moment // the end of the grace period; zero: none
	Release string // "v14"; "" when empty
	Commit  string
	Subject string
	Author  string
	Since   moment
	What    string // "live", "kept": what Since tells

	Instances []instanceView
	Figures   *figuresView
	URL       string // production or preview; "": none
	URLLabel  string
}

// instanceView is one container.
type instanceView struct {
	Process string // of a worker; "" is web
	Index   int
	Addr    string
	State   string // "running", "stopped", "exit 137: out of memory"
	Running bool
}

// figuresView are the router's counts for one release.
type figuresView struct {
	Requests, Failed uint64
	InFlight         int
	Sockets          int
	P99              string
}

// panels gives blue and green, always in this order, so that the eye finds them.
func (c *Console) panels(p picture) []panel {
	var out []panel
	for _, color := range []deploy.Color{deploy.Blue, deploy.Green} {
		if color == p.app.Active {
			out = append(out, c.activePanel(p))
		} else {
			out = append(out, c.idlePanel(p, color))
		}
	}
	return out
}

func newPanel(color deploy.Color) panel {
	name := "Blue"
	if color == deploy.Green {
		name = "Green"
	}
	return panel{Color: color, Name: name, Role: "empty", State: "empty"}
}

func (c *Console) activePanel(p picture) panel {
	out := newPanel(p.app.Active)
	out.Active, out.Role, out.State, out.What = true, "live", "serves production", "live"
	c.fill(&out, p, p.app.Live)
	since := p.app.ReplacedAt
	if since.IsZero() {
		since = p.releases[p.app.Live].CreatedAt
	}
	out.Since = c.moment(since)
	out.URL, out.URLLabel = call(c.ProductionURL, p.app.Name), "Open"
	if p.away == "" && c.Instances != nil && !p.running(p.app.Live) {
		out.Note = "Not every instance runs. Teal starts them again."
	}
	if note := trafficNote(p); note != "" {
		out.Note = note
	}
	return out
}

// trafficNote tells what is special about the requests of the live release.
func trafficNote(p picture) string {
	t := p.traffic
	switch {
	case t.Held && t.Candidate != p.app.Live:
		return fmt.Sprintf("Requests wait: %s takes its place.", deploy.ReleaseName(t.Candidate))
	case t.Held:
		return "Requests wait: it is started again."
	case t.Share > 0:
		return fmt.Sprintf("%d %% of requests go to %s on %s.", t.Share, deploy.ReleaseName(t.Candidate), p.app.Idle())
	case t.Watched:
		return fmt.Sprintf("Watched: if it does clearly worse than %s did, Teal goes back.", deploy.ReleaseName(p.app.Previous))
	}
	return ""
}

// idlePanel shows what is on the color that does not serve: what is being
// started there, else what is staged there, else the previous release.
func (c *Console) idlePanel(p picture, color deploy.Color) panel {
	out := newPanel(color)
	d, busy := p.underWay()
	switch {
	case busy && d.Color == color && !d.State.Committed():
		out.Role, out.State, out.What = "under way", string(d.State), "began"
		out.Since = c.moment(d.CreatedAt)
		out.Commit, out.Subject, out.Author = deploy.Clean(d.Push.Commit.Short(), 7), subject(d.Push.Commit.Subject), author(d.Push.Commit.Author)
		c.fill(&out, p, d.Release)
		if d.State == deploy.Shifting && p.traffic.Share > 0 {
			out.State = fmt.Sprintf("gets %d %% of requests", p.traffic.Share)
			out.Note = "Production shares its requests out; the figures of both are compared."
		}
		if d.State == deploy.Probing || d.State == deploy.Shifting {
			out.URL, out.URLLabel = call(c.PreviewURL, p.app.Name), "Preview"
		}
	case p.app.Staged != 0 && color == p.app.Idle():
		out.Role, out.State, out.What = "staged", "staged on the preview", "staged"
		out.Note = "It was probed and answers well. Production does not know it yet."
		if d, ok := p.staged(); ok {
			out.Since = c.moment(d.FinishedAt)
		}
		c.fill(&out, p, p.app.Staged)
		out.URL, out.URLLabel = call(c.PreviewURL, p.app.Name), "Preview"
	case p.app.Previous != 0 && color == p.app.Idle():
		c.previousPanel(&out, p)
	default:
		out.Note = "The next deployment goes here."
		if p.app.Active == "" && color == deploy.Green {
			out.Note = "The second deployment goes here."
		}
	}
	return out
}

func (c *Console) previousPanel(out *panel, p picture) {
	out.Role, out.What, out.Since = "previous", "replaced", c.moment(p.app.ReplacedAt)
	c.fill(out, p, p.app.Previous)
	if !p.warm() {
		out.State, out.Note = "asleep", "Stopped and kept: a start and a probe bring it back."
		return
	}
	out.State, out.Note = "warm", "Still running: it can be back at once."
	if d, ok := p.underWay(); ok && d.State == deploy.Draining {
		out.State, out.Note = "draining", "It finishes the requests that it had."
	}
	out.Until = c.moment(p.sleepsAt(c.Now()))
	out.URL, out.URLLabel = call(c.PreviewURL, p.app.Name), "Preview"
}

// warm tells whether the previous release still runs. The instances say so;
// without them (the engine is away) the record of its deployment does.
func (p picture) warm() bool {
	if len(p.instances[p.app.Previous]) > 0 {
		return p.running(p.app.Previous)
	}
	for _, d := range p.recent {
		if d.Release == p.app.Previous && d.State.Committed() {
			return d.State == deploy.Warm
		}
	}
	return false
}

// sleepsAt is when the previous release is put to sleep; zero when that time is
// over. The grace period is a setting of the release that replaced it.
func (p picture) sleepsAt(now time.Time) time.Time {
	grace := p.releases[p.app.Live].Settings.Grace
	if end := p.app.ReplacedAt.Add(grace); grace > 0 && end.After(now) {
		return end
	}
	return time.Time{}
}

// fill puts a release into the panel.
func (c *Console) fill(out *panel, p picture, number int) {
	if number == 0 {
		return
	}
	r := p.releases[number]
	out.Release = deploy.ReleaseName(number)
	out.Commit, out.Subject, out.Author = deploy.Clean(r.Commit.Short(), 7), subject(r.Commit.Subject), author(r.Commit.Author)
	for _, in := range p.instances[number] {
		out.Instances = append(out.Instances, viewInstance(in))
	}
	if f := c.figures(p.app.Name, number); f != (deploy.Figures{}) {
		out.Figures = &figuresView{f.Requests, f.Failed, f.InFlight, f.Sockets, millis(f.P99)}
	}
}

func viewInstance(in deploy.Instance) instanceView {
	out := instanceView{Process: in.Process, Index: in.Index, Running: in.Running, State: "stopped"}
	switch {
	case in.Running:
		out.State = "running"
		if in.Addr.IsValid() {
			out.Addr = in.Addr.String()
		}
	case in.Exit.OOM:
		out.State = fmt.Sprintf("exit %d: out of memory", in.Exit.Code)
	case in.Exit.Code != 0:
		out.State = fmt.Sprintf("exit %d", in.Exit.Code)
	}
	return out
}
