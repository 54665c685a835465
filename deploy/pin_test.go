package deploy_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

// TestTheCommitOfAnOldReleaseCanBePushedAgainWhileAnotherBuildMakesRoom: its build
// finds the image that is there, and no budget may take it away before the new
// release names it.
func TestTheCommitOfAnOldReleaseCanBePushedAgainWhileAnotherBuildMakesRoom(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep, w.MaxBuilds = 50, 2
	w.Budget = deploy.Budget{Images: 4}
	d, ctx := w.Open(), within(t)
	for _, text := range []string{"one", "two", "three"} {
		mustPush(ctx, t, d, text, deploy.Live)
	}
	d.After("Build", func() {
		pushTo(ctx, t, w, d, "blog", "blog 1")
		pushTo(ctx, t, w, d, "blog", "blog 2")
	})
	mustPush(ctx, t, d, "one", deploy.Live)
	wantAnswer(t, d, "v4")
}

func TestTheReleaseThatIsBeingBroughtUpIsNoRoom(t *testing.T) {
	w := deploytest.New(t)
	w.Budget = deploy.Budget{Images: 1}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	d.Before("Once", func() { pushTo(ctx, t, w, d, "blog", "blog 1") })
	mustPush(ctx, t, d, "two migrates", deploy.Live)
	wantAnswer(t, d, "v2")
}

// TestTheReleaseThatARollbackWaitsToBringBackIsNoRoom: it was accepted, and the
// deployment that it takes the place of is still being undone.
func TestTheReleaseThatARollbackWaitsToBringBackIsNoRoom(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep, w.Budget = 50, deploy.Budget{Images: 5}
	d, ctx := w.Open(), within(t)
	for _, text := range []string{"one", "two", "three"} {
		mustPush(ctx, t, d, text, deploy.Live)
	}
	begun := make(chan struct{})
	w.Once = func(ctx context.Context, _ deploy.Release, _ []string, _ io.Writer) (deploy.Exit, error) {
		close(begun)
		<-ctx.Done()
		return deploy.Exit{}, ctx.Err()
	}
	if _, err := d.Push(ctx, "four migrates", deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	<-begun
	d.Before("Update superseded", func() {
		for i := range 4 {
			pushTo(ctx, t, w, d, "blog", fmt.Sprintf("blog %d", i+1))
		}
	})
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
	wantAnswer(t, d, "v1")
}

func TestAnImageThatWhatServesHasTooIsNoRoomAndItsReleaseStays(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	w.Budget = deploy.Budget{Images: 1}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	for range 3 { // of the same image
		dep, err := d.Reconfigure(ctx, "shop", "ben")
		if err != nil {
			t.Fatal(err)
		}
		mustWait(ctx, t, d, dep, deploy.Live)
	}
	mustPush(ctx, t, d, "two", deploy.Live)
	if got, want := releasesWithImages(t, w), []int{1, 2, 3, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("releases with an image: %v, want %v", got, want)
	}
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 1), deploy.Live)
}

func TestAReleaseThatHoldsItsPlaceForLongHoldsUpNoOtherAppsBuild(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	w.Budget = deploy.Budget{Images: 1}
	d, ctx := w.Open(), within(t)
	for _, text := range []string{"one", "two", "three", "four"} {
		mustPush(ctx, t, d, text, deploy.Live)
	}
	held, free := make(chan struct{}), make(chan struct{})
	d.Before("Activate", func() {
		close(held)
		<-free
	})
	mustWait(ctx, t, d, func() deploy.Deployment {
		if _, err := d.Rollback(ctx, "shop", 0, "ben"); err != nil {
			t.Fatal(err)
		}
		<-held
		return pushTo(ctx, t, w, d, "blog", "blog 1")
	}(), deploy.Live)
	close(free)
}

