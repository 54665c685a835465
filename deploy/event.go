package deploy

import "time"

// Event is something that happened to an app or to one of its deployments. It
// is stored in the same transaction as the state it tells of, then told to
// whoever watches.
type Event struct {
	ID         int64
	At         time.Time
	App        AppName
	Deployment DeploymentID // 0: about the app, not about a deployment
	State      State        // the state that was entered; "" when none was
	By         string       // user name; "" for Teal itself
	Text       string       // one line for a person: "v14 is live on green (replaces v13 on blue)"
}

// LogLine is one line of a deployment's log: build output, the release
// command, Teal's own words.
type LogLine struct {
	N    int // counts from 1 within the deployment
	At   time.Time
	Text string // no newline, secrets redacted, at most 4 KiB
}

// Alert is what people are told of a failed deployment. It holds every fact
// that the mail shows, so that delivery hours later needs no other look-up.
type Alert struct {
	// Episode is what makes alerts one: the store keeps one alert per Episode.
	// It names app, commit, kind of cause and the last promoted deployment, so
	// that trying the same thing again does not mail again, and a new commit does.
	Episode    string
	App        AppName
	Deployment DeploymentID
	Cause      Cause
	Pusher     string // user name; "" for a security patch
	Commit     Commit
	Ref        string
	Failure    Failure
	Changes    []Change `json:",omitempty"` // of a security patch: what it would have brought
	News       News     `json:",omitempty"` // what it is about when nothing failed; Failure.Reason says it then
	// Serving is what answers production now: color and release; Release 0 when nothing does.
	Serving      Color
	ServingV     int
	ServingSince time.Time
	At           time.Time
	// Certificate is what an alert is about that is about no deployment: it
	// ends soon, has ended, or can't be had. App is "" when it is the server's.
	Certificate *Certificate `json:",omitempty"`
	// Cron is the run of a scheduled command that it is about; nil otherwise.
	Cron *CronRecord `json:",omitempty"`
}

// News is what people are told of that is no failure.
type News string

// The news.
const (
	NewsUpdates News = "updates" // there are updates, and the app wants its people to decide
	NewsPatched News = "patched" // a security patch went live
)

// Delivery is one alert on its way through one channel: a row of the outbox.
type Delivery struct {
	ID        int64
	Channel   string // "mail", "webhook"
	MessageID string // stable over all tries; without angle brackets
	Alert     Alert
	Attempts  int       // tries so far
	NextAt    time.Time // not before
	LastError string
	CreatedAt time.Time
	DoneAt    time.Time // delivered or given up; zero while it waits
	GaveUp    bool
}
