package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestAppPageTellsWhatServesAndWhatRests(t *testing.T) {
	f := newFake()
	a := as(t, f, serve(t, f), "anna").get("/apps/shop")
	a.is(t, http.StatusOK,
		"serves production", "v14", "9a8b7c6", "Speed up search", "10.210.0.3:8080", "18,234",
		"warm", "v13", "3f2a1bc", "data-countdown", "http://shop.localhost:8888/",
		"probe answered 500", "git remote add teal ssh://teal.example.com:2222/shop",
		"shop.example.com", "MODE", "Scheduled commands", "nightly", "exit &lt;code&gt; 3", "SHA256:ohD8", "● shop v14 · Teal", "in 9 h")
}

func TestPagesStandWhenTheContainerEngineIsAway(t *testing.T) {
	f := newFake()
	f.away = deploy.ErrEngineAway
	anna := as(t, f, serve(t, f), "anna")
	anna.get("/apps/shop").is(t, http.StatusOK, "The container engine does not answer", "v14", "warm")
	anna.get("/apps/shop/restart").is(t, http.StatusOK, "still running")
}

func TestAnAppWithoutDeploymentsTellsHowToPush(t *testing.T) {
	f := newFake()
	f.apps["fresh"] = deploy.App{Name: "fresh"}
	root := as(t, f, serve(t, f), "root")
	root.get("/apps/fresh").is(t, http.StatusOK, "The next deployment goes here", "git push teal main", "Nothing was deployed yet")
	root.get("/").is(t, http.StatusOK, "nothing live yet")
	as(t, f, serve(t, f), "olaf").get("/").is(t, http.StatusOK, "Nobody gave you access")
}

func TestFailedDeploymentTellsWhyAndWhatServes(t *testing.T) {
	f := newFake()
	anna := as(t, f, serve(t, f), "anna")
	anna.get("/apps/shop/deployments/41").is(t, http.StatusOK,
		"probe answered 500", "no such table: carts", "try it on your machine", "By now <b>green v14</b> serves")
	f.setApp("shop", func(a *deploy.App) { a.ReplacedAt = now().Add(-30 * time.Hour) })
	anna.get("/apps/shop/deployments/41").is(t, http.StatusOK, "<b>green v14</b> still serves")
}

func TestTheAppPageShowsHowRequestsAreShared(t *testing.T) {
	f := newFake()
	f.addDeployment(deploy.Deployment{ID: 44, App: "shop", Cause: deploy.CausePush, State: deploy.Shifting, Release: 15, Color: deploy.Blue, CreatedAt: now()}, "9a8b7c6", "Speed up search")
	f.traffic = deploy.Traffic{Candidate: 15, Share: 25}
	anna := as(t, f, serve(t, f), "anna")
	anna.get("/apps/shop").is(t, http.StatusOK, "25 % of requests go to v15 on blue.", "gets 25 % of requests", "Promote v15 now", "shifting")
	anna.get("/apps/shop/deployments/44").is(t, http.StatusOK, "Gradual", "Promote v15")
	f.setApp("shop", func(*deploy.App) { f.traffic = deploy.Traffic{Candidate: 15, Held: true} })
	anna.get("/apps/shop").is(t, http.StatusOK, "Requests wait: v15 takes its place.")
	f.setApp("shop", func(*deploy.App) { f.traffic = deploy.Traffic{Watched: true} })
	anna.get("/apps/shop").is(t, http.StatusOK, "Watched: if it does clearly worse than v13 did, Teal goes back.")
}

func TestReceiptIsOnThePage(t *testing.T) {
	f := newFake()
	as(t, f, serve(t, f), "anna").get("/apps/shop/deployments/42").is(t, http.StatusOK,
		"nothing was lost", "18,234", "12 ms → 13 ms", "sha256:5e5bce4f", "build <b>38 s</b>", "switch <b>0.8 ms</b>", "#7 DONE 36.1s")
}

