package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// refreshEvery is how often a build that asks for fresh bases really looks.
const refreshEvery = time.Hour

// Stack is the set of images that Teal makes itself and apps are built on:
//
//	teal/base    Debian's essential packages and ca-certificates
//	teal/apt     an apt that installs packages into images that have none: see stackapt.go
//	teal/build   teal/base with compilers and git
//	teal/go      a Go toolchain, nothing else: no shell, no git, no C compiler
//	teal/static  a static file server on port 8080, for files in /public
//	teal/node    and other languages, see languages: teal/node:24 runs apps,
//	             teal/node:24-build builds them, teal/node is the default version
//
// An image is made when it is first needed: from the official image where a
// registry answers, else from Debian packages and the Go toolchain of the host
// or of the Go module proxy. It is versioned by content: Refresh replaces it only
// when what it holds has changed. Methods may be called from several goroutines;
// the Engine is the memory, so several Stacks may share one.
type Stack struct {
	engine    *client.Client
	namespace string
	log       *slog.Logger
	now       func() time.Time
	limit     int64 // MaxLogBytes

	registryConfig, mirror string
	aptSources             []string
	caFile                 string
	goImage                string
	goProxy                string
	debianImage            string
	debianSuite            string

	makeWay func(context.Context) (letGo func(), err error) // holds what makes an image; nil: nothing does

	prefix  string   // stackPrefix; tests have their own
	warm    []string // packages whose compiled form teal/go carries
	variant []string // mmdebstrap arguments that choose the packages

	turn    chan struct{}        // held by who makes an image
	checked map[string]time.Time // when the image was last looked at by refresh; guarded by turn

	mu       sync.Mutex
	answered map[string]answer   // by registry host, "" for whether any answers; guarded by mu
	archived map[string]archived // by package database; guarded by mu
	unknown  map[string]bool     // by image, of which the log has that there is no recipe; guarded by mu
}

// Ensure makes the named images ("go", or "teal/go") that are not there yet,
// and what they need; without names it makes all. Progress goes to log.
func (s *Stack) Ensure(ctx context.Context, log io.Writer, names ...string) error {
	wanted, err := s.wanted(names)
	if err != nil {
		return err
	}
	if missing, err := s.missing(ctx, wanted); err != nil || len(missing) == 0 {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	// Looked at again: whoever had the turn may have made them.
	missing, err := s.missing(ctx, wanted)
	if err != nil {
		return err
	}
	p := newProgress(log, s.limit)
	for _, r := range missing {
		if _, err := s.replace(ctx, r, p); err != nil {
			return fmt.Errorf("cannot make the stack image %s: %w", s.prefix+r.name, err)
		}
	}
	return nil
}

// Refresh looks for newer parts of every stack image that is there, and
// replaces those whose content has changed. Those that are not in the table stay.
func (s *Stack) Refresh(ctx context.Context, log io.Writer) (changed bool, err error) {
	there, err := s.names(ctx)
	if err != nil {
		return false, err
	}
	var names []string
	for _, name := range there {
		if _, known := recipeOf(name); known {
			names = append(names, name)
		} else {
			s.noteUnknown(s.prefix + name)
		}
	}
	if len(names) == 0 {
		return false, nil
	}
	return s.refresh(ctx, log, true, names...)
}

// noteUnknown says once of a stack image that it stays as it is: an older Teal made
// it, of a version that is no more, or a newer one that shares the Engine.
func (s *Stack) noteUnknown(name string) {
	s.mu.Lock()
	again := s.unknown[name]
	s.unknown[name] = true
	s.mu.Unlock()
	if !again {
		s.log.Warn("a stack image that this Teal does not know how to make is not refreshed", "image", name)
	}
}

// refresh looks at the named images; unless forced, at each not more often than
// refreshEvery. A failure leaves the images that are there.
func (s *Stack) refresh(ctx context.Context, log io.Writer, force bool, names ...string) (changed bool, err error) {
	wanted, err := s.wanted(names)
	if err != nil {
		return false, err
	}
	if err := s.take(ctx); err != nil {
		return false, err
	}
	defer s.give()
	missing, err := s.missing(ctx, wanted)
	if err != nil {
		return false, err
	}
	p := newProgress(log, s.limit)
	var errs []error
	for _, r := range wanted {
		isMissing := slices.ContainsFunc(missing, func(m recipe) bool { return m.name == r.name })
		if isMissing || !force && s.now().Sub(s.checked[r.name]) < refreshEvery {
			continue
		}
		replaced, err := s.replace(ctx, r, p)
		if ctx.Err() != nil {
			return changed, context.Cause(ctx)
		}
		if err != nil { // another one may not need what this one does
			errs = append(errs, fmt.Errorf("cannot refresh the stack image %s: %w", s.prefix+r.name, err))
		}
		changed = changed || replaced
	}
	return changed, errors.Join(errs...)
}

// missing gives those recipes whose image is not there.
func (s *Stack) missing(ctx context.Context, wanted []recipe) ([]recipe, error) {
	var found []recipe
	for _, r := range wanted {
		_, err := s.engine.ImageInspect(ctx, s.ref(r))
		switch {
		case errdefs.IsNotFound(err):
			found = append(found, r)
		case err != nil:
			return nil, engineError(ctx, s.engine, err)
		}
	}
	return found, nil
}

// take waits for the turn to make images: two at once would do the same work twice.
func (s *Stack) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Stack) give() { <-s.turn }