// TestNoBudgetEverTakesWhatIsNeeded runs random histories of several apps under
// random budgets and disks, with restarts: pushes that go live, fail in each way,
// are gradual or staged, the commits of old releases again, rollbacks, patches,
// new environments, destructions. At every removal of an image it is looked
// whether the image is needed, and after every step whether all that is needed is
// there.
func TestNoBudgetEverTakesWhatIsNeeded(t *testing.T) {
	for range 8 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			h := &history{t: t, w: deploytest.New(t), r: rand.New(rand.NewPCG(seed, 1)), ctx: ctx, going: map[deploy.AppName]bool{}}
			h.w.Removing = h.removes
			h.w.MaxBuilds = 2
			h.w.Pending = pending(openssl)
			h.w.PutForeignImage(foreign)
			h.restart()
			for range 45 {
				h.step()
				h.check()
			}
			h.w.Close()
			h.check()
		})
	}
}

// foreign stands for an image that a person has put there.
const foreign = "foreign"

type history struct {
	t   *testing.T
	w   *deploytest.World
	d   *deploytest.Daemon
	r   *rand.Rand
	ctx context.Context
	log []string
	n   int

	mu    sync.Mutex
	going map[deploy.AppName]bool // apps that are being destroyed
}

var pinApps = []deploy.AppName{"shop", "blog", "wiki"}

// removes is called at each removal of an image.
func (h *history) removes(image string) {
	if image == foreign {
		h.t.Errorf("an image that is not ours is removed\n%s", strings.Join(h.log, "\n"))
	}
	for _, why := range h.needed(image) {
		h.t.Errorf("%s is removed: %s\n%s", image, why, debug.Stack())
	}
}

// needed says what the image is needed for.
func (h *history) needed(image string) (why []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	apps, _ := h.w.Store.Apps(context.Background())
	for _, app := range apps {
		if h.going[app.Name] {
			continue
		}
		for number, what := range map[int]string{app.Live: "serves", app.Previous: "is what restart-previous brings back", app.Staged: "is staged"} {
			if r, err := h.w.Store.Release(context.Background(), app.Name, number); err == nil && r.Image == image {
				why = append(why, fmt.Sprintf("v%d of %s %s", number, app.Name, what))
			}
		}
	}
	open, _ := h.w.Store.Open(context.Background())
	for _, d := range open {
		if d.State == deploy.Building && d.Cause == deploy.CausePush && strings.HasPrefix(image, "sha256:"+d.Push.Commit.Subject+"/") && !h.going[d.App] && !h.released(d) {
			why = append(why, fmt.Sprintf("deployment %d of %s builds it", d.ID, d.App))
		}
	}
	return why
}

// released tells whether the deployment's build is over: there is a release of its commit.
func (h *history) released(d deploy.Deployment) bool {
	releases, _ := h.w.Store.Releases(context.Background(), d.App)
	return slices.ContainsFunc(releases, func(r deploy.Release) bool { return r.Commit.ID == d.Push.Commit.ID })
}

// check looks whether all is there that is needed.
func (h *history) check() {
	h.t.Helper()
	apps, _ := h.w.Store.Apps(h.ctx)
	for _, app := range apps {
		for _, number := range []int{app.Live, app.Previous, app.Staged} {
			if r, err := h.w.Store.Release(h.ctx, app.Name, number); err == nil && (r.Gone || !h.w.HasImage(r.Image)) {
				h.t.Fatalf("v%d of %s (live %d, previous %d, staged %d) has no image\n%s", number, app.Name, app.Live, app.Previous, app.Staged, strings.Join(h.log, "\n"))
			}
		}
	}
	if !h.w.HasImage(foreign) {
		h.t.Fatal("the image that is not ours is gone")
	}
}

