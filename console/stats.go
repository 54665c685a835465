package console

import (
	"fmt"
	"net/http"
	"time"

	"teal/deploy"
)

// Traffic is what the router knows of one app at this moment.
type Traffic struct {
	App     deploy.AppName
	Hosts   []string
	Live    TrafficSide
	Preview TrafficSide
	Share   int  // percent of new production requests that go to Preview
	Held    bool // production requests wait
	Waiting int  // how many do
}

// TrafficSide is one release that a front-end shows; Release 0: none.
type TrafficSide struct {
	Color     deploy.Color
	Release   int
	Figures   deploy.Figures
	Rate      float64 // requests per second, lately
	Instances []TrafficInstance
}

// TrafficInstance is one running instance as the router sees it.
type TrafficInstance struct {
	Index    int
	Addr     string
	InFlight int
	Sockets  int
	Idle     int // connections kept for the next requests
	Requests uint64
	Up       bool
	Since    time.Time // of Up
	Check    string    // what the last active check found; "": there was none
	CheckAt  time.Time
}

// statsView is the page of figures: both colors of every app that the visitor
// may see, as a load balancer shows its backends.
type statsView struct {
	Apps     []statsApp
	InFlight int
	Sockets  int
	Rate     string
	Down     int // instances that get no requests
}

type statsApp struct {
	Name   deploy.AppName
	Path   string
	Notes  []stateView // "10 % to green", "on hold, 3 wait"
	Colors []statsColor
}

// statsColor is one row of an app, with those of its instances.
type statsColor struct {
	Color     deploy.Color
	Release   string // "": nothing is there
	Role      stateView
	Figures   deploy.Figures
	Rate      string
	P50, P99  string
	Up        string // "2 of 2 up"
	Bad       bool   // none is up
	Instances []statsInstance
}

type statsInstance struct {
	TrafficInstance
	State    stateView // "up 3 min", "down 12 s"
	Exact    string    // since when, for the title
	Check    string
	CheckAgo string
}

func (c *Console) statsPage(w http.ResponseWriter, r *http.Request, v visit) error {
	if c.Traffic == nil {
		return deploy.ErrNotFound
	}
	seen, err := c.visible(r, v)
	if err != nil {
		return err
	}
	var body statsView
	rate := 0.0
	for _, t := range c.Traffic() {
		if !seen[t.App] {
			continue
		}
		body.Apps = append(body.Apps, c.statsApp(t))
		for _, s := range []TrafficSide{t.Live, t.Preview} {
			rate += s.Rate
			body.InFlight += s.Figures.InFlight
			body.Sockets += s.Figures.Sockets
			for _, in := range s.Instances {
				if !in.Up {
					body.Down++
				}
			}
		}
	}
	body.Rate = perSecond(rate)
	return c.render(w, r, v, "stats", http.StatusOK, page{Title: "Stats", Nav: "stats", Live: "/live", Reload: true, Body: body})
}

func (c *Console) statsApp(t Traffic) statsApp {
	out := statsApp{Name: t.App, Path: appPath(t.App)}
	if t.Held {
		out.Notes = append(out.Notes, stateView{fmt.Sprintf("on hold, %d waiting", t.Waiting), "wait"})
	}
	if t.Share > 0 {
		out.Notes = append(out.Notes, stateView{fmt.Sprintf("%d %% of new requests to %s", t.Share, t.Preview.Color), "busy"})
	}
	for _, color := range []deploy.Color{deploy.Blue, deploy.Green} {
		row := statsColor{Color: color, Role: stateView{"empty", "off"}}
		switch {
		case t.Live.Release != 0 && t.Live.Color == color:
			c.statsSide(&row, t.Live)
			row.Role = stateView{"production", "live"}
		case t.Preview.Release != 0 && t.Preview.Color == color:
			c.statsSide(&row, t.Preview)
			row.Role = stateView{"preview", "past"}
			if t.Share > 0 {
				row.Role = stateView{fmt.Sprintf("%d %% of production", t.Share), "busy"}
			}
		}
		out.Colors = append(out.Colors, row)
	}
	return out
}

func (c *Console) statsSide(row *statsColor, s TrafficSide) {
	row.Release, row.Figures, row.Rate = deploy.ReleaseName(s.Release), s.Figures, perSecond(s.Rate)
	row.P50, row.P99 = millis(s.Figures.P50), millis(s.Figures.P99)
	up := 0
	for _, in := range s.Instances {
		one := statsInstance{TrafficInstance: in, State: stateView{"down", "bad"}, Exact: c.moment(in.Since).Exact}
		if in.Up {
			up++
			one.State = stateView{"up", "live"}
		}
		one.State.Word += " " + length(c.Now().Sub(in.Since))
		if in.Check != "" {
			one.Check, one.CheckAgo = deploy.Clean(in.Check, nameLimit), relative(in.CheckAt, c.Now())
		}
		row.Instances = append(row.Instances, one)
	}
	row.Up = fmt.Sprintf("%d of %d up", up, len(s.Instances))
	row.Bad = up == 0
}

// perSecond writes a rate.
func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return count(int64(rate + .5))
}
