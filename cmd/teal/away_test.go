package main

import (
	"testing"
	"time"
)

// TestEngineAwayKeepsServingAndRecovers: without the Engine what runs is served,
// a push fails in words that a person understands, and all is well when the
// Engine is back.
func TestEngineAwayKeepsServingAndRecovers(t *testing.T) {
	t.Parallel()
	proxy := newEngineProxy(t)
	w := newWorld(t, proxy.args()...)
	a := w.app(t, "anna", "steady")
	one := a.deploys(vict{version: "one"})

	proxy.cut()
	a.serves("one")
	w.command(t, "anna", "ps", "steady").exits(6).says("the container engine does not answer", "steady", "serves")
	two := a.commit(vict{version: "two"})
	a.push().exits(1).says("[remote rejected]", "the container engine does not answer", "blue v1 still serves steady.")
	a.refIs(one)
	a.serves("one")
	w.command(t, "anna", "restart-previous", "steady").exits(1)

	// A restart while the Engine is away: the daemon runs, and routes when it can.
	w.stop()
	began := time.Now()
	w.start()
	t.Logf("start without the Engine: ready after %v", time.Since(began).Round(time.Millisecond))
	if status, body, err := a.ask("/version"); err != nil || status != 503 && status != 502 {
		t.Errorf("with neither Engine nor memory, production answers %d %q, %v", status, body, err)
	}
	proxy.restore()
	eventually(t, func() string {
		_, body, err := a.ask("/version")
		return missing(err == nil && body == "one", "the app is routed again")
	})
	a.push().exits(0).says("is live on green")
	a.serves("two")
	a.refIs(two)
}

// TestEngineCutInTheMiddleOfADeployment: what was begun is undone when the Engine
// is back.
func TestEngineCutInTheMiddleOfADeployment(t *testing.T) {
	t.Parallel()
	proxy := newEngineProxy(t)
	w := newWorld(t, proxy.args()...)
	a := w.app(t, "anna", "cut")
	one := a.deploys(vict{version: "one"})
	for _, c := range []struct{ when, call string }{
		{"build", `^POST /(v[0-9.]+/)?build`},
		{"create", `^POST /v[0-9.]+/containers/create`},
		{"start", `^POST /v[0-9.]+/containers/\w+/start`},
	} {
		held := proxy.holdBack(c.call)
		a.commit(vict{version: c.when})
		p := a.startPush()
		select {
		case <-held:
		case <-time.After(patience):
			t.Fatalf("%s: the call never came:\n%s", c.when, p.out)
		}
		proxy.cut()
		p.end().exits(1).says("[remote rejected]", "the container engine does not answer", "blue v1 still serves cut.")
		a.serves("one")
		proxy.restore()
		a.refIs(one)
		eventually(t, func() string {
			if all := a.containers(); len(all) != 1 || all[0] != "blue v1 running" {
				return "the containers are still " + all[0]
			}
			return ""
		})
	}
	a.commit(vict{version: "two"})
	a.push().exits(0)
	a.serves("two")
}
