package gitserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"teal/deploy"
)

// Engine is what the server asks of the core.
type Engine interface {
	// Receive queues a deployment of a push whose objects are stored.
	Receive(ctx context.Context, p deploy.Push) (deploy.Deployment, error)
	// Wait returns the deployment when it is decided, and at most patience after its promotion.
	Wait(ctx context.Context, id deploy.DeploymentID, patience time.Duration) (deploy.Deployment, error)
	// Watch follows the deployment's log; nil when it is over.
	Watch(id deploy.DeploymentID) *deploy.Watcher
	// Cancel ends that deployment of the app's, and no other; ErrNothing when it is over.
	Cancel(ctx context.Context, app deploy.AppName, id deploy.DeploymentID, by string) (deploy.Deployment, error)
}

// Apps is what the server asks of the store about apps.
type Apps interface {
	// App gives one app; ErrNotFound.
	App(ctx context.Context, name deploy.AppName) (deploy.App, error)
	// CreateApp stores a new app; ErrExists.
	CreateApp(ctx context.Context, app deploy.App) error
}

// Config is what a Server is made of. All fields up to Authorize are needed.
type Config struct {
	// HostKeyDir holds the server's keys; they are made there when missing.
	HostKeyDir string
	// Repos are the repositories that are pushed to.
	Repos *Repos
	// Engine deploys.
	Engine Engine
	// Keys says whose a key is.
	Keys Keys
	// Apps finds and creates apps.
	Apps Apps
	// Authorize says whether the user may: nil, or an error that wraps
	// deploy.ErrDenied or deploy.ErrNotFound.
	Authorize func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error

	// Commands runs every command line that is not git's, and returns its exit
	// status. No words: the user asked for a shell. nil: there are no commands.
	Commands func(ctx context.Context, s Session) (exit int)
	// URL is where production serves the app; nil or "": not told.
	URL func(app deploy.AppName) string
	// PreviewURL is where the preview serves the app; nil or "": not told.
	PreviewURL func(app deploy.AppName) string
	// Reach is what a person types to get here, "ssh -p 2222 teal.example.com";
	// "": made of the address that the client reached.
	Reach string
	// Limits; the zero value means the defaults.
	Limits Limits
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default
}

// Server is the SSH edge.
type Server struct {
	repos      *Repos
	engine     Engine
	watch      func(deploy.DeploymentID) feed
	keys       Keys
	apps       Apps
	authorize  func(ctx context.Context, user string, verb deploy.Verb, app deploy.AppName) error
	commands   func(ctx context.Context, s Session) int
	url        func(app deploy.AppName) string
	previewURL func(app deploy.AppName) string
	reach      string
	limits     Limits
	now        func() time.Time
	log        *slog.Logger
	signers    []gossh.MultiAlgorithmSigner
	gate       *gate
}

// New makes a server and its host keys, when they are missing. It listens to nothing: Serve does.
func New(c Config) (*Server, error) {
	s := &Server{
		repos: c.Repos, engine: c.Engine, keys: c.Keys, apps: c.Apps, authorize: c.Authorize,
		commands: c.Commands, url: c.URL, previewURL: c.PreviewURL, reach: c.Reach,
		limits: c.Limits.filled(), now: c.Now, log: c.Log,
	}
	if s.repos == nil || s.engine == nil || s.keys == nil || s.apps == nil || s.authorize == nil {
		return nil, errors.New("gitserver: Repos, Engine, Keys, Apps and Authorize are needed")
	}
	none := func(deploy.AppName) string { return "" }
	if s.url == nil {
		s.url = none
	}
	if s.previewURL == nil {
		s.previewURL = none
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.watch = feedOf(s.engine)
	s.gate = newGate(s.limits, s.now)
	var err error
	s.signers, err = loadHostKeys(c.HostKeyDir)
	return s, err
}

// HostFingerprints are those of the server's keys, to be shown where people can
// compare them: "SHA256:…".
func (s *Server) HostFingerprints() []string {
	var out []string
	for _, k := range s.signers {
		out = append(out, gossh.FingerprintSHA256(k.PublicKey()))
	}
	return out
}

// HostKeys are the server's public keys as known_hosts and authorized_keys write
// them: "ssh-ed25519 AAAA…".
func (s *Server) HostKeys() []string {
	var out []string
	for _, k := range s.signers {
		line := gossh.MarshalAuthorizedKey(k.PublicKey())
		out = append(out, string(line[:len(line)-1]))
	}
	return out
}

// CutKey closes the connections that a removed key opened.
func (s *Server) CutKey(fingerprint string) {
	s.gate.cut(func(c *connection) bool { return c.key == fingerprint })
}

// Serve serves the listener until ctx ends, and returns when everything that it
// started has ended: sessions get Limits.Shutdown to say good-bye. It closes the listener.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var own, conns sync.WaitGroup
	defer own.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	own.Go(func() { s.repos.housekeep(ctx) })
	own.Go(func() {
		<-ctx.Done()
		_ = ln.Close()
	})
	err := s.accept(ctx, ln, &conns)
	stop()
	s.shutdown(&conns)
	return err
}

// accept takes connections in until ctx ends or the listener fails for good.
func (s *Server) accept(ctx context.Context, ln net.Listener, conns *sync.WaitGroup) error {
	library := s.library()
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("the SSH listener was closed: %w", err)
		case err != nil: // out of file descriptors, or the client was faster
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Warn("cannot accept an SSH connection", "error", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		c := &connection{Conn: nc, gate: s.gate}
		if why := s.gate.admit(c); why != "" {
			s.log.Debug("SSH connection refused", "address", nc.RemoteAddr().String(), "error", why)
			_ = nc.Close()
			continue
		}
		conns.Go(func() { s.serve(ctx, library, c) })
	}
}

// serve serves one connection to its end.
func (s *Server) serve(ctx context.Context, library *ssh.Server, c *connection) {
	ctx, gone := context.WithCancelCause(ctx)
	c.ctx = ctx
	defer s.gate.left(c)
	defer c.finish()
	defer gone(errClientGone)
	defer c.close()
	defer s.survive("SSH connection")
	library.HandleConn(c)
}

// survive keeps a panic in what one client caused from ending the daemon.
func (s *Server) survive(what string) {
	if r := recover(); r != nil {
		s.log.Error(what+" panicked", "error", deploy.PanicText(r), "stack", string(debug.Stack()))
	}
}

// shutdown ends the sessions: first those that do nothing.
func (s *Server) shutdown(conns *sync.WaitGroup) {
	s.gate.cut(func(c *connection) bool { return c.commands == 0 })
	late := time.AfterFunc(s.limits.Shutdown, func() {
		s.gate.cut(func(*connection) bool { return true })
	})
	defer late.Stop()
	conns.Wait()
}
