package builder

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// stackPrefix is what the names of stack images begin with.
const stackPrefix = "teal/"

// The labels of stack images.
const (
	labelStack    = "teal.stack"    // its name: "go"
	labelPackages = "teal.packages" // what it holds: equal packages, equal value
	labelSource   = "teal.source"   // where that came from, for a person
)

// refreshEvery is how often a build that asks for fresh bases really looks.
const refreshEvery = time.Hour

// Stack is the set of images that Teal makes itself and apps are built on:
//
//	teal/base    Debian's essential packages and ca-certificates
//	teal/go      a Go toolchain, nothing else: no shell, no git, no C compiler
//	teal/static  a static file server on port 8080, for files in /public
//
// An image is made when it is first needed: from the official image where a
// registry answers, else from Debian packages and the Go toolchain of the host
// or of the Go module proxy. It is versioned by content: Refresh replaces it only
// when what it holds has changed. Methods may be called from several goroutines;
// the Engine is the memory, so several Stacks may share one.
type Stack struct {
	engine *client.Client
	log    *slog.Logger
	now    func() time.Time
	limit  int64 // MaxLogBytes

	registryConfig, mirror string
	caFile                 string
	goImage                string
	goProxy                string
	debianImage            string
	debianSuite            string

	prefix  string   // stackPrefix; tests have their own
	warm    []string // packages whose compiled form teal/go carries
	variant []string // mmdebstrap arguments that choose the packages

	turn    chan struct{}        // held by who makes an image
	checked map[string]time.Time // when the image was last looked at by refresh; guarded by turn

	mu       sync.Mutex
	answered map[string]answer // by registry host; guarded by mu
}

// StackImage is one stack image that is there.
type StackImage struct {
	Name      string // "teal/go"
	ID        string // content address
	Source    string // "Go 1.26.8 of this host"
	CreatedAt time.Time
	Size      int64 // bytes
}

// recipe is how one stack image is made.
type recipe struct {
	name  string
	needs []string
	// prepare finds out what the image would hold now; no image is made yet.
	prepare func(s *Stack, ctx context.Context, p *progress) (*product, error)
}

// product is an image that is ready to be made.
type product struct {
	packages string // see labelPackages
	source   string
	// install makes the image with the labels and gives it the name.
	install func(ctx context.Context, name string, labels map[string]string, p *progress) error
	close   func() // removes what prepare left; may be nil
}

// recipes are all stack images, each after those that it needs.
var recipes = []recipe{
	{name: "base", prepare: (*Stack).prepareBase},
	{name: "go", prepare: (*Stack).prepareGo},
	{name: "static", needs: []string{"go"}, prepare: (*Stack).prepareStatic},
}

// StackNames lists the stack images that there can be.
func StackNames() []string {
	var names []string
	for _, r := range recipes {
		names = append(names, stackPrefix+r.name)
	}
	return names
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
			return fmt.Errorf("cannot make the stack image %s: %w", stackPrefix+r.name, err)
		}
	}
	return nil
}

// Refresh looks for newer parts of every stack image that is there, and
// replaces those whose content has changed.
func (s *Stack) Refresh(ctx context.Context, log io.Writer) (changed bool, err error) {
	var names []string
	for _, r := range recipes {
		names = append(names, r.name)
	}
	return s.refresh(ctx, log, true, names...)
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
	for _, r := range wanted {
		isMissing := slices.ContainsFunc(missing, func(m recipe) bool { return m.name == r.name })
		if isMissing || !force && s.now().Sub(s.checked[r.name]) < refreshEvery {
			continue
		}
		replaced, err := s.replace(ctx, r, p)
		if err != nil {
			return changed, fmt.Errorf("cannot refresh the stack image %s: %w", stackPrefix+r.name, err)
		}
		changed = changed || replaced
	}
	return changed, nil
}

// List gives the stack images that are there, by name.
func (s *Stack) List(ctx context.Context) ([]StackImage, error) {
	summaries, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack))})
	if err != nil {
		return nil, engineError(ctx, s.engine, err)
	}
	var list []StackImage
	for _, i := range summaries {
		for _, tag := range i.RepoTags {
			if name, ok := strings.CutSuffix(tag, ":latest"); ok && strings.HasPrefix(name, s.prefix) {
				list = append(list, StackImage{Name: name, ID: i.ID, Source: i.Labels[labelSource], CreatedAt: time.Unix(i.Created, 0), Size: i.Size})
			}
		}
	}
	slices.SortFunc(list, func(a, b StackImage) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// wanted gives the recipes of the names and of what they need, in order; all
// for no names.
func (s *Stack) wanted(names []string) ([]recipe, error) {
	want := map[string]bool{}
	for _, name := range names {
		short := strings.TrimSuffix(strings.TrimPrefix(name, stackPrefix), ":latest")
		i := slices.IndexFunc(recipes, func(r recipe) bool { return r.name == short })
		if i < 0 {
			return nil, fmt.Errorf("%w: no stack image %s: there are %s", deploy.ErrNotFound, deploy.Clean(name, 60), strings.Join(StackNames(), ", "))
		}
		want[short] = true
		for _, need := range recipes[i].needs {
			want[need] = true
		}
	}
	var found []recipe
	for _, r := range recipes {
		if want[r.name] || len(names) == 0 {
			found = append(found, r)
		}
	}
	return found, nil
}

// missing gives those recipes whose image is not there.
func (s *Stack) missing(ctx context.Context, wanted []recipe) ([]recipe, error) {
	var found []recipe
	for _, r := range wanted {
		_, err := s.engine.ImageInspect(ctx, s.prefix+r.name)
		switch {
		case errdefs.IsNotFound(err):
			found = append(found, r)
		case err != nil:
			return nil, engineError(ctx, s.engine, err)
		}
	}
	return found, nil
}

// replace makes the image unless the one that is there holds the same. The
// caller has the turn.
func (s *Stack) replace(ctx context.Context, r recipe, p *progress) (replaced bool, err error) {
	began := s.now()
	product, err := r.prepare(s, ctx, p)
	if err != nil {
		return false, err
	}
	if product.close != nil {
		defer product.close()
	}
	name := s.prefix + r.name
	old, err := s.engine.ImageInspect(ctx, name)
	if err != nil && !errdefs.IsNotFound(err) {
		return false, engineError(ctx, s.engine, err)
	}
	s.checked[r.name] = s.now()
	if err == nil && old.Config != nil && old.Config.Labels[labelPackages] == product.packages {
		p.say("stack image %s: nothing newer (%s)", name, product.source)
		return false, nil
	}
	p.say("stack image %s: making it from %s", name, product.source)
	labels := map[string]string{labelStack: r.name, labelPackages: product.packages, labelSource: product.source}
	if err := product.install(ctx, name, labels, p); err != nil {
		delete(s.checked, r.name)
		return false, err
	}
	p.say("stack image %s: ready after %s", name, seconds(s.now().Sub(began)))
	if old.ID != "" && old.Config != nil && old.Config.Labels[labelStack] == r.name {
		s.discard(ctx, old.ID)
	}
	return true, nil
}

// discard removes an image of ours that lost its name. One in use stays.
func (s *Stack) discard(ctx context.Context, id string) {
	if _, err := s.engine.ImageRemove(ctx, id, image.RemoveOptions{}); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		s.log.Warn("cannot remove a stack image that was replaced", "image", id, "error", err)
	}
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
