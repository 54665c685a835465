package deploytest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"teal/deploy"
)

// Runtime is a deploy.Runtime and deploy.Bench whose instances are real HTTP
// servers in this process. What an instance does is written in its image: the
// commit's text, see World.Push.
type Runtime struct {
	t  testing.TB
	mu sync.Mutex
	// instances by app, release and index.
	instances map[string]*instance
	changes   []chan struct{}
	away      bool
	crashing  int // release whose instances end as soon as they start
	slow      chan struct{}
}

type instance struct {
	deploy.Instance
	text   string
	slow   <-chan struct{} // closed when requests for /slow are answered
	server *httptest.Server
}

func newRuntime(t testing.TB) *Runtime {
	return &Runtime{t: t, instances: map[string]*instance{}, slow: make(chan struct{})}
}

// AnswerSlow lets the requests for /slow be answered.
func (r *Runtime) AnswerSlow() { close(r.slow) }

// Away makes the Engine not answer, or answer again.
func (r *Runtime) Away(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
	r.changed()
}

// Kill ends every instance of a release, as a crash would.
func (r *Runtime) Kill(app deploy.AppName, release int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.instances {
		if in.App == app && in.Release == release {
			in.stop(deploy.Exit{Code: 2})
		}
	}
	r.changed()
}

// Changed tells of a change, as the Engine does when nothing of ours changed.
func (r *Runtime) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed()
}

// Crash ends every instance of a release, and again as soon as it is started.
func (r *Runtime) Crash(app deploy.AppName, release int) {
	r.mu.Lock()
	r.crashing = release
	r.mu.Unlock()
	r.Kill(app, release)
}

// KillOne ends one instance of a release.
func (r *Runtime) KillOne(app deploy.AppName, release, index int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instances[fmt.Sprintf("%s/%d/%d", app, release, index)].stop(deploy.Exit{Code: 2})
	r.changed()
}

// Running lists what runs, as "blue v1.1".
func (r *Runtime) Running() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(func(in *instance) bool { return in.Running })
}

// All lists what there is, running or not.
func (r *Runtime) All() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(func(*instance) bool { return true })
}

func (r *Runtime) list(want func(*instance) bool) []string {
	out := []string{}
	for _, in := range r.instances {
		if want(in) {
			name := ""
			if in.Process != "" {
				name = " " + in.Process
			}
			out = append(out, fmt.Sprintf("%s v%d%s.%d", in.Color, in.Release, name, in.Index))
		}
	}
	return sorted(out)
}

func (r *Runtime) start(spec deploy.Spec) ([]deploy.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, deploy.ErrEngineAway
	}
	var out []deploy.Instance
	rel := spec.Release
	for _, seat := range seats(spec) {
		key := fmt.Sprintf("%s/%d/%s%d", rel.App, rel.Number, seat.Process, seat.Index)
		in := r.instances[key]
		if in != nil && in.Color != spec.Color {
			in.stop(deploy.Exit{})
			in = nil
		}
		if in == nil {
			in = &instance{slow: r.slow, text: strings.TrimPrefix(rel.Image, "sha256:")}
			in.Instance = deploy.Instance{ID: key, App: rel.App, Color: spec.Color, Release: rel.Number, Process: seat.Process, Index: seat.Index}
			r.instances[key] = in
		}
		r.oneWriter(in)
		if err := in.start(); err != nil {
			return nil, err
		}
		if r.crashing == rel.Number {
			in.stop(deploy.Exit{Code: 2})
			r.changed()
		}
		out = append(out, in.Instance)
	}
	return out, nil
}

// seats are the instances that the spec wants.
func seats(spec deploy.Spec) (all []deploy.Instance) {
	for i := range spec.Release.Settings.Instances {
		all = append(all, deploy.Instance{Index: i + 1})
	}
	for _, p := range spec.Release.Settings.Workers {
		for i := range p.Instances {
			if spec.Workers {
				all = append(all, deploy.Instance{Process: p.Name, Index: i + 1})
			}
		}
	}
	return all
}

// oneWriter fails the test when a single writer would run beside another
// release; with mu held.
func (r *Runtime) oneWriter(in *instance) {
	for _, other := range r.instances {
		if other.App == in.App && other.Release != in.Release && other.Running && (strings.Contains(other.text, "single") || strings.Contains(in.text, "single")) {
			r.t.Errorf("v%d starts while v%d runs, and one of them is a single writer", in.Release, other.Release)
		}
	}
}

// start must be called with the runtime's lock held.
func (in *instance) start() error {
	if in.Running {
		return nil
	}
	var addr string
	if in.Addr.IsValid() {
		addr = in.Addr.String() // the address outlives a stop
	} else {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	in.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: in.handler()}}
	in.server.Start()
	in.Addr = netip.MustParseAddrPort(l.Addr().String())
	in.Running, in.Exit = true, deploy.Exit{}
	if strings.Contains(in.text, "exits") || in.Process != "" && strings.Contains(in.text, "tired") {
		in.stop(deploy.Exit{Code: 3})
	}
	return nil
}

func (in *instance) handler() http.HandlerFunc {
	text, release, slow := in.text, in.Release, in.slow
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(text, "broken") || strings.Contains(text, "errs") && r.URL.Path != "/" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		if r.URL.Path == "/slow" {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		}
		fmt.Fprintf(w, "v%d", release)
	}
}

func (in *instance) stop(exit deploy.Exit) {
	if !in.Running {
		return
	}
	in.server.CloseClientConnections()
	in.server.Close()
	in.Running, in.Exit = false, exit
}

func (r *Runtime) each(app deploy.AppName, release int, f func(key string, in *instance)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return deploy.ErrEngineAway
	}
	for key, in := range r.instances {
		if in.App == app && (release == 0 || in.Release == release) {
			f(key, in)
		}
	}
	return nil
}

func (r *Runtime) all() ([]deploy.Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, deploy.ErrEngineAway
	}
	var out []deploy.Instance
	for _, in := range r.instances {
		out = append(out, in.Instance)
	}
	return out, nil
}

func (r *Runtime) once(argv []string, log io.Writer) (deploy.Exit, error) {
	fmt.Fprintf(log, "it says %s\n", strings.Join(argv, " "))
	if len(argv) > 0 && argv[0] == "fail" {
		return deploy.Exit{Code: 1}, nil
	}
	return deploy.Exit{}, nil
}

// watch is Bench.Changes.
func (r *Runtime) watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	r.changes = append(r.changes, c)
	r.mu.Unlock()
	out := make(chan struct{})
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-c:
				select {
				case out <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// changed must be called with mu held.
func (r *Runtime) changed() {
	for _, c := range r.changes {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (r *Runtime) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.instances {
		in.stop(deploy.Exit{})
	}
}
