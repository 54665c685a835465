package deploytest

import (
	"errors"
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
	mu   sync.Mutex
	dead bool
	plan map[string]Mode // by call, used up when it hits
	hit  map[string]int
	died chan struct{}
}

func newGeneration() *generation {
	return &generation{plan: map[string]Mode{}, hit: map[string]int{}, died: make(chan struct{})}
}

// do runs the effect of a call, or what the plan has in store for it.
func (g *generation) do(call string, effect func() error) error {
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
	switch mode {
	case FailAfter:
		return ErrFault
	case DieAfter:
		g.die()
		return ErrDead
	}
	return err
}

func (g *generation) take(call string) (Mode, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	mode, planned := g.plan[call]
	if planned && !g.dead {
		delete(g.plan, call)
		g.hit[call]++
	}
	return mode, g.dead
}

func (g *generation) die() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.dead {
		g.dead = true
		close(g.died)
	}
}
