package console

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"teal/deploy"
)

// browser starts a real browser with an empty profile.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("these tests need a real browser: install the package chromium")
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(2 * time.Minute),
	}
	for _, f := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		flags = append(flags, chromedp.Flag(f, true))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// logInByLink opens a one-time link and presses its button.
func logInByLink(t *testing.T, ctx context.Context, f *fake, s *httptest.Server, user string) {
	t.Helper()
	f.mu.Lock()
	f.tokens["one-time"] = user
	f.mu.Unlock()
	do(t, ctx, chromedp.Navigate(s.URL+"/login?token=one-time"))
	press(t, ctx, "main button")
	shows(t, ctx, `location.pathname === "/" && document.readyState === "complete"`)
}

// press clicks what leads to another page, and waits for that.
func press(t *testing.T, ctx context.Context, css string) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(css))); err != nil {
		t.Fatalf("cannot press %s: %v", css, err)
	}
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// text gives what a person reads in the element.
func text(t *testing.T, ctx context.Context, css string) string {
	t.Helper()
	s, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(css)))
	if err != nil {
		t.Fatalf("cannot read %s: %v", css, err)
	}
	return strings.Join(strings.Fields(s), " ")
}

// shows waits until the expression is true in the page, which may be replaced
// by another one meanwhile.
func shows(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if time.Now().After(end) || ctx.Err() != nil {
			all, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
			t.Fatalf("%s never became true (%v) in:\n%s", expression, err, all)
		}
		<-time.NewTimer(10 * time.Millisecond).C
	}
}

func contains(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is missing in:\n%s", w, got)
		}
	}
}

func TestAPersonRestartsThePreviousReleaseAndWatchesIt(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	ctx := browser(t)

	logInByLink(t, ctx, f, s, "anna")
	contains(t, text(t, ctx, "main"), "shop", "green v14", "Speed up search")
	press(t, ctx, ".app h2 a")
	contains(t, text(t, ctx, ".panel.active"), "Green", "serves production", "v14", "9a8b7c6", "10.210.0.3:8080")
	contains(t, text(t, ctx, ".panel.idle"), "Blue", "warm", "v13", "3f2a1bc", "Sleeps in 3 min")

	press(t, ctx, "#restart-previous")
	contains(t, text(t, ctx, "main"), "Restart v13?", "3f2a1bc", "Fix cart total", "Comes back", "9a8b7c6", "Goes to rest", "still running")
	press(t, ctx, "#confirm")

	shows(t, ctx, `location.pathname === "/apps/shop/deployments/43"`)
	if asked := f.asked(); len(asked) != 1 || asked[0] != "rollback shop to 13 by anna" {
		t.Fatalf("the engine was asked %q", asked)
	}
	watchesItGoLive(t, ctx, f, s.CloseClientConnections)
}

// watchesItGoLive moves deployment 43 on while its page is open; cut breaks
// every connection.
func watchesItGoLive(t *testing.T, ctx context.Context, f *fake, cut func()) {
	t.Helper()
	shows(t, ctx, `document.getElementById("follow-state").textContent.includes("live")`)
	for i := 1; i <= 3; i++ {
		f.say(43, fmt.Sprintf("line %d of the new log <b>&</b>", i))
		shows(t, ctx, fmt.Sprintf(`document.querySelectorAll("#lines li").length === %d`, i))
	}
	contains(t, text(t, ctx, "#lines"), "line 3 of the new log <b>&</b>")

	cut()
	f.say(43, "line 4, said while nobody listened")
	shows(t, ctx, `document.querySelectorAll("#lines li").length === 4`)

	f.move(43, deploy.Probing)
	shows(t, ctx, `document.querySelector("#head .state").textContent === "probing"`)
	shows(t, ctx, `document.querySelector("#steps .now b").textContent === "Probe"`)
	f.move(43, deploy.Promoting)
	f.setApp("shop", func(a *deploy.App) { a.Active, a.Live, a.Previous = deploy.Blue, 13, 14 })
	f.move(43, deploy.Live)
	shows(t, ctx, `document.querySelector("#head .state").textContent === "live"`)
	shows(t, ctx, `document.title.startsWith("● shop live")`)
	contains(t, text(t, ctx, "#actions"), "Restart previous v14")
	if lines, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("#lines li").length`)); err != nil || lines != 4 {
		t.Errorf("the log shows %d lines, %v; want each of 4 once", lines, err)
	}
}

func TestAppPageFollowsWhatHappensWithoutReload(t *testing.T) {
	f := newFake()
	s := serve(t, f)
	ctx := browser(t)
	logInByLink(t, ctx, f, s, "anna")
	do(t, ctx, chromedp.Navigate(s.URL+"/apps/shop"))
	shows(t, ctx, `document.querySelector("#restart-previous") !== null`)
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`window.same = true; document.querySelector("#restart-previous").focus()`))

	eventually(t, "the page follows the events", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.subs) > 0
	})
	f.addLocked(deploy.Deployment{ID: 44, App: "shop", Cause: deploy.CausePush, State: deploy.Queued, Color: deploy.Blue, By: "anna", CreatedAt: now()}, "abcdef0", "A new push")
	f.move(44, deploy.Building)
	shows(t, ctx, `document.querySelector("#notices").textContent.includes("Deployment 44")`)
	shows(t, ctx, `document.querySelector("#actions").textContent.includes("Cancel deployment 44")`)
	shows(t, ctx, `document.title.startsWith("◌ shop building")`)
	shows(t, ctx, `window.same && document.activeElement.id === "restart-previous"`)
}

// addLocked adds a deployment while pages look.
func (f *fake) addLocked(d deploy.Deployment, commit, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addDeployment(d, commit, text)
}

// eventually polls until the claim holds.
func eventually(t *testing.T, claim string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not true in time: %s", claim)
		}
		<-time.NewTimer(5 * time.Millisecond).C
	}
}
