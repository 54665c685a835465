package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"teal/deploy"
)

// Active checks (deploy.Route.Check): every instance that a front-end shows is
// asked once per interval, give or take a tenth, so that the checks of many
// apps spread. An instance is taken out after checkFall failures in a row, or
// at once when it refuses the connection; it is back after checkRise good
// answers in a row. While something is wrong it is asked every second.
// Good is what the probe of a deployment takes for good: a status below 400.
const (
	checkFall    = 3
	checkRise    = 2
	checkQuick   = time.Second
	checkTimeout = 2 * time.Second // when the route does not say
	checkTick    = 100 * time.Millisecond
	checkAtOnce  = 32 // checks under way
)

// checked is what the last check of an instance found.
type checked struct {
	at   time.Time
	good bool
	text string // "200 in 3 ms", "no answer within 2 s"
}

// checker runs the checks. Its goroutine alone decides; each check is made by
// one of its own.
type checker struct {
	router  *Router
	clients map[deploy.Protocol]*http.Client
	results chan checkResult
	room    chan struct{} // a token per check under way
	running sync.WaitGroup
}

type checkResult struct {
	in  *instance
	err error
	checked
}

// runChecks checks until ctx ends, and returns when no check is under way.
func (r *Router) runChecks(ctx context.Context) {
	c := &checker{
		router:  r,
		clients: map[deploy.Protocol]*http.Client{},
		results: make(chan checkResult, checkAtOnce),
		room:    make(chan struct{}, checkAtOnce),
	}
	for _, p := range [...]deploy.Protocol{deploy.HTTP1, deploy.H2C, deploy.GRPC} {
		t := p.Transport()
		t.DisableKeepAlives, t.MaxResponseHeaderBytes = true, r.limits.MaxHeadBytes
		defer t.CloseIdleConnections()
		c.clients[p] = &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	defer c.running.Wait()
	tick := time.NewTicker(checkTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.startDue(ctx)
		case res := <-c.results:
			c.settle(res)
		case <-ctx.Done():
			return
		}
	}
}

// startDue starts the checks whose time has come; those for which there is no
// room come with the next tick.
func (c *checker) startDue(ctx context.Context) {
	now := c.router.now()
	for _, e := range c.router.table.Load().apps.all() {
		if !e.checked() {
			continue
		}
		for i := range e.sides {
			for _, in := range e.sides[i].instances {
				if in.checks.due(now, e.route.Check) && !c.start(ctx, in, e, e.sides[i].backend.Protocol) {
					return
				}
			}
		}
	}
}

// checked tells whether the app's instances are checked.
func (e *entry) checked() bool { return e.route.Check.Path != "" && e.route.Check.Interval > 0 }

func (c *checker) start(ctx context.Context, in *instance, e *entry, p deploy.Protocol) bool {
	select {
	case c.room <- struct{}{}:
	default:
		return false
	}
	in.checks.underWay = true
	in.checks.interval = e.route.Check.Interval
	check, host := e.route.Check, string(e.route.App)
	if len(e.route.Hosts) > 0 {
		host = e.route.Hosts[0]
	}
	c.running.Go(func() {
		res := checkResult{in: in}
		res.checked, res.err = c.ask(ctx, p, in.addr, host, check)
		<-c.room
		select {
		case c.results <- res:
		case <-ctx.Done():
		}
	})
	return true
}

// ask makes one check.
func (c *checker) ask(ctx context.Context, p deploy.Protocol, addr, host string, check deploy.Check) (checked, error) {
	timeout := check.Timeout
	if timeout <= 0 {
		timeout = checkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	var status int
	var err error
	if p == deploy.GRPC {
		err = deploy.AskHealth(ctx, c.clients[p].Transport, addr, host, checkAgent)
	} else {
		status, err = c.get(ctx, c.clients[p], "http://"+addr+check.Path, host)
	}
	out := checked{at: time.Now()}
	var unhealthy *deploy.HealthError
	switch {
	case errors.As(err, &unhealthy):
		out.text = err.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		out.text = fmt.Sprintf("no answer within %v", timeout)
	case refuses(err):
		out.text = "the connection was refused"
	case err != nil:
		out.text = "no answer: " + deploy.Clean(err.Error(), 120)
	case status >= 400:
		err = fmt.Errorf("status %d", status)
		out.text = err.Error()
	case p == deploy.GRPC:
		out.good = true
		out.text = fmt.Sprintf("SERVING in %d ms", time.Since(start).Milliseconds())
	default:
		out.good = true
		out.text = fmt.Sprintf("%d in %d ms", status, time.Since(start).Milliseconds())
	}
	return out, err
}

const checkAgent = "teal-check"

func (c *checker) get(ctx context.Context, client *http.Client, url, host string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	req.Host = host
	req.Header.Set("User-Agent", checkAgent)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, err
}

func refuses(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial" && !op.Timeout()
}

// settle draws the conclusion from a check.
func (c *checker) settle(res checkResult) {
	in, s := res.in, &res.in.checks
	s.underWay = false
	if in.gone.Load() || !in.health.watched.Load() {
		return
	}
	in.health.last.Store(&res.checked)
	if in.health.tripped.Swap(false) {
		s.good = 0 // requests found it down since
	}
	if res.good {
		s.good, s.bad = s.good+1, 0
		if in.health.down.Load() && s.good >= checkRise {
			in.health.down.Store(false)
			in.recovered("its checks are good again")
		}
	} else {
		s.good, s.bad = 0, s.bad+1
		if s.bad >= checkFall || refuses(res.err) {
			in.health.down.Store(true)
			in.troubled("its checks fail: " + res.text)
		}
	}
	every := s.interval
	if s.bad > 0 || in.health.down.Load() {
		every = min(every, checkQuick)
	}
	s.next = c.router.now() + int64(every)*9/10 + rand.Int64N(int64(every)/5+1)
}

// checks is the checker's memory of an instance; its goroutine alone uses it.
type checks struct {
	seen      bool
	underWay  bool
	next      int64 // Router.now
	interval  time.Duration
	good, bad int // in a row
}

func (s *checks) due(now int64, c deploy.Check) bool {
	if !s.seen {
		s.seen = true // the first comes at any time of the first interval
		s.next = now + rand.Int64N(int64(c.Interval)+1)
	}
	return !s.underWay && now >= s.next
}
