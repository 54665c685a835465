package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"teal/deploy"
)

const selectDelivery = `
	SELECT id, channel, message_id, alert, attempts, next_at, last_error, created_at, done_at, gave_up
	FROM outbox `

// post puts the alert about the deployment into the outbox once per channel,
// unless its episode is there already.
func (db *DB) post(t tx, d deploy.Deployment, alert *deploy.Alert) error {
	if alert == nil {
		return nil
	}
	a := *alert
	if a.Episode == "" {
		a.Episode = fmt.Sprintf("deployment %d", d.ID) // then it is one of its own
	}
	a.At, a.ServingSince, a.Commit.At = a.At.UTC(), a.ServingSince.UTC(), a.Commit.At.UTC()
	return db.put(t, d.App, a, fmt.Sprint(d.ID))
}

// put makes the alert's rows. about tells its mails from those of others.
func (db *DB) put(t tx, app deploy.AppName, a deploy.Alert, about string) error {
	now := micros(db.now())
	for _, channel := range db.channels {
		_, err := t.exec(`
			INSERT INTO outbox (app, episode, channel, message_id, alert, next_at, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (episode, channel) DO NOTHING`,
			app, a.Episode, channel, db.messageID(about, channel), document{a}, now, now)
		if err != nil {
			return fmt.Errorf("alert about %s by %s: %w", about, channel, err)
		}
	}
	return nil
}

// PostAlert puts an alert that is about no deployment into the outbox, once
// per channel, unless its Episode, which it needs, is there already. One
// without an app is the server's: it hangs on some app all the same, and there
// is none to be told of while there is no app. Durable.
func (db *DB) PostAlert(ctx context.Context, a deploy.Alert) error {
	a.At = a.At.UTC()
	episode := fnv.New64a()
	episode.Write([]byte(a.Episode))
	return db.write(ctx, durable, func(t tx) error {
		app := a.App
		if app == "" {
			err := t.row(`SELECT name FROM apps ORDER BY name LIMIT 1`).Scan(&app)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		err := db.put(t, app, a, fmt.Sprintf("%x", episode.Sum64()))
		if dangling(err) {
			return noApp(app)
		}
		return err
	})
}

// messageID is the same over all tries, so that a mail that was delivered twice
// is shown once.
func (db *DB) messageID(about, channel string) string {
	return fmt.Sprintf("teal-%s-%s-%s@teal", db.installation, about, channel)
}

// Due gives deliveries whose time has come, the longest waiting first.
func (db *DB) Due(ctx context.Context, now time.Time, limit int) ([]deploy.Delivery, error) {
	all, err := collect(ctx, db.reader, scanDelivery, selectDelivery+`
		WHERE done_at = 0 AND next_at <= ? ORDER BY next_at, id LIMIT ?`, micros(now), bound(limit))
	return all, db.explain(err)
}

// Done records that the delivery arrived. ErrNotFound when it does not wait: it
// was settled before, or went with its app.
func (db *DB) Done(ctx context.Context, id int64, at time.Time) error {
	return db.settle(ctx, id, `done_at = ?, last_error = ''`, micros(at))
}

// Retry records a failed try, why it failed and when to try again; ErrNotFound as Done.
func (db *DB) Retry(ctx context.Context, id int64, next time.Time, reason string) error {
	return db.settle(ctx, id, `next_at = ?, last_error = ?`, micros(next), reason)
}

// GiveUp records the last failed try; ErrNotFound as Done.
func (db *DB) GiveUp(ctx context.Context, id int64, at time.Time, reason string) error {
	return db.settle(ctx, id, `done_at = ?, last_error = ?, gave_up = 1`, micros(at), reason)
}

func (db *DB) settle(ctx context.Context, id int64, set string, args ...any) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`UPDATE outbox SET attempts = attempts + 1, `+set+` WHERE done_at = 0 AND id = ?`, append(args, id)...)
		if err == nil && n == 0 {
			return fmt.Errorf("waiting delivery %d: %w", id, deploy.ErrNotFound)
		}
		return err
	})
}

// Deliveries gives what is and was in the outbox, newest first.
func (db *DB) Deliveries(ctx context.Context, limit int) ([]deploy.Delivery, error) {
	all, err := collect(ctx, db.reader, scanDelivery, selectDelivery+`ORDER BY id DESC LIMIT ?`, bound(limit))
	return all, db.explain(err)
}

func scanDelivery(row scanner) (d deploy.Delivery, err error) {
	err = row.Scan(&d.ID, &d.Channel, &d.MessageID, document{&d.Alert}, &d.Attempts, moment{&d.NextAt},
		&d.LastError, moment{&d.CreatedAt}, moment{&d.DoneAt}, &d.GaveUp)
	return d, err
}

// Recipients gives the mail addresses that an alert goes to: the pusher's and
// those of the app's admins; of Admin users when no admin of the app has one.
// Each once, in that order.
func (db *DB) Recipients(ctx context.Context, app deploy.AppName, pusher string) ([]string, error) {
	address := func(row scanner) (s string, err error) {
		err = row.Scan(&s)
		return s, err
	}
	first, err := collect(ctx, db.reader, address, `SELECT email FROM users WHERE name = ? AND email <> ''`, pusher)
	if err != nil {
		return nil, db.explain(err)
	}
	owners, err := collect(ctx, db.reader, address, `
		SELECT u.email FROM access a JOIN users u ON u.name = a.user
		WHERE a.app = ? AND a.granted = 'admin' AND u.email <> '' ORDER BY u.name`, app)
	if err == nil && len(owners) == 0 {
		owners, err = collect(ctx, db.reader, address, `SELECT email FROM users WHERE admin AND email <> '' ORDER BY name`)
	}
	if err != nil {
		return nil, db.explain(err)
	}
	return once(append(first, owners...)), nil
}

// once drops addresses that differ in case only from an earlier one.
func once(addresses []string) []string {
	seen := map[string]bool{}
	kept := addresses[:0]
	for _, a := range addresses {
		if lower := strings.ToLower(a); !seen[lower] {
			seen[lower] = true
			kept = append(kept, a)
		}
	}
	return kept
}
