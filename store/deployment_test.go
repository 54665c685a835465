package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"teal/deploy"
)

var commit = deploy.Commit{
	ID: "3f2a1bc0000000000000000000000000000000ff", Author: "Anna <anna@example.com>", Subject: "Sell more",
	At: time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC),
}

func TestDeploymentComesBackAsItWasStored(t *testing.T) {
	f := newFixture(t)
	now := f.clock.Now()
	want := deploy.Deployment{
		App: "shop", Cause: deploy.CausePush, State: deploy.Queued, By: "anna", Note: "a note", Target: 3,
		Push: deploy.Push{
			App: "shop", Ref: "refs/heads/main", Old: "0000", New: commit.ID, Commit: commit, By: "anna",
			Options: deploy.Options{NoPromote: true, Detach: true},
		},
		CreatedAt: now,
	}
	created := must(f.CreateDeployment(t.Context(), want, "queued"))(t)
	want.ID, want.Version = 1, 1
	if !reflect.DeepEqual(created, want) {
		t.Errorf("created %+v\nwant    %+v", created, want)
	}
	want.State, want.Color, want.Release, want.Replaces = deploy.Failed, deploy.Green, 14, 13
	want.StartedAt, want.FinishedAt = now.Add(time.Second), now.Add(time.Minute)
	want.Failure = &deploy.Failure{Step: deploy.StepProbe, Reason: "probe answered 500", Hint: "look", Log: []string{"a", "b"}}
	want.Receipt = &deploy.Receipt{Image: "sha256:1", Requests: 12, P99New: 1.5}
	updated := must(f.UpdateDeployment(t.Context(), want, "failed", nil))(t)
	want.Version = 2
	if !reflect.DeepEqual(updated, want) {
		t.Errorf("updated %+v\nwant    %+v", updated, want)
	}
	f.reopen(t)
	if got := must(f.Deployment(t.Context(), 1))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTheCauseOfAFailureIsNotStored(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePush)
	d.State, d.Failure = deploy.Failed, &deploy.Failure{Step: deploy.StepTeal, Reason: "r", Err: errors.New("cause")}
	must(f.UpdateDeployment(t.Context(), d, "failed", nil))(t)
	if got := must(f.Deployment(t.Context(), d.ID))(t); got.Failure.Err != nil || got.Failure.Reason != "r" {
		t.Errorf("failure is %+v", got.Failure)
	}
}

func TestWriteWithAStaleVersionIsRefused(t *testing.T) {
	f := newFixture(t)
	first := f.queued(t, deploy.CausePush)
	second := first
	first.State = deploy.Building
	first = must(f.UpdateDeployment(t.Context(), first, "building", nil))(t)
	second.State = deploy.Canceled
	_, err := f.UpdateDeployment(t.Context(), second, "canceled", &deploy.Alert{Episode: "e", App: "shop"})
	wantErr(t, err, deploy.ErrConflict)
	equal(t, "state", f.state(t, first.ID), deploy.Building)
	equal(t, "events", len(must(f.Events(t.Context(), "shop", 10))(t)), 2)
	equal(t, "deliveries", len(must(f.Deliveries(t.Context(), 10))(t)), 0)
}

func TestUnknownDeploymentAndAppAreNotFound(t *testing.T) {
	f := newFixture(t)
	_, err := f.Deployment(t.Context(), 7)
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.UpdateDeployment(t.Context(), deploy.Deployment{ID: 7, App: "shop", Version: 1}, "", nil)
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.CreateDeployment(t.Context(), deploy.Deployment{App: "nope"}, "queued")
	wantErr(t, err, deploy.ErrNotFound)
	wantErr(t, f.AppendLog(t.Context(), 7, []deploy.LogLine{{N: 1}}), deploy.ErrNotFound)
	wantErr(t, f.AddEvent(t.Context(), deploy.Event{App: "nope", Text: "x"}), deploy.ErrNotFound)
}

func TestOnlyActivateCarriesOverTheBar(t *testing.T) {
	f := newFixture(t)
	d := f.ready(f.queued(t, deploy.CausePush), deploy.Blue, 1)
	if _, err := f.UpdateDeployment(t.Context(), d, "promoted", nil); err == nil {
		t.Error("an update promoted a deployment")
	}
	d = f.promote(t, deploy.CausePush, f.release(t).Number)
	d.State = deploy.Failed
	if _, err := f.UpdateDeployment(t.Context(), d, "failed", nil); err == nil {
		t.Error("an update made a promoted deployment fail")
	}
}

