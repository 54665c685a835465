package main

import (
	"slices"
	"testing"
	"time"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestCommitsOfWhatServesIsStagedOrUnderWayAreNeededAndThoseOfAFailureAreNot(t *testing.T) {
	t.Parallel()
	w := deploytest.New(t)
	d := w.Open()
	push := func(text string, o deploy.Options) deploy.Deployment {
		t.Helper()
		dep, err := d.Push(t.Context(), text, o)
		if err == nil {
			dep, err = d.Wait(t.Context(), dep.ID, time.Minute)
		}
		if err != nil {
			t.Fatal(err)
		}
		return dep
	}
	previous, live := push("one", deploy.Options{}), push("two", deploy.Options{})
	unbuilt, broken := push("fails to build", deploy.Options{}), push("broken", deploy.Options{})
	staged := push("three", deploy.Options{NoPromote: true})
	needed := func() []string {
		commits, err := neededCommits(w.Store)(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return commits
	}
	commits := needed()
	for _, dep := range []deploy.Deployment{previous, live, staged} {
		if !slices.Contains(commits, dep.Push.New) {
			t.Errorf("%q, %s, is not needed", dep.Push.Commit.Subject, dep.State)
		}
	}
	for _, dep := range []deploy.Deployment{unbuilt, broken} {
		if slices.Contains(commits, dep.Push.New) {
			t.Errorf("%q, %s, is needed", dep.Push.Commit.Subject, dep.State)
		}
	}
	if _, err := d.Cancel(t.Context(), "shop", staged.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(needed(), staged.Push.New) {
		t.Error("what was canceled is needed")
	}
	if commits, err := neededCommits(w.Store)(t.Context(), "other"); err != nil || len(commits) > 0 {
		t.Errorf("another app needs %v, %v", commits, err)
	}
}
