package deploy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ProbeError is an answer that does not count as well.
type ProbeError struct {
	Path    string // what was asked for
	Status  int    // 0: no answer
	Missing string // the text that a good answer would have; "": the status was no good
	Body    string // the first line of the answer, cleaned
	Err     error  // why there was no answer
}

// maxExpected is how much of an answer is looked through for a text.
const maxExpected = 1 << 20

func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(body[:min(len(body), 4096)], []byte("\n"))
	return Clean(strings.TrimSpace(string(line)), 200)
}

// Error tells what came instead of a good answer.
func (p *ProbeError) Error() string {
	switch {
	case p.Missing != "":
		return fmt.Sprintf("answered %d without %q", p.Status, Clean(p.Missing, 80))
	case p.Status != 0:
		return fmt.Sprintf("answered %d", p.Status)
	}
	return fmt.Sprintf("did not answer: %v", p.Err)
}

// Unwrap gives the cause when there was no answer.
func (p *ProbeError) Unwrap() error { return p.Err }

// HTTPProbe asks GET path on a fresh connection, under the app's own host name
// (frameworks refuse hosts that they do not know). Any status below 400 is well;
// a redirect is not followed. With Expect it asks for all of that instead. An
// app that speaks gRPC is asked for its health.
func HTTPProbe(ctx context.Context, addr netip.AddrPort, host string, s Settings) error {
	transport := s.Protocol.Transport()
	transport.DisableKeepAlives = true
	defer transport.CloseIdleConnections()
	if s.Protocol == GRPC {
		ctx, cancel := context.WithTimeout(ctx, s.ProbeTimeout)
		defer cancel()
		if err := AskHealth(ctx, transport, addr.String(), host, probeAgent); err != nil {
			return &ProbeError{Err: plainNetError(err)}
		}
		return nil
	}
	for _, e := range expectations(s) {
		if err := ask(ctx, transport, addr, host, e, s.ProbeTimeout); err != nil {
			return err
		}
	}
	return nil
}

// expectations is what a probe asks for.
func expectations(s Settings) []Expectation {
	if len(s.Expect) == 0 {
		return []Expectation{{Path: s.ProbePath}}
	}
	return s.Expect
}

func ask(ctx context.Context, transport http.RoundTripper, addr netip.AddrPort, host string, e Expectation, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String()+e.Path, nil)
	if err != nil {
		return &ProbeError{Path: e.Path, Err: err}
	}
	if req.Host = host; e.Host != "" {
		req.Host = e.Host
	}
	req.Header.Set("User-Agent", probeAgent)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return &ProbeError{Path: e.Path, Err: plainNetError(err)}
	}
	defer resp.Body.Close()
	unwell := &ProbeError{Path: e.Path, Status: resp.StatusCode}
	if resp.StatusCode < 400 {
		if e.Text == "" {
			return nil
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxExpected))
		if bytes.Contains(body, []byte(e.Text)) {
			return nil
		}
		unwell.Missing, unwell.Body = e.Text, firstLine(body)
		return unwell
	}
	line, _ := bufio.NewReader(io.LimitReader(resp.Body, 4096)).ReadString('\n')
	unwell.Body = Clean(strings.TrimSpace(line), 200)
	return unwell
}

const probeAgent = "Teal-Probe/1"

// probed is what a probe asks for, for people.
func (s Settings) probed() string {
	if s.Protocol == GRPC {
		return fmt.Sprintf("the gRPC health on :%d", Port)
	}
	var paths []string
	for _, e := range expectations(s) {
		paths = append(paths, e.Path)
	}
	return fmt.Sprintf("GET :%d%s", Port, strings.Join(paths, ", "))
}

