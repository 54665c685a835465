package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// fail ends a new deployment of shop with an alert of the episode.
func (f fixture) fail(t *testing.T, episode string) deploy.Alert {
	t.Helper()
	d := f.queued(t, deploy.CausePush)
	d.State = deploy.Failed
	d.Failure = &deploy.Failure{Step: deploy.StepProbe, Reason: "probe answered 500", Log: []string{"boom"}}
	alert := deploy.Alert{
		Episode: episode, App: "shop", Deployment: d.ID, Cause: d.Cause, Pusher: "anna", Commit: commit,
		Ref: "refs/heads/main", Failure: *d.Failure, Serving: deploy.Blue, ServingV: 13, ServingSince: f.clock.Now(), At: f.clock.Now(),
	}
	must(f.UpdateDeployment(t.Context(), d, "failed", &alert))(t)
	return alert
}

func TestFailurePutsOneDeliveryPerChannelIntoTheOutbox(t *testing.T) {
	f := newFixture(t)
	alert := f.fail(t, "shop 3f2a1bc probe 7")
	f.reopen(t)
	due := must(f.Due(t.Context(), f.clock.Now(), 10))(t)
	equal(t, "deliveries", len(due), 2)
	id := must(f.InstallationID(t.Context()))(t)
	for i, channel := range []string{"mail", "webhook"} {
		want := deploy.Delivery{
			ID: int64(i + 1), Channel: channel, MessageID: fmt.Sprintf("teal-%s-%d-%s@teal", id, alert.Deployment, channel),
			Alert: alert, NextAt: f.clock.Now(), CreatedAt: f.clock.Now(),
		}
		if !reflect.DeepEqual(due[i], want) {
			t.Errorf("got  %+v\nwant %+v", due[i], want)
		}
	}
}

func TestEpisodeAlertsOnce(t *testing.T) {
	f := newFixture(t)
	f.fail(t, "same")
	f.fail(t, "same")
	equal(t, "deliveries", len(must(f.Deliveries(t.Context(), 10))(t)), 2)
	for _, d := range must(f.Due(t.Context(), f.clock.Now(), 10))(t) {
		ok(t, f.Done(t.Context(), d.ID, f.clock.Now()))
	}
	f.fail(t, "same") // sent long ago: still the same episode
	equal(t, "due", len(must(f.Due(t.Context(), f.clock.Now(), 10))(t)), 0)
	f.fail(t, "another")
	equal(t, "due", len(must(f.Due(t.Context(), f.clock.Now(), 10))(t)), 2)
	f.fail(t, "") // without a name each is one of its own
	f.fail(t, "")
	equal(t, "due", len(must(f.Due(t.Context(), f.clock.Now(), 10))(t)), 6)
}

func TestDeliveryIsTriedAgainUntilDoneOrGivenUp(t *testing.T) {
	f := newFixture(t)
	f.fail(t, "e")
	due := must(f.Due(t.Context(), f.clock.Now(), 1))(t)
	equal(t, "due with a limit", len(due), 1)
	id := due[0].ID
	next := f.clock.Now().Add(time.Minute)
	ok(t, f.Retry(t.Context(), id, next, "connection refused"))
	for _, d := range must(f.Due(t.Context(), f.clock.Now(), 10))(t) {
		if d.ID == id {
			t.Error("due before its time")
		}
	}
	due = must(f.Due(t.Context(), next, 10))(t)
	last := due[len(due)-1] // the one that waited least
	if last.ID != id || last.Attempts != 1 || last.LastError != "connection refused" || !last.NextAt.Equal(next) || last.MessageID == "" {
		t.Errorf("delivery is %+v", last)
	}
	ok(t, f.Done(t.Context(), id, next))
	wantErr(t, f.Done(t.Context(), id, next), deploy.ErrNotFound)
	wantErr(t, f.Retry(t.Context(), id, next, "x"), deploy.ErrNotFound)
	ok(t, f.GiveUp(t.Context(), due[0].ID, next, "no such mailbox"))
	equal(t, "due at the end", len(must(f.Due(t.Context(), next.Add(time.Hour), 10))(t)), 0)

	all := must(f.Deliveries(t.Context(), 10))(t)
	given, done := all[0], all[1]
	if !given.GaveUp || given.LastError != "no such mailbox" || !given.DoneAt.Equal(next) {
		t.Errorf("given up delivery is %+v", given)
	}
	if done.GaveUp || done.LastError != "" || done.Attempts != 2 || !done.DoneAt.Equal(next) {
		t.Errorf("done delivery is %+v", done)
	}
}

func TestRecipientsAreThePusherAndTheOwners(t *testing.T) {
	f := newFixture(t)
	user := func(name, email string, right deploy.Right) {
		t.Helper()
		ok(t, f.CreateUser(t.Context(), deploy.User{Name: name, Email: email}))
		if right != "" {
			ok(t, f.Grant(t.Context(), deploy.Access{User: name, App: "shop", Right: right}))
		}
	}
	recipients := func(pusher string) string {
		t.Helper()
		return strings.Join(must(f.Recipients(t.Context(), "shop", pusher))(t), " ")
	}
	user("zoe", "zoe@example.com", deploy.Deployer)
	user("carl", "carl@example.com", deploy.Admin)
	user("dora", "ANNA@example.com", deploy.Admin)
	user("mute", "", deploy.Admin)
	user("eve", "eve@example.com", deploy.Viewer)
	equal(t, "for zoe", recipients("zoe"), "zoe@example.com anna@example.com carl@example.com")
	equal(t, "for an owner", recipients("carl"), "carl@example.com anna@example.com")
	equal(t, "for a patch", recipients(""), "anna@example.com carl@example.com")
	for _, owner := range []string{"anna", "carl", "dora"} {
		ok(t, f.Revoke(t.Context(), owner, "shop"))
	}
	equal(t, "without owners that have mail", recipients("zoe"), "zoe@example.com anna@example.com")
}

func TestAnAlertAboutNoDeploymentIsPostedOnce(t *testing.T) {
	f := newFixture(t)
	certificate := func(episode string, app deploy.AppName) deploy.Alert {
		return deploy.Alert{
			Episode: episode, App: app, At: f.clock.Now(), Certificate: &deploy.Certificate{Host: "shop.test", NotAfter: f.clock.Now()},
			Failure: deploy.Failure{Step: deploy.StepCertificate, Reason: "shop.test: certificate ended"},
		}
	}
	for range 2 {
		ok(t, f.PostAlert(t.Context(), certificate("certificate shop.test expired 1", "shop")))
	}
	ok(t, f.PostAlert(t.Context(), certificate("certificate of the server", "")))
	f.reopen(t)
	due := must(f.Due(t.Context(), f.clock.Now(), 10))(t)
	equal(t, "deliveries", len(due), 4)
	ids := map[string]bool{}
	for _, d := range due {
		ids[d.MessageID] = true
	}
	equal(t, "message ids", len(ids), 4)
	equal(t, "host", due[0].Alert.Certificate.Host, "shop.test")
	equal(t, "app of the server's", due[3].Alert.App, deploy.AppName(""))
	if err := f.PostAlert(t.Context(), certificate("of no app", "nobody")); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("an alert about an app that is not there: %v", err)
	}
}