func TestASecurityPatchHasNoAuthor(t *testing.T) {
	f := newFake()
	f.addDeployment(deploy.Deployment{ID: 43, App: "shop", Cause: deploy.CausePatch, State: deploy.Live, Release: 15, Color: deploy.Blue, CreatedAt: now()}, "9a8b7c6", "Speed up search")
	as(t, f, serve(t, f), "anna").get("/apps/shop").is(t, http.StatusOK, "security patch", "no author")
}

func TestARunningDeploymentReloadsWithoutJavaScript(t *testing.T) {
	f := newFake()
	id := running(f)
	f.say(id, "first words")
	a := as(t, f, serve(t, f), "anna").get("/apps/shop/deployments/50")
	a.is(t, http.StatusOK, `<noscript><meta http-equiv="refresh"`, "first words", `data-stream="/apps/shop/deployments/50/stream" data-last="1"`)
	as(t, f, serve(t, f), "anna").get("/apps/shop/deployments/42").lacks(t, "http-equiv", "data-stream")
}

func TestALongLogIsReadInPages(t *testing.T) {
	f := newFake()
	for i := range logPage + 5 {
		f.logs[42] = append(f.logs[42], deploy.LogLine{N: len(f.logs[42]) + 1, At: now(), Text: fmt.Sprint("word ", i)})
	}
	anna := as(t, f, serve(t, f), "anna")
	a := anna.get("/apps/shop/deployments/42")
	a.is(t, http.StatusOK, "?after=3000#log")
	if n := strings.Count(a.body, `<li id="L`); n != logPage {
		t.Errorf("%d lines on the first page", n)
	}
	anna.get("/apps/shop/deployments/42?after=3000").is(t, http.StatusOK, "L3001", fmt.Sprint("word ", logPage+4))
	if n := strings.Count(anna.get("/apps/shop/deployments/42/log.txt").body, "\n"); n != len(f.logs[42]) {
		t.Errorf("the file has %d lines, want %d", n, len(f.logs[42]))
	}
}

func TestTheHistoryIsReadInPages(t *testing.T) {
	f := newFake()
	for i := range 50 {
		f.addDeployment(deploy.Deployment{ID: deploy.DeploymentID(100 + i), App: "shop", Cause: deploy.CausePush, State: deploy.Replaced, Release: 12, By: "anna", CreatedAt: now()}, "77c01de", "Show prices with tax")
	}
	anna := as(t, f, serve(t, f), "anna")
	a := anna.get("/apps/shop")
	a.is(t, http.StatusOK, "#149", "#130", "?before=130#history", "serves production")
	a.lacks(t, "#129<")
	anna.get("/apps/shop?before=130").is(t, http.StatusOK, "#129", "#110", "Newest", "serves production")
}

func TestStepsTellHowFarItCame(t *testing.T) {
	c := newConsole(newFake())
	start := now()
	at := func(states ...deploy.State) map[deploy.State]time.Time {
		m := map[deploy.State]time.Time{}
		for i, s := range states {
			m[s] = start.Add(time.Duration(i) * time.Second)
		}
		return m
	}
	for name, test := range map[string]struct {
		d       deploy.Deployment
		entered map[deploy.State]time.Time
		want    string
	}{
		"building": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Building},
			at(deploy.Queued, deploy.Building), "Queued done, Build now, Start todo, Probe todo, Switch todo, Live todo",
		},
		"live": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Live},
			at(deploy.Queued, deploy.Building, deploy.Releasing, deploy.Starting, deploy.Probing, deploy.Promoting, deploy.Draining, deploy.Live),
			"Queued done, Build done, Release command done, Start done, Probe done, Switch done, Drain done, Live done",
		},
		"asleep, events gone": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Asleep},
			at(deploy.Queued),
			"Queued done, Build done, Start done, Probe done, Switch done, Live done",
		},
		"failed probe": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Failed, Failure: &deploy.Failure{Step: deploy.StepProbe}},
			at(deploy.Queued, deploy.Building, deploy.Starting, deploy.Probing, deploy.Failed), "Queued done, Build done, Start done, Probe failed",
		},
		"failed release command": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Failed, Failure: &deploy.Failure{Step: deploy.StepRelease}},
			at(deploy.Queued, deploy.Building), "Queued done, Build done, Release command failed",
		},
		"failed by the daemon's death while building": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Failed, Failure: &deploy.Failure{Step: deploy.StepTeal}},
			at(deploy.Queued, deploy.Building, deploy.Failed), "Queued done, Build failed",
		},
		"superseded in the queue": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Superseded}, at(deploy.Queued, deploy.Superseded), "Queued stopped",
		},
		"warm rollback": {
			deploy.Deployment{Cause: deploy.CauseRollback, State: deploy.Live},
			at(deploy.Queued, deploy.Promoting, deploy.Live),
			"Queued done, Switch done, Live done",
		},
		"staged": {
			deploy.Deployment{Cause: deploy.CausePush, State: deploy.Staged, Push: deploy.Push{Options: deploy.Options{NoPromote: true}}},
			at(deploy.Queued, deploy.Building, deploy.Starting, deploy.Probing, deploy.Staged),
			"Queued done, Build done, Start done, Probe done, Staged done, Switch todo, Live todo",
		},
	} {
		var got []string
		for _, s := range c.stepper(test.d, test.entered) {
			got = append(got, s.Name+" "+s.Status)
		}
		if g := strings.Join(got, ", "); g != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, g, test.want)
		}
	}
}