// restart begins another life of the daemon, with another budget, and may be in
// the middle of what is under way.
func (h *history) restart() {
	if h.d != nil {
		h.w.Close()
	}
	few := func(n int) int { return h.r.IntN(n) }
	h.w.Budget = deploy.Budget{App: int64(few(4)) * deploytest.ImageBytes, Total: int64(few(8)) * deploytest.ImageBytes, Images: few(8)}
	h.w.Settings.Keep = few(4)
	h.w.Settings.Grace = []time.Duration{time.Millisecond, time.Hour}[few(2)]
	h.w.Disk = []int{0, 0, 8 + few(4)}[few(3)]
	h.say("restart: %+v, keep %d, disk %d", h.w.Budget, h.w.Settings.Keep, h.w.Disk)
	h.d = h.w.Open()
	<-h.d.Ready()
}

func (h *history) say(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// step does one thing, and waits for its end or not.
func (h *history) step() {
	app := pinApps[h.r.IntN(len(pinApps))]
	if _, err := h.w.Store.App(h.ctx, app); err != nil {
		h.w.Store.PutApp(deploy.App{Name: app})
	}
	h.n++
	switch k := h.r.IntN(20); {
	case k < 6:
		h.push(app, fmt.Sprintf("%s %d", app, h.n), deploy.Options{})
	case k < 8: // the commit of an old release
		h.push(app, fmt.Sprintf("%s %d", app, 1+h.r.IntN(h.n)), deploy.Options{})
	case k < 10:
		text := []string{"fails to build", "broken", "exits", "migrates badly", "gradual"}[h.r.IntN(5)]
		h.push(app, fmt.Sprintf("%s %d %s", app, h.n, text), deploy.Options{})
	case k < 11:
		h.push(app, fmt.Sprintf("%s %d", app, h.n), deploy.Options{NoPromote: true})
	case k < 14:
		a, _ := h.w.Store.App(h.ctx, app)
		target := h.r.IntN(max(1, a.Live+1)) // 0: the previous one
		d, err := h.d.Rollback(h.ctx, app, target, "ben")
		h.sees("rollback", app, d, err)
	case k < 16:
		if h.r.IntN(2) == 0 {
			h.w.RefreshBases()
		}
		d, err := h.d.Patch(h.ctx, app)
		h.sees("patch", app, d, err)
	case k < 17:
		d, err := h.d.Reconfigure(h.ctx, app, "ben")
		h.sees("config", app, d, err)
	case k < 18:
		d, err := h.d.Promote(h.ctx, app, "ben")
		if h.r.IntN(2) == 0 {
			d, err = h.d.Cancel(h.ctx, app, 0, "ben")
		}
		h.sees("promote or cancel", app, d, err)
	case k < 19:
		h.destroy(app)
	default:
		h.restart()
	}
}

func (h *history) push(app deploy.AppName, text string, o deploy.Options) {
	p := h.w.Commit(text, o)
	p.App = app
	d, err := h.d.Receive(h.ctx, p)
	h.sees("push of "+text, app, d, err)
}

// sees waits for the end, or not, and checks that no image was missing.
func (h *history) sees(what string, app deploy.AppName, d deploy.Deployment, err error) {
	h.t.Helper()
	if err != nil {
		h.say("%s of %s: %v", what, app, err)
		return
	}
	if h.r.IntN(3) == 0 {
		h.say("%s of %s: deployment %d, not waited for", what, app, d.ID)
		return
	}
	id := d.ID
	if d, err = h.d.Wait(h.ctx, id, time.Second); err != nil {
		h.t.Fatalf("deployment %d: %v", id, err)
	}
	h.say("%s of %s: deployment %d is %s, %v", what, app, id, d.State, d.Failure)
	if d.Failure != nil && strings.Contains(d.Failure.Reason, "is not there any more") && !d.Cause.GoesBack() {
		h.t.Errorf("its image was taken away\n%s", strings.Join(h.log, "\n"))
	}
}

func (h *history) destroy(app deploy.AppName) {
	set := func(going bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.going[app] = going
	}
	set(true)
	defer set(false)
	h.say("destroy %s: %v", app, h.d.Destroy(h.ctx, app, "ben"))
}