// plainNetError leaves out the addresses that net puts around its errors.
func plainNetError(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// probe asks every instance until all are well, one has ended, or the start
// timeout is over.
func (w *worker) probe(j *job, r Release, instances []Instance) error {
	s := r.Settings
	if err := w.move(j, Probing, fmt.Sprintf("probing %s", r.Name())); err != nil {
		return err
	}
	j.journal.say("==> Probing %s of %s", s.probed(), count(len(instances), "instance"))
	began := w.e.Now()
	ctx, cancel := context.WithTimeout(j.ctx, s.StartTimeout)
	defer cancel()
	p := prober{w: w, j: j, r: r, host: w.e.hosts(App{Name: w.app})[0]}
	for _, in := range instances {
		if err := p.untilWell(ctx, in); err != nil {
			return err
		}
	}
	j.probe = w.e.Now().Sub(began)
	j.journal.say("==> Well after %s", seconds(j.probe))
	return nil
	// If we die here: as in start.
}

// quickProbe asks once: for instances that were running and well before.
func (w *worker) quickProbe(j *job, r Release, instances []Instance) bool {
	began := w.e.Now()
	defer func() { j.probe = w.e.Now().Sub(began) }()
	host := w.e.hosts(App{Name: w.app})[0]
	for _, in := range instances {
		if err := w.e.Probe(j.ctx, in.Addr, host, r.Settings); err != nil {
			return false
		}
	}
	return true
}

// prober asks one instance after the other and finds the words when one stays unwell.
type prober struct {
	w     *worker
	j     *job
	r     Release
	host  string
	tries int
	last  error
}

// firstPause is the pause after the first try; it doubles up to the app's probe
// interval. Most apps answer within milliseconds, and need not wait for half a
// second because they were asked one millisecond too early.
const firstPause = 10 * time.Millisecond

// untilWell asks one instance again and again.
func (p *prober) untilWell(ctx context.Context, in Instance) error {
	p.tries, p.last = 0, nil
	began := p.w.e.Now()
	for wait := firstPause; ; wait = min(2*wait, p.r.Settings.ProbeInterval) {
		var err error
		if in.Addr.IsValid() {
			p.tries++
			if err = p.w.e.Probe(ctx, in.Addr, p.host, p.r.Settings); err == nil {
				return nil
			}
			if ctx.Err() == nil || p.last == nil {
				p.last = err
			}
		}
		if p.j.ctx.Err() != nil {
			return context.Cause(p.j.ctx)
		}
		// An instance that ended will not answer any more. The Engine's own
		// restarts are no help here: what exits at start exits again.
		now, found := p.look(ctx, in)
		if found && !now.Running {
			return p.ended(now, began)
		}
		if found {
			in = now
		}
		if ctx.Err() != nil {
			return p.unwell(in, p.w.e.Now().Sub(began))
		}
		pause(ctx, wait)
	}
}

// look asks the Engine how the instance is.
func (p *prober) look(ctx context.Context, in Instance) (Instance, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.r.Settings.ProbeTimeout+time.Second)
	defer cancel()
	all, err := p.w.e.Runtime.List(ctx)
	if err != nil {
		return Instance{}, false // the Engine is away: the probe alone decides
	}
	for _, now := range all {
		if now.ID == in.ID {
			return now, true
		}
	}
	in.Running = false
	return in, true
}

// ended is the failure of an instance that ended before it was well.
func (p *prober) ended(in Instance, began time.Time) *Failure {
	f := &Failure{Step: StepStart, Class: ClassExited, Log: p.tail(in), Err: p.last}
	after := seconds(p.w.e.Now().Sub(began))
	switch {
	case in.Exit.OOM:
		f.Class = ClassOOM
		f.Reason = fmt.Sprintf("the app was killed after %s: it used more than its %s of memory", after, bytesText(p.r.Settings.Memory))
		f.Hint = "raise [limits] memory in teal.toml"
	default:
		f.Reason = fmt.Sprintf("the app ended with exit code %d after %s", in.Exit.Code, after)
		f.Hint = "it must keep running and listen on 0.0.0.0:$PORT (8080)"
		if in.Exit.Code == 0 {
			f.Hint += "; in the foreground: a program that goes to the background takes the container with it"
		}
	}
	return f
}

// unwell is the failure of an instance that runs but gave no good answer in time.
func (p *prober) unwell(in Instance, after time.Duration) *Failure {
	s := p.r.Settings
	f := &Failure{Step: StepProbe, Class: ClassProbeStatus, Log: p.tail(in), Err: p.last}
	var pe *ProbeError
	var health *HealthError
	switch {
	case errors.As(p.last, &health):
		f.Reason = health.Error()
		f.Hint = fmt.Sprintf("grpc.health.v1.Health/Check must answer SERVING; it was asked %s in %s", count(p.tries, "time"), seconds(after))
	case errors.As(p.last, &pe) && pe.Status != 0:
		f.Reason = "probe " + pe.Error()
		must := "with a status below 400"
		if pe.Missing != "" {
			must = fmt.Sprintf("with %q in it", Clean(pe.Missing, 80))
		}
		f.Hint = fmt.Sprintf("GET %s must answer %s; it was asked %s in %s", cmp.Or(pe.Path, s.ProbePath), must, count(p.tries, "time"), seconds(after))
		if pe.Body != "" {
			f.Hint += fmt.Sprintf("; its answer begins %q", pe.Body)
		}
		if pe.Status >= 400 && pe.Status < 500 && pe.Missing == "" {
			f.Hint += "; [probe] path in teal.toml names another page to ask for"
		}
	default:
		f.Reason = fmt.Sprintf("nothing answered on :%d within %s", Port, s.StartTimeout)
		where := ""
		f.Class, where = p.elsewhere(in)
		f.Hint = "the app must listen on 0.0.0.0:$PORT (8080)" + where
	}
	return f
}

// elsewhere says where the app does listen.
func (p *prober) elsewhere(in Instance) (Class, string) {
	if p.w.e.Listening == nil {
		return ClassNoAnswer, ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	at, err := p.w.e.Listening(ctx, in)
	if err != nil {
		return ClassNoAnswer, ""
	}
	if len(at) == 0 {
		return ClassNoAnswer, "; it listens nowhere: where it only takes longer to start, raise [probe] start_timeout in teal.toml"
	}
	if slices.Contains(at, fmt.Sprintf("[::]:%d", Port)) {
		return ClassNoAnswer, fmt.Sprintf("; it listens on [::]:%d for IPv6 alone", Port)
	}
	return ClassWrongPort, "; it listens on " + strings.Join(at, ", ")
}

func (p *prober) tail(in Instance) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lines, err := p.w.e.Bench.Tail(ctx, in, tailLines)
	if err != nil {
		return []string{fmt.Sprintf("(the app's output could not be read: %v)", err)}
	}
	return p.j.journal.redactAll(lines)
}
