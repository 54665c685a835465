package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

func TestLogsShowTheAppWhenNothingIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.run("vera", "logs", "shop").want(t, ExitDone, "shop follow=false lines=100\nred ?2J?\n")
	w.run("vera", "logs", "-f", "-n", "7", "shop").want(t, ExitDone, "shop follow=true lines=7")
	w.run("vera", "logs", "-n", "0", "shop").want(t, ExitUsage, "--lines takes a number from 1 to 10000")
	w.broken["Logs"] = deploy.ErrNothing
	w.run("vera", "logs", "shop").want(t, ExitFailed, "no instance of shop runs now")
	w.broken["Logs"] = fmt.Errorf("cannot read: %w", deploy.ErrEngineAway)
	w.run("vera", "logs", "shop").want(t, ExitTeal, "the container engine does not answer")
	w.broken["Logs"] = context.Canceled
	w.run("vera", "logs", "-f", "shop").want(t, ExitDone)
}

func TestLogsShowTheDeploymentThatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	w.history[len(w.history)-1].State = deploy.Building
	w.say(18, "step 1", "step 2", "step 3")
	r := w.run("vera", "logs", "shop")
	r.want(t, ExitDone, "step 1\nstep 2\nstep 3\n", "Deployment 18 is building. To the end: ssh -p 2222 teal.example.com logs -f shop")
	w.run("vera", "logs", "shop", "--app").want(t, ExitDone, "shop follow=false")
	if r := w.run("vera", "logs", "shop", "-n", "2"); r.out != "step 2\nstep 3\n" {
		t.Errorf("the last two lines: %q", r.out)
	}
	w.run("vera", "logs", "shop", "-f").want(t, ExitDone, "step 3\n", "v15 of shop is live on blue")
	failed(&w.waited)
	w.run("vera", "logs", "shop", "-f").want(t, ExitFailed, "step 3\n", "failed: probe answered 500")
}

func TestLogsOfAnEndedDeployment(t *testing.T) {
	w := newWorld(t)
	w.run("vera", "logs", "shop", "--deployment", "17").want(t, ExitDone, "building\nprobing\nlive\n")
	w.run("vera", "logs", "shop", "-f", "--deployment", "17").want(t, ExitDone, "v14 of shop is live on green")
	w.run("vera", "logs", "shop", "-f", "--deployment", "16").want(t, ExitFailed, "probe answered 500")
	w.run("vera", "logs", "shop", "--deployment", "16").want(t, ExitDone, "Deployment 16 has no log")
	w.run("vera", "logs", "shop", "--deployment", "99").want(t, ExitNotFound, "shop has no deployment 99")
	w.run("vera", "logs", "shop", "--deployment", "x").want(t, ExitUsage, "a deployment has a number")
}

func TestDeploymentOfAnotherAppIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.rights = append(w.rights, deploy.Access{User: "nick", App: "blog", Right: deploy.Admin})
	w.run("nick", "logs", "blog", "--deployment", "17").want(t, ExitNotFound, "blog has no deployment 17")
	w.run("nick", "receipt", "blog", "17").want(t, ExitNotFound, "blog has no deployment 17")
	w.run("nick", "receipt", "blog", "99").want(t, ExitNotFound, "blog has no deployment 99")
}

// fed makes a feed of lines first to last, which then closes.
func fed(first, last int) *feed {
	c := make(chan deploy.LogLine, last-first+1)
	for n := first; n <= last; n++ {
		c <- deploy.LogLine{N: n, Text: fmt.Sprint("line ", n)}
	}
	close(c)
	return &feed{lines: c, close: func() {}}
}

func TestSlowViewerMissesNoLine(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	w.history[len(w.history)-1].State = deploy.Building
	var want []string
	for n := 1; n <= 2500; n++ {
		w.say(18, fmt.Sprint("line ", n))
		want = append(want, fmt.Sprint("line ", n))
	}
	w.settled = make(chan struct{})
	// The feed starts late, drops its reader, starts late again, and ends early.
	feeds := []*feed{fed(1200, 1300), fed(1250, 1300), fed(2100, 2400)}
	w.set.watch = func(deploy.DeploymentID) *feed {
		if len(feeds) == 0 {
			close(w.settled)
			w.set.watch = func(deploy.DeploymentID) *feed { return nil }
			return nil
		}
		f := feeds[0]
		feeds = feeds[1:]
		return f
	}
	r := w.run("vera", "logs", "-f", "shop")
	r.want(t, ExitDone)
	if got := strings.Split(r.out, "\n"); !slices.Equal(got[:min(len(got), len(want))], want) {
		t.Errorf("lines are missing, doubled or out of order: %d of them", len(got))
	}
}

func TestPatienceEndsTheWaitForAFeedThatStaysOpen(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, func(d *deploy.Deployment) { d.State, d.Release = deploy.Draining, 15 })
	open := make(chan deploy.LogLine)
	w.set.watch = func(deploy.DeploymentID) *feed { return &feed{lines: open, close: func() {}} }
	w.run("vera", "logs", "-f", "--deployment", "18", "shop").want(t, ExitDone, "v15 of shop is live")
}

func TestFailureToWaitIsTeals(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	w.broken["Wait"] = errors.New("disk on fire")
	w.run("vera", "logs", "-f", "--deployment", "18", "shop").want(t, ExitTeal, "disk on fire")
}

// deaf is a client that is gone.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteToAClientThatIsGoneEndsTheWatching(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	w.settled = make(chan struct{})
	w.say(18, "one")
	exit := w.set.Run(t.Context(), Call{User: "vera", Args: []string{"logs", "-f", "--deployment", "18", "shop"}, Stdout: deaf{}, Stderr: deaf{}})
	if exit != ExitBusy {
		t.Errorf("exit code %d, want %d", exit, ExitBusy)
	}
}

func TestCleanerPassesLinesOfAnyShape(t *testing.T) {
	var b strings.Builder
	c := &cleaner{w: &b}
	for _, p := range []string{"a", "b\nc\r\n", "\n", "\x1b[1;31mred\x1b[0m\x1b[2K\n", strings.Repeat("x", 5*maxLine), "\nend"} {
		if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	_ = c.Close()
	got := strings.Split(b.String(), "\n")
	if want := []string{"ab", "c", "", "red"}; !slices.Equal(got[:4], want) {
		t.Errorf("%q", got[:4])
	}
	if len(got[4]) > maxLine+3 || got[len(got)-2] != "end" {
		t.Errorf("a line of %d bytes, last %q", len(got[4]), got[len(got)-2])
	}
}

func TestReleaseCommandHasALogOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CausePush}, live(15))
	w.say(18, "==> Building 3f2a1bc", "step 1", `==> Release command: ["/app" "migrate"]`, "migrating 1 of 2", "migrating 2 of 2", "==> Release command done in 2.1 s", "==> Starting v15")
	for _, words := range [][]string{{"logs", "shop", "--release-command"}, {"logs", "shop", "--deployment", "18", "--release-command"}} {
		if r := w.run("vera", words...); r.out != "migrating 1 of 2\nmigrating 2 of 2\n" {
			t.Errorf("%q: %q", words, r.out)
		}
	}
	w.run("vera", "logs", "shop", "--deployment", "17", "--release-command").want(t, ExitDone, "Deployment 17 ran no release command")
}
