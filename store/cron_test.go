package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"teal/deploy"
)

func TestRecordOfAScheduledCommandComesBackAndAlertsOncePerEpisode(t *testing.T) {
	db, ctx := newFixture(t), t.Context()
	at := time.Date(2026, 11, 20, 3, 30, 0, 0, time.UTC)
	r := deploy.CronRecord{
		App: "shop", Name: "nightly", Schedule: "30 3 * * *", Slot: at, Begun: at, Ended: at.Add(time.Second), Release: 1, Color: deploy.Blue,
		Outcome: deploy.CronFailed, Exit: deploy.Exit{Code: 3}, Reason: "exit code 3", Output: []string{"no such table"}, FailingSince: at, FailingCommit: "abc",
	}
	alert := &deploy.Alert{Episode: "shop/cron/nightly/abc/1", App: "shop", Cron: &r}
	for range 2 {
		if err := db.PutCron(ctx, r, deploy.Event{App: "shop", Text: "nightly failed"}, alert); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.CronRecords(ctx, "shop")
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], r) {
		t.Errorf("%+v, %v; want %+v", all, err, r)
	}
	if d, err := db.Deliveries(ctx, 10); err != nil || len(d) != 2 || d[0].Alert.Cron.Reason != "exit code 3" {
		t.Errorf("deliveries: %+v, %v", d, err)
	}
	if e, err := db.Events(ctx, "shop", 10); err != nil || len(e) != 2 {
		t.Errorf("events: %+v, %v", e, err)
	}
	if err := db.PutCron(ctx, deploy.CronRecord{App: "gone", Name: "x"}, deploy.Event{}, nil); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("of an app that is not there: %v", err)
	}
	if err := db.DeleteApp(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	if all, err := db.CronRecords(ctx, ""); err != nil || len(all) != 0 {
		t.Errorf("after the app was destroyed: %+v, %v", all, err)
	}
}