func TestEveryStateHasAWord(t *testing.T) {
	for _, s := range deploy.States() {
		if v := viewState(s); v.Word == "" || v.Tone == "" {
			t.Errorf("%s: %+v", s, v)
		}
	}
}

func TestWordsForTimesAndNumbers(t *testing.T) {
	base := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{relative(base, base.Add(500*time.Millisecond)), "just now"},
		{relative(base, base.Add(59*time.Second)), "59 s ago"},
		{relative(base, base.Add(90*time.Second)), "1 min ago"},
		{relative(base, base.Add(26*time.Hour)), "26 h ago"},
		{relative(base, base.Add(72*time.Hour)), "3 days ago"},
		{relative(base, base.Add(100*24*time.Hour)), "21 Nov 2026"},
		{relative(base.Add(5*time.Minute), base), "in 5 min"},
		{took(360 * time.Millisecond), "360 ms"},
		{took(1400 * time.Millisecond), "1.4 s"},
		{took(125 * time.Second), "2 min 5 s"},
		{took(0), ""},
		{count(uint64(18234)), "18,234"},
		{count(-1234567), "-1,234,567"},
		{count(999), "999"},
		{millis(0), "–"},
		{millis(13.1), "13 ms"},
		{author("Anna Berg <anna@example.com>"), "Anna Berg"},
		{author("<anna@example.com>"), "<anna@example.com>"},
		{sentence("busy: deployment 7 is under way"), "Busy: deployment 7 is under way."},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// The engine that cmd hands over is the real one.
var _ Engine = (*deploy.Engine)(nil)

func TestDeploymentPageListsThePackagesOfAPatch(t *testing.T) {
	f := newFake()
	d := f.deployments[42]
	d.Cause, d.Note = deploy.CausePatch, "patched: openssl 3.0.15-1 → 3.0.17-1, 1 more"
	d.Changes = []deploy.Change{
		{Name: "openssl", Old: "3.0.15-1", New: "3.0.17-1", Security: true, CVEs: []string{"CVE-2026-1111"}},
		{Name: "perl-base", Old: "5.36-1"},
	}
	f.deployments[42] = d
	anna := as(t, f, serve(t, f), "anna")
	anna.get("/apps/shop/deployments/42").is(t, http.StatusOK, "2 packages changed", "<td>3.0.15-1</td><td>3.0.17-1</td><td>closes CVE-2026-1111</td>", "<td>gone</td>")
	anna.get("/apps/shop").is(t, http.StatusOK, "patched: openssl 3.0.15-1 → 3.0.17-1, 1 more")
}

func TestRestartPageWarnsOfAMigrationInBetween(t *testing.T) {
	f := newFake()
	r := f.releases["shop/14"]
	r.Settings.Migrate.Mark = "split <names>"
	f.releases["shop/14"] = r
	as(t, f, serve(t, f), "anna").get("/apps/shop/restart").is(t, http.StatusOK, "A migration lies between:", "split &lt;names&gt;", "v13 has no migration mark")
}
