package deploy

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels of the core. Each edge (SSH, console) maps them to its own words
// and statuses once.
var (
	ErrBadName    = errors.New("bad name")
	ErrNotFound   = errors.New("not found")
	ErrExists     = errors.New("exists already")
	ErrDenied     = errors.New("not allowed")
	ErrConflict   = errors.New("changed by someone else")
	ErrNothing    = errors.New("nothing to do")
	ErrBusy       = errors.New("busy")
	ErrStopping   = errors.New("teal is stopping")
	ErrEngineAway = errors.New("the container engine does not answer")
)

// Step is the part of a deployment that a failure happened in, in a person's words.
type Step string

// The steps, in order.
const (
	StepBuild   Step = "build"
	StepRelease Step = "release command"
	StepStart   Step = "start"
	StepProbe   Step = "probe"
	StepGradual Step = "gradual promotion"
	StepPromote Step = "promote"
	StepWatch   Step = "watch" // after the switch
	StepTeal    Step = "teal"  // the daemon itself: interrupted, disk full, …

	StepCron        Step = "scheduled command" // of no deployment: see Alert.Cron
	StepCertificate Step = "certificate"       // of no deployment: see Alert.Certificate
)

// Failure is why a deployment did not become live, written for the person who
// reads it at night: in the push output, the mail and the console.
type Failure struct {
	Step   Step
	Class  Class    `json:",omitempty"` // what kind of failure, for programs; the engine fills in the step's own
	Reason string   // one line: "probe answered 500"
	Hint   string   // what to do next; may be empty
	Log    []string // the last lines of the build or of the app, secrets redacted
	// Regression holds the figures when a comparison with the other color decided; else nil.
	Regression *Regression `json:"regression,omitempty"`
	Err        error       `json:"-"` // the cause, for the log and for errors.Is; not stored
}

// classed gives the failure the class of its step when it has no narrower one.
func (f *Failure) classed() *Failure {
	if f != nil && f.Class == "" {
		f.Class = Class(strings.ReplaceAll(string(f.Step), " ", "-"))
	}
	return f
}

// Error makes a Failure an error, so that the steps can return it.
// A reason that names its step ("probe answered 500") stands for itself.
func (f *Failure) Error() string {
	if strings.HasPrefix(f.Reason, string(f.Step)+" ") {
		return f.Reason
	}
	return fmt.Sprintf("%s failed: %s", f.Step, f.Reason)
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }
