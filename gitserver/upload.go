package gitserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"teal/deploy"
)

// reading are the git programs that hand out what an app's branch holds.
var reading = map[string][]string{
	"git-upload-pack": {"-c", "uploadpack.allowFilter=true", "-c", "transfer.hideRefs=" + keptRefs, "upload-pack", "--strict", "."},
	// Compressed archives would run a program of the host's.
	"git-upload-archive": {"-c", "tar.tgz.remote=false", "-c", "tar.tar.gz.remote=false", "upload-archive", "."},
}

// fetch serves git fetch, clone and archive --remote, by git itself.
func (s *Server) fetch(ctx context.Context, se *session, program, path string) int {
	app, err := s.appToFetch(ctx, se, path)
	if err == nil {
		err = s.repos.takeFetch(ctx)
	}
	if err != nil {
		writeError(se.ch, s.words(err, "app", path, "user", se.user))
		return 1
	}
	defer func() { <-s.repos.fetches }()
	if err := s.upload(ctx, se, app, reading[program]); err != nil {
		s.log.Info("fetch ended early", "app", app, "user", se.user, "error", err)
		return 128
	}
	return 0
}

// takeFetch waits a little for a place.
func (r *Repos) takeFetch(ctx context.Context) error {
	wait := time.NewTimer(30 * time.Second)
	defer wait.Stop()
	select {
	case r.fetches <- struct{}{}:
		return nil
	case <-wait.C:
		return refuse("%d fetches are under way already: try again in a minute", r.limits.Fetches)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// upload runs git between the client and the app's repository.
func (s *Server) upload(ctx context.Context, se *session, app deploy.AppName, args []string) error {
	if err := s.repos.ensureLocked(ctx, app); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Fetch)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot start a fetch: %w", err)
	}
	var env []string
	if se.protocol != "" {
		env = append(env, "GIT_PROTOCOL="+se.protocol)
	}
	// A client that takes nothing would hold a place that others wait for. Only
	// the connection's end frees who waits for it to take something.
	out := hurried{se.ch, s.limits.Stall, se.c.close}
	c, err := s.repos.plumbing(app, env...).start(ctx, stdio{in: r, out: out, err: se.ch.Stderr()}, args...)
	r.Close()
	if err != nil {
		w.Close()
		return err
	}
	// git ends the conversation, not the client: what is left of its input when
	// git has ended is of no interest.
	in := se.takeInput(ctx, s.limits.Fetch)
	ended, fed := make(chan struct{}), make(chan struct{})
	in.interrupt(ended)
	go func() {
		defer close(fed)
		defer w.Close()
		_, err := io.Copy(w, in)
		if err != nil && !errors.Is(err, errInterrupted) {
			cancel() // a client that went away; git may not notice by itself
		}
	}()
	err = c.wait()
	close(ended)
	<-fed
	return err
}
