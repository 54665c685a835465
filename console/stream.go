package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"teal/deploy"
)

// sse writes server-sent events (WHATWG HTML, section 9.2). It is used by one
// goroutine. The first write that fails stands in err; later ones do nothing.
type sse struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

// openStream begins an event stream. leave gives the place back.
func (c *Console) openStream(w http.ResponseWriter, user string) (out *sse, leave func(), err error) {
	leave, ok := c.streams.enter(user)
	if !ok {
		w.Header().Set("Retry-After", "30")
		return nil, nil, &problem{
			Status: http.StatusServiceUnavailable, Title: "Too many open pages",
			Text: "Live updates are off on this page. Reload it to see what is new.",
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	// A stream outlives the server's limits for ordinary answers; each write has
	// its own. Connections that know no deadlines do without.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	out = &sse{w: w, rc: rc}
	out.raw("retry: 2000\n\n")
	out.flush()
	return out, leave, out.err
}

func (s *sse) raw(text string) {
	if s.err != nil {
		return
	}
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWait))
	_, s.err = s.w.Write([]byte(text))
}

// send writes one event; id 0: the event has none.
func (s *sse) send(event string, id int, data any) {
	b, err := json.Marshal(data)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("cannot encode an event: %w", err)
		return
	}
	head := "event: " + event + "\n"
	if id > 0 {
		head += "id: " + strconv.Itoa(id) + "\n"
	}
	s.raw(head + "data: " + string(b) + "\n\n")
}

func (s *sse) flush() {
	if s.err == nil {
		s.err = s.rc.Flush()
	}
}

// changed is what a page is told when it should look again.
type changed struct {
	App        deploy.AppName      `json:"app"`
	Deployment deploy.DeploymentID `json:"deployment"`
	State      deploy.State        `json:"state"`
}

func (c *Console) appLive(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.followEvents(w, r, v, func() (map[deploy.AppName]bool, error) {
		return map[deploy.AppName]bool{v.app: true}, nil
	})
}

func (c *Console) appsLive(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.followEvents(w, r, v, func() (map[deploy.AppName]bool, error) { return c.visible(r, v) })
}

// followEvents tells a page of every event of the apps that visible gives. What
// is visible, and whether the visitor may watch at all, is looked up again at
// each beat.
func (c *Console) followEvents(w http.ResponseWriter, r *http.Request, v visit, visible func() (map[deploy.AppName]bool, error)) error {
	apps, err := visible()
	if err != nil {
		return err
	}
	events := c.subscribe(v.app)
	if events == nil {
		return deploy.ErrStopping
	}
	defer events.Close()
	out, leave, err := c.openStream(w, v.user.Name)
	if err != nil {
		return err
	}
	defer leave()
	beat, over := time.NewTicker(c.beat), time.NewTimer(streamLife)
	defer beat.Stop()
	defer over.Stop()
	for out.err == nil {
		select {
		case ev, ok := <-events.C:
			if !ok {
				return nil // too slow, or Teal stops: the browser connects again
			}
			if apps[ev.App] {
				out.send("changed", 0, changed{ev.App, ev.Deployment, ev.State})
			}
		case <-beat.C:
			if v.again(r.Context()) != nil {
				return nil
			}
			if apps, err = visible(); err != nil {
				return nil
			}
			out.raw(": beat\n\n")
		case <-over.C:
			return nil
		case <-r.Context().Done():
			return nil
		}
		out.flush()
	}
	return nil
}
