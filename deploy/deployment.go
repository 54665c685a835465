package deploy

import (
	"fmt"
	"slices"
	"time"
)

// DeploymentID numbers deployments over all apps, from 1.
type DeploymentID int64

// Cause is why a deployment exists. Words as a person reads them in the history.
type Cause string

// The causes.
const (
	CausePush     Cause = "push"
	CauseRollback Cause = "rollback"       // "restart previous", or an older release by number
	CauseRedeploy Cause = "redeploy"       // the same commit again, built anew
	CauseConfig   Cause = "config"         // same image, new environment
	CausePatch    Cause = "security patch" // by schedule, no author
	CauseWatch    Cause = "watch"          // a rollback of Teal's own: the new release was worse
)

// GoesBack tells whether such a deployment brings an older release back.
func (c Cause) GoesBack() bool { return c == CauseRollback || c == CauseWatch }

// State is where a deployment stands. See doc.go for the picture.
type State string

// The states. Left of the bar (Queued to Shifting) everything is undone on
// failure; right of it (Promoting and on) there is only forward.
const (
	Queued    State = "queued"
	Building  State = "building"
	Releasing State = "releasing"
	Starting  State = "starting"
	Probing   State = "probing"
	Staged    State = "staged"   // probed, waits on the preview for "promote"
	Shifting  State = "shifting" // probed, gets a growing part of the requests

	Promoting State = "promoting" // committed: the app's Active color is this one
	Draining  State = "draining"  // it serves; the replaced color finishes its requests
	Live      State = "live"      // it serves alone
	Warm      State = "warm"      // replaced, still running in its grace period
	Asleep    State = "asleep"    // replaced, stopped, kept for "restart previous"
	Replaced  State = "replaced"  // replaced, its containers are gone

	Failed     State = "failed"
	Canceled   State = "canceled"
	Superseded State = "superseded" // a newer push took its place
)

// moves is the transition table: what a deployment may become next.
var moves = map[State][]State{
	Queued:    {Building, Starting, Promoting, Failed, Canceled, Superseded},
	Building:  {Releasing, Starting, Failed, Canceled, Superseded},
	Releasing: {Starting, Failed, Canceled, Superseded},
	Starting:  {Probing, Failed, Canceled, Superseded},
	Probing:   {Staged, Shifting, Promoting, Failed, Canceled, Superseded},
	Staged:    {Probing, Promoting, Failed, Canceled, Superseded},
	Shifting:  {Promoting, Failed, Canceled, Superseded},
	Promoting: {Draining, Live, Warm, Asleep, Replaced},
	Draining:  {Live, Warm, Asleep, Replaced},
	Live:      {Warm, Asleep, Replaced},
	Warm:      {Asleep, Replaced},
	Asleep:    {Warm, Replaced},
}

// States lists every state, in the order of a deployment's life.
func States() []State {
	return []State{
		Queued, Building, Releasing, Starting, Probing, Staged, Shifting, Promoting, Draining, Live,
		Warm, Asleep, Replaced, Failed, Canceled, Superseded,
	}
}

// Committed tells whether the state lies right of the bar: the deployment was
// promoted at some time, and can't fail any more.
func (s State) Committed() bool {
	switch s {
	case Promoting, Draining, Live, Warm, Asleep, Replaced:
		return true
	}
	return false
}

// Ended tells whether the attempt is over without promotion.
func (s State) Ended() bool { return s == Failed || s == Canceled || s == Superseded }

// Running tells whether a worker is (or should be) busy with the deployment:
// such a state found at start means that the daemon died in it.
func (s State) Running() bool {
	switch s {
	case Queued, Building, Releasing, Starting, Probing, Shifting, Promoting, Draining:
		return true
	}
	return false
}

// Deployment is one attempt to make a release live on a color: the only thing
// with a state machine. It is a value; the store holds the truth, and a write
// with a stale Version is refused.
type Deployment struct {
	ID      DeploymentID
	App     AppName
	Cause   Cause
	State   State
	Color   Color  // where it goes; "" until it started
	Release int    // 0 until there is one
	Target  int    // rollback, watch: the release to bring back; config: the one to copy
	Push    Push   // for CausePush as received; else Ref and Commit of what is deployed again
	By      string // user name; "" for a security patch
	// Replaces is the release that was live when this one was promoted; 0: none.
	Replaces int
	Note     string // what a person should read beside it: "superseded by anna's push of 3f2a1bc"
	// Changes are the packages in which a security patch differs from what it replaces.
	Changes []Change

	CreatedAt  time.Time
	StartedAt  time.Time // left the queue
	PromotedAt time.Time // the commit; zero when never
	FinishedAt time.Time // staged, promoted or ended, whichever came last; zero while it runs

	Failure *Failure
	Receipt *Receipt
	Version int // counts writes; guarded by the store
}

// to moves the deployment to another state and stamps the time. It is the only
// place where State is written; a move that is not in the table is a bug in
// Teal, and refused.
func (d *Deployment) to(s State, now time.Time) error {
	if !slices.Contains(moves[d.State], s) {
		return fmt.Errorf("deployment %d of %s cannot go from %s to %s", d.ID, d.App, d.State, s)
	}
	if d.State == Queued && d.StartedAt.IsZero() {
		d.StartedAt = now
	}
	if s == Promoting {
		d.PromotedAt = now
	}
	if s == Staged || s == Promoting || s.Ended() {
		d.FinishedAt = now
	}
	d.State = s
	return nil
}

// Duration is the time from leaving the queue to the end, or to now while it runs.
func (d Deployment) Duration(now time.Time) time.Duration {
	if d.StartedAt.IsZero() {
		return 0
	}
	if !d.FinishedAt.IsZero() {
		now = d.FinishedAt
	}
	return now.Sub(d.StartedAt)
}

// Receipt is the proof that comes with a switch. Counts are of the router.
type Receipt struct {
	Image    string `json:"image"`    // content address of what serves now
	Replaced int    `json:"replaced"` // release number; 0 on the first promotion

	Requests uint64  `json:"requests"`         // answered from the switch to the end of the drain, both colors
	Failed   uint64  `json:"failed"`           // of those, failed by the router
	P99Old   float64 `json:"p99_before"`       // milliseconds, replaced release before the switch
	P99New   float64 `json:"p99_after"`        // milliseconds, new release since the switch
	Drained  int     `json:"drained"`          // requests that were in flight on the old color at the switch
	Cut      int     `json:"cut"`              // of those, still unanswered when the drain time was over
	Sockets  int     `json:"sockets"`          // upgraded connections open on the old color at the switch
	Build    float64 `json:"build_s"`          // seconds; 0 when nothing was built
	Start    float64 `json:"start_s"`          // seconds until the containers ran
	Probe    float64 `json:"probe_s"`          // seconds until the first good answer
	Switch   float64 `json:"switch_ms"`        // milliseconds from the commit to the router's swap
	Drain    float64 `json:"drain_s"`          // seconds until the last request on the old color ended
	Held     float64 `json:"held_s,omitempty"` // seconds that new requests waited (single writer)
	Overhead float64 `json:"overhead_ms"`      // milliseconds from accepted to promoted that were neither build, release command, start nor probe

	// Regression is why the watch went back to this release; nil for any other cause.
	Regression *Regression `json:"regression,omitempty"`
}
