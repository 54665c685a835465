package runtime

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// follower is one call of Logs.
type follower struct {
	docker *Docker
	app    deploy.AppName
	began  time.Time

	mu   sync.Mutex
	w    io.Writer            // guarded by mu
	last map[string]time.Time // container → its last line that was written; guarded by mu
}

func (f *follower) running(ctx context.Context) ([]held, error) {
	all, err := f.docker.held(ctx, f.app)
	return slices.DeleteFunc(all, func(h held) bool { return h.state != container.StateRunning }), err
}

// history writes the last lines of all instances in the order of time.
func (f *follower) history(ctx context.Context, running []held, lines int) error {
	type headed struct {
		entry
		from held
	}
	var all []headed
	for _, h := range running {
		o := container.LogsOptions{Timestamps: true, Tail: tailArg(lines)}
		err := f.docker.readLogs(ctx, h.id, o, func(r io.Reader) error {
			return entries(r, func(e entry) { all = append(all, headed{e, h}) })
		})
		if err != nil && !gone(err) {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b headed) int { return a.at.Compare(b.at) })
	for _, e := range all[:max(0, len(all)-lines)] {
		f.last[e.from.id] = e.at
	}
	for _, e := range all[max(0, len(all)-lines):] {
		if err := f.write(e.from, e.entry); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) write(from held, e entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last[from.id] = e.at
	_, err := io.WriteString(f.w, prefix(from.badge)+e.text+"\n")
	return err
}

// rejoin is how long the end of a stream is waited out before the instances
// are listed again: it is mostly the end of an instance too.
const rejoin = time.Second

// run follows every instance that runs, those that start later too, until ctx
// ends or the writer fails.
func (f *follower) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	changes := f.docker.Changes(ctx)
	ended := make(chan string)
	followed := map[string]bool{}
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case id := <-ended:
			delete(followed, id)
			again.Reset(rejoin)
			continue
		case <-again.C:
		case <-changes:
		}
		running, err := f.running(ctx)
		if err != nil {
			again.Reset(rejoin) // the Engine is away: what comes after its return is not lost
			continue
		}
		for _, h := range running {
			if followed[h.id] {
				continue
			}
			followed[h.id] = true
			wg.Go(func() {
				f.follow(ctx, h, cancel)
				select {
				case ended <- h.id:
				case <-ctx.Done():
				}
			})
		}
	}
}

// follow writes what one instance writes, from where it was left, until its
// stream ends.
func (f *follower) follow(ctx context.Context, h held, fail func(error)) {
	f.mu.Lock()
	from, ok := f.last[h.id]
	f.mu.Unlock()
	if !ok {
		from = f.began
	}
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: true, Since: since(from)}
	stream, err := f.docker.engine.ContainerLogs(ctx, h.id, o)
	if err != nil {
		return // gone, or the Engine is: run lists again
	}
	defer stream.Close()
	_ = entries(stream, func(e entry) {
		if err := f.write(h, e); err != nil {
			fail(err)
		}
	})
}
