package deploytest

import (
	"errors"
	"strings"
	"sync"
)

// Mode is how a planned call goes wrong.
type Mode string

// The modes.
const (
	FailBefore Mode = "failed before its effect"
	FailAfter  Mode = "failed after its effect"
	DieBefore  Mode = "process died before its effect"
	DieAfter   Mode = "process died after its effect"
)

// Modes lists all of them.
func Modes() []Mode { return []Mode{FailBefore, FailAfter, DieBefore, DieAfter} }

// Errors that planned faults give.
var (
	ErrFault = errors.New("planned fault")
	ErrDead  = errors.New("the process is dead")
)

// generation is one life of the daemon: the calls of one engine.
type generation struct {
	mu      sync.Mutex
	dead    bool
	plan    map[string]Mode // by call, used up when it hits
	lasting map[string]Mode // by call, until Heal
	before  map[string]func()
	after   map[string]func()
	full    bool // every write to the store fails
	hit     map[string]int
	calls   map[string]int
	done    map[string]int // of those, whose effect is over
	died    chan struct{}
}

func newGeneration() *generation {
	return &generation{
		plan: map[string]Mode{}, lasting: map[string]Mode{}, before: map[string]func(){}, after: map[string]func(){},
		hit: map[string]int{}, calls: map[string]int{}, done: map[string]int{}, died: make(chan struct{}),
	}
}

// do runs the effect of a call, or what the plan has in store for it.
func (g *generation) do(call string, effect func() error) error {
	g.hook(g.before, call)
	mode, dead := g.take(call)
	switch {
	case dead:
		return ErrDead
	case mode == FailBefore:
		return ErrFault
	case mode == DieBefore:
		g.die()
		return ErrDead
	}
	err := effect()
	g.count(g.done, call)
	g.hook(g.after, call)
	switch mode {
	case FailAfter:
		return ErrFault
	case DieAfter:
		g.die()
		return ErrDead
	}
	return err
}

// hook runs what Before or After planned for the call, once.
func (g *generation) hook(planned map[string]func(), call string) {
	g.mu.Lock()
	f := planned[call]
	delete(planned, call)
	g.mu.Unlock()
	if f != nil {
		f()
	}
}

func (g *generation) take(call string) (Mode, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[call]++
	if g.dead {
		return "", true
	}
	mode, planned := g.plan[call]
	if planned {
		delete(g.plan, call)
	} else if mode, planned = g.lasting[call]; !planned && g.full && writes(call) {
		mode, planned = FailBefore, true
	}
	if planned {
		g.hit[call]++
	}
	return mode, false
}

func (g *generation) count(in map[string]int, call string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	in[call]++
}

// writes tells whether the call changes the store.
func writes(call string) bool {
	switch call {
	case "Stage", "DeleteApp", "CreateRelease", "MarkGone", "CreateDeployment", "Activate", "AppendLog", "AddEvent", "PutCron":
		return true
	}
	return strings.HasPrefix(call, "Update ")
}

func (g *generation) die() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.dead {
		g.dead = true
		close(g.died)
	}
}

// Fail plans how the next such call of this engine goes wrong. Calls are named
// as the methods are; "Update <state>" for UpdateDeployment.
func (d *Daemon) Fail(call string, m Mode) {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.plan[call] = m
}

// FailUntilHealed makes every such call go wrong until Heal.
func (d *Daemon) FailUntilHealed(call string, m Mode) {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.lasting[call] = m
}

// DiskFull makes every write to the store fail until Heal; reading works.
func (d *Daemon) DiskFull() {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.full = true
}

// Heal ends what DiskFull and FailUntilHealed began.
func (d *Daemon) Heal() {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.full = false
	clear(d.g.lasting)
}

// Before has f run just before the next such call, in the caller's goroutine.
func (d *Daemon) Before(call string, f func()) {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.before[call] = f
}

// After has f run just after the effect of the next such call, before the caller
// gets its answer.
func (d *Daemon) After(call string, f func()) {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	d.g.after[call] = f
}

// Hit tells whether the planned fault has happened.
func (d *Daemon) Hit(call string) bool {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.hit[call] > 0
}

// Calls counts the calls that the engine made.
func (d *Daemon) Calls(call string) int {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.calls[call]
}

// Done counts the calls whose effect is over.
func (d *Daemon) Done(call string) int {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.done[call]
}

// Died is closed when a planned death has happened.
func (d *Daemon) Died() <-chan struct{} { return d.g.died }