func TestEventIsStoredWithTheStateItTellsOf(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePush)
	d.State = deploy.Building
	d = must(f.UpdateDeployment(t.Context(), d, "builds", nil))(t)
	d = must(f.UpdateDeployment(t.Context(), d, "still builds", nil))(t)
	must(f.UpdateDeployment(t.Context(), d, "", nil))(t)
	ok(t, f.AddEvent(t.Context(), deploy.Event{Text: "the Engine is back"}))
	events := must(f.Events(t.Context(), "shop", 10))(t)
	equal(t, "events", len(events), 3)
	want := deploy.Event{ID: 2, At: f.clock.Now(), App: "shop", Deployment: d.ID, State: deploy.Building, By: "anna", Text: "builds"}
	equal(t, "event", events[1], want)
	equal(t, "state of an event without a change", events[0].State, "")
	equal(t, "events of all", len(must(f.Events(t.Context(), "", 10))(t)), 4)
	equal(t, "newest of all", must(f.Events(t.Context(), "", 1))(t)[0].Text, "the Engine is back")
}

func TestDeploymentsArePagedNewestFirst(t *testing.T) {
	f := newFixture(t)
	for range 5 {
		f.queued(t, deploy.CausePush)
	}
	page := must(f.Deployments(t.Context(), "shop", 0, 2))(t)
	equal(t, "first", page[0].ID, 5)
	page = must(f.Deployments(t.Context(), "shop", page[1].ID, 10))(t)
	equal(t, "rest", len(page), 3)
	equal(t, "last", page[2].ID, 1)
	equal(t, "of another app", len(must(f.Deployments(t.Context(), "nope", 0, 10))(t)), 0)
}

func TestOpenGivesWhatIsNotSettledOldestFirst(t *testing.T) {
	f := newFixture(t)
	for _, s := range deploy.States() {
		d := f.queued(t, deploy.CausePush)
		ok(t, f.Exec(t.Context(), `UPDATE deployments SET state = ? WHERE id = ?`, s, d.ID))
	}
	var got []deploy.State
	for _, d := range must(f.Open(t.Context()))(t) {
		got = append(got, d.State)
	}
	var want []deploy.State
	for _, s := range deploy.States() {
		if s.Running() || s == deploy.Staged || s == deploy.Live || s == deploy.Warm || s == deploy.Asleep {
			want = append(want, s)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("open are %v, want %v", got, want)
	}
}

func TestReleasesAreNumberedPerApp(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateApp(t.Context(), deploy.App{Name: "blog"}))
	want := deploy.Release{
		App: "shop", Commit: commit, Image: "sha256:1", Settings: deploy.DefaultSettings(),
		Env: map[string]string{"A": "1"}, CreatedAt: f.clock.Now(), CreatedBy: "anna", Cause: deploy.CausePush,
	}
	want.Settings.Release = []string{"migrate", "--all"}
	created := must(f.CreateRelease(t.Context(), want))(t)
	want.Number = 1
	for _, got := range []deploy.Release{created, must(f.Release(t.Context(), "shop", 1))(t)} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	equal(t, "second release", f.release(t).Number, 2)
	equal(t, "first of another app", must(f.CreateRelease(t.Context(), deploy.Release{App: "blog"}))(t).Number, 1)
	equal(t, "newest", must(f.Releases(t.Context(), "shop"))(t)[0].Number, 2)

	ok(t, f.MarkGone(t.Context(), "shop", 2))
	equal(t, "gone", must(f.Release(t.Context(), "shop", 2))(t).Gone, true)
	equal(t, "number after one is gone", f.release(t).Number, 3)
	wantErr(t, f.MarkGone(t.Context(), "shop", 9), deploy.ErrNotFound)
	_, err := f.Release(t.Context(), "shop", 9)
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.CreateRelease(t.Context(), deploy.Release{App: "nope"})
	wantErr(t, err, deploy.ErrNotFound)
}

func TestLogLinesAreKeptOnceAndInOrder(t *testing.T) {
	f := newFixture(t)
	d := f.queued(t, deploy.CausePush)
	line := func(n int, text string) deploy.LogLine {
		return deploy.LogLine{N: n, At: f.clock.Now(), Text: text}
	}
	ok(t, f.AppendLog(t.Context(), d.ID, nil))
	ok(t, f.AppendLog(t.Context(), d.ID, []deploy.LogLine{line(2, "b"), line(1, "a")}))
	ok(t, f.AppendLog(t.Context(), d.ID, []deploy.LogLine{line(2, "again"), line(3, "c")}))
	want := []deploy.LogLine{line(1, "a"), line(2, "b"), line(3, "c")}
	if got := must(f.Log(t.Context(), d.ID, 0, 10))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("log is %v", got)
	}
	if got := must(f.Log(t.Context(), d.ID, 1, 1))(t); !reflect.DeepEqual(got, want[1:2]) {
		t.Errorf("part of the log is %v", got)
	}
}
