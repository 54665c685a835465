package commands

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestScheduledCommandsAreListedAndRun(t *testing.T) {
	w := newWorld(t)
	w.set.NextCron = func(e deploy.CronEntry) (time.Time, bool) { return noon.Add(15 * time.Hour), !e.OnDeploy() }
	w.run("vera", "cron", "shop").want(t, ExitDone, "nightly", "30 3 * * *", "failed in 1m30s, v14: exit code 3", "with a release", "never", "by hand")
	w.run("anna", "cron", "blog").want(t, ExitDone, "Nothing of blog is live yet")
	oneObject(t, w.run("vera", "cron", "shop", "--json").out)
	if r := w.run("vera", "cron", "shop", "--log", "nightly"); r.exit != ExitDone || !strings.Contains(r.out, "no such ?[31mtable") {
		t.Errorf("%+v", r)
	}
	w.run("vera", "cron", "shop", "--log", "hourly").want(t, ExitNotFound, `shop has no scheduled command "hourly"`)
	w.run("vera", "cron", "shop", "run", "nightly").want(t, ExitDenied)
	w.run("nick", "cron", "shop").want(t, ExitNotFound)
	w.run("dora", "cron", "shop", "start").want(t, ExitUsage, "run NAME")
	if r := w.run("dora", "cron", "shop", "run", "nightly"); r.exit != ExitDone || strings.Contains(r.out, "\x1b") || !strings.Contains(r.out, "clean") {
		t.Errorf("%+v", r)
	}
	w.broken["CronRun"] = fmt.Errorf("%w: the run before it goes on", deploy.ErrBusy)
	w.run("dora", "cron", "shop", "run", "nightly").want(t, ExitBusy, "the run before it goes on", "cron shop")
	w.broken["CronRun"] = fmt.Errorf("%w: v14 of shop has no scheduled command \"x\"; it has: nightly", deploy.ErrNotFound)
	w.run("dora", "cron", "shop", "run", "x").want(t, ExitNotFound, "it has: nightly")
}
