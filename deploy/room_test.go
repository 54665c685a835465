package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func releasesWithImages(t *testing.T, w *deploytest.World) []int {
	t.Helper()
	all, err := w.Store.Releases(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, r := range all {
		if !r.Gone {
			out = append(out, r.Number)
		}
	}
	slices.Sort(out)
	return out
}

func TestImagesOverTheAppsBudgetMakeRoomOldestFirst(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	w.Budget = deploy.Budget{App: 3 * deploytest.ImageBytes}
	d, ctx := w.Open(), within(t)
	for i := range 6 {
		mustPush(ctx, t, d, fmt.Sprintf("app %d", i+1), deploy.Live)
	}
	// Room is made before the sixth is built: three stay, and it.
	if got, want := releasesWithImages(t, w), []int{3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("releases with an image: %v, want %v", got, want)
	}
	wantAnswer(t, d, "v6")
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 5), deploy.Live)
}

// TestImagesOfAllAppsAreBoundedInNumber: the oldest of any app goes, what serves
// and what restart-previous needs never.
func TestImagesOfAllAppsAreBoundedInNumber(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	w.Budget = deploy.Budget{Images: 6}
	d, ctx := w.Open(), within(t)
	for i := range 5 {
		mustPush(ctx, t, d, fmt.Sprintf("shop %d", i+1), deploy.Live)
	}
	for i := range 5 {
		pushTo(ctx, t, w, d, "blog", fmt.Sprintf("blog %d", i+1))
		if got := w.Images(); got > 6 {
			t.Errorf("%d images with the one that was just built, want 6 at most", got)
		}
	}
	if got, want := releasesWithImages(t, w), []int{4, 5}; !slices.Equal(got, want) {
		t.Errorf("releases of shop with an image: %v, want %v", got, want)
	}
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	wantAnswer(t, d, "v4")
	pushTo(ctx, t, w, d, "wiki", "wiki 1") // all that may go is gone by then; that is no reason to refuse
	pushTo(ctx, t, w, d, "wiki", "wiki 2")
	pushTo(ctx, t, w, d, "docs", "docs 1")
	if got := w.Images(); got != 7 {
		t.Errorf("%d images, want the live and the previous one of each app", got)
	}
}

// TestAppThatIsPinnedBeyondItsBudgetDoesNotHinderTheBudgetOfAll: what is pinned
// of it can't go, and what others have to spare still does.
func TestAppThatIsPinnedBeyondItsBudgetDoesNotHinderTheBudgetOfAll(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	w.Budget = deploy.Budget{App: deploytest.ImageBytes, Total: 4 * deploytest.ImageBytes}
	d, ctx := w.Open(), within(t)
	for i := range 2 {
		pushTo(ctx, t, w, d, "blog", fmt.Sprintf("blog %d", i+1))
	}
	w.Budget.App = 0
	d = w.Open()
	for i := range 4 {
		mustPush(ctx, t, d, fmt.Sprintf("shop %d", i+1), deploy.Live)
	}
	w.Budget.App = deploytest.ImageBytes
	d = w.Open()
	pushTo(ctx, t, w, d, "blog", "blog 3")
	if got := w.Images(); got != 5 {
		t.Errorf("%d images, want 4 when blog's third was built, and it", got)
	}
}

func TestFullDiskNeverTakesWhatServesOrWhatRestartPreviousNeeds(t *testing.T) {
	w := deploytest.New(t)
	w.Settings.Keep = 50
	d, ctx := w.Open(), within(t)
	for i := range 4 {
		mustPush(ctx, t, d, fmt.Sprintf("app %d", i+1), deploy.Live)
	}
	w.Disk = 2 // room for the two that are pinned, and none for a build
	dep := mustPush(ctx, t, d, "app 5", deploy.Failed)
	if dep.Failure == nil || dep.Failure.Step != deploy.StepBuild || dep.Failure.Class != deploy.ClassNoRoom {
		t.Fatalf("failure: %+v", dep.Failure)
	}
	if got, want := releasesWithImages(t, w), []int{3, 4}; !slices.Equal(got, want) {
		t.Errorf("releases with an image: %v, want %v", got, want)
	}
	wantAnswer(t, d, "v4")
	w.Disk = 3
	mustPush(ctx, t, d, "app 6", deploy.Live)
}

func TestImagesThatNoReleaseNamesGoUnlessTheyAreNew(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	w.PutImage("sha256:left by a crash", time.Now().Add(-time.Hour))
	w.PutImage("sha256:made just now", time.Now())
	mustPush(ctx, t, d, "app 1", deploy.Live)
	if got := w.Images(); got != 3 {
		t.Errorf("%d images before the app's next build, want 3: its own build may have made the stray one", got)
	}
	w.Store.PutApp(deploy.App{Name: "blog"})
	push := w.Commit("other", deploy.Options{})
	push.App = "blog"
	dep, err := d.Receive(ctx, push)
	if err != nil {
		t.Fatal(err)
	}
	mustWait(ctx, t, d, dep, deploy.Live)
	if got := w.Images(); got != 3 {
		t.Errorf("%d images, want 3: shop's, blog's, and the new stray one", got)
	}
}

func TestTwoHundredDeploymentsLeaveTheImagesFlatAndRollbackWorking(t *testing.T) {
	w := deploytest.New(t)
	d := w.Open()
	for i := range 200 {
		mustBeCommitted(within(t), t, d, fmt.Sprintf("app %d", i+1))
		// Images go behind the deployments' backs; but they do go.
		eventually(t, func() bool { return w.Images() <= w.Settings.Keep+10 }, "images pile up")
	}
	// live, previous and the newest that are kept
	eventually(t, func() bool { return w.Images() <= w.Settings.Keep+2 }, "the images are not retained as set")
	ctx := within(t)
	mustWait(ctx, t, d, mustRollback(ctx, t, d, 0), deploy.Live)
	wantAnswer(t, d, "v199")
}

func TestBuildsAreFirstComeFirstServedAndPushesGoBeforePatches(t *testing.T) {
	w := deploytest.New(t)
	for _, name := range []deploy.AppName{"blog", "wiki"} {
		w.Store.PutApp(deploy.App{Name: name})
	}
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "shop 1", deploy.Live)
	g := holdBuilds(w)
	receive := func(app deploy.AppName, text string) deploy.Deployment {
		push := w.Commit(text, deploy.Options{})
		push.App = app
		dep, err := d.Receive(ctx, push)
		if err != nil {
			t.Fatal(err)
		}
		return dep
	}
	first := receive("blog", "blog 1")
	if got := <-g.waiting; got != "blog 1" {
		t.Fatalf("%s is built first", got)
	}
	patch, err := d.Patch(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	wantLine(t, w, patch, "Waiting: blog is being built")
	second := receive("wiki", "wiki 1")
	wantLine(t, w, second, "Waiting: blog is being built")
	close(g.open)
	if got := []string{<-g.waiting, <-g.waiting}; got[0] != "wiki 1" {
		t.Errorf("built in the order %q: a person waits for wiki, nobody for shop's patch", got)
	}
	mustWait(ctx, t, d, first, deploy.Live)
	mustWait(ctx, t, d, second, deploy.Live)
}

// wantLine waits until the deployment's log has a line with the text.
func wantLine(t *testing.T, w *deploytest.World, d deploy.Deployment, text string) {
	t.Helper()
	eventually(t, func() bool {
		return slices.ContainsFunc(w.Store.Log(d.ID), func(line string) bool { return strings.Contains(line, text) })
	}, "no line with %q", text)
}
