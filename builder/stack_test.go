package builder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// newTestStack makes a Stack whose images have names of their own.
func newTestStack(t *testing.T, change func(*Config)) *Stack {
	t.Helper()
	config := Config{Engine: testEngine(t)}
	if change != nil {
		change(&config)
	}
	s := newStack(config.withDefaults())
	s.prefix = "teal-t" + randomID()[:10] + "/"
	s.warm = []string{"errors"}
	t.Cleanup(func() {
		for _, name := range imageNames(t, s.engine, s.prefix) {
			_, _ = s.engine.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true})
		}
	})
	return s
}

func TestStackImagesAreMadeOnceAndKeptWhileNothingChanged(t *testing.T) {
	t.Parallel()
	s := newTestStack(t, nil)
	var log lockedBuffer
	done := timed(t, "go and static")
	if err := s.Ensure(t.Context(), &log, "teal/static"); err != nil {
		t.Fatal(err, log.String())
	}
	done()
	contains(t, log.String(), "/go: ready after", "/static: ready after")
	before, err := s.List(t.Context())
	if err != nil || len(before) != 2 || before[0].Name != s.prefix+"go" || !strings.Contains(before[0].Source, "Go 1.") {
		t.Fatalf("%+v %v", before, err)
	}
	changed, err := s.Refresh(t.Context(), &log)
	after, _ := s.List(t.Context())
	if err != nil || changed || len(after) != 2 || after[0].ID != before[0].ID || after[1].ID != before[1].ID {
		t.Errorf("nothing is newer, and the stack changed: %v %v\n%s", changed, err, log.String())
	}
	contains(t, log.String(), "nothing newer")
}

func TestNewCertificateAuthoritiesMakeANewImage(t *testing.T) {
	t.Parallel()
	extra := filepath.Join(t.TempDir(), "company.pem")
	if err := os.WriteFile(extra, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := newRegistry(t).push("debian", "one")
	s := newTestStack(t, func(c *Config) { c.CAFile, c.DebianImage = extra, ref })
	var log lockedBuffer
	if err := s.Ensure(t.Context(), &log, "base"); err != nil {
		t.Fatal(err, log.String())
	}
	before, _ := s.List(t.Context())
	if err := os.WriteFile(extra, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.refresh(t.Context(), &log, false, "base"); changed || err != nil {
		t.Errorf("looked again within the hour: %v %v", changed, err)
	}
	changed, err := s.Refresh(t.Context(), &log)
	after, _ := s.List(t.Context())
	if err != nil || !changed || after[0].ID == before[0].ID {
		t.Errorf("changed %v %v: %+v %+v\n%s", changed, err, before, after, log.String())
	}
	if _, err := s.engine.ImageInspect(t.Context(), before[0].ID); err == nil {
		t.Error("the image that was replaced is still there")
	}
}

func TestBaseComesFromPackagesWhereNoRegistryAnswers(t *testing.T) {
	t.Parallel()
	s := newTestStack(t, func(c *Config) { c.DebianImage = "nosuch.invalid/debian" })
	s.variant = []string{"--variant=extract", "--include=netbase"} // seconds instead of half a minute
	var log lockedBuffer
	if err := s.Ensure(t.Context(), &log, "base"); err != nil {
		t.Fatal(err, log.String())
	}
	contains(t, log.String(), "no registry answers for nosuch.invalid/debian", "Debian bookworm")
	before, _ := s.List(t.Context())
	changed, err := s.Refresh(t.Context(), &log)
	after, _ := s.List(t.Context())
	if err != nil || changed || len(before) != 1 || before[0].ID != after[0].ID {
		t.Errorf("the same packages made another image: %v %v %+v %+v", changed, err, before, after)
	}
}

func TestBaseComesFromTheRegistryThatAnswers(t *testing.T) {
	t.Parallel()
	registry := newRegistry(t)
	ref := registry.push("debian", "one")
	s := newTestStack(t, func(c *Config) { c.DebianImage = ref })
	var log lockedBuffer
	if err := s.Ensure(t.Context(), &log, "base"); err != nil {
		t.Fatal(err, log.String())
	}
	before, _ := s.List(t.Context())
	if len(before) != 1 || before[0].Source != ref {
		t.Fatalf("%+v", before)
	}
	if changed, err := s.Refresh(t.Context(), &log); changed || err != nil {
		t.Errorf("the same digest made another image: %v %v", changed, err)
	}
	registry.push("debian", "two")
	if changed, err := s.Refresh(t.Context(), &log); !changed || err != nil {
		t.Errorf("a newer image was not taken: %v %v", changed, err)
	}
}

// TestStackImageThatThisTealDoesNotKnowHoldsUpNoOther: an older Teal made it, or a
// newer one that shares the Engine.
func TestStackImageThatThisTealDoesNotKnowHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	registry := newRegistry(t)
	ref := registry.push("debian", randomID())
	var said, log lockedBuffer
	s := newTestStack(t, func(c *Config) { c.DebianImage, c.Log = ref, slog.New(slog.NewTextHandler(&said, nil)) })
	if err := s.Ensure(t.Context(), &log, "base"); err != nil {
		t.Fatal(err, log.String())
	}
	err := s.build(t.Context(), s.prefix+"cobol:latest", map[string]string{labelStack: "cobol"}, newProgress(&log, 1<<20),
		namedFile{"Dockerfile", []byte("FROM " + s.prefix + "base\n")})
	if err != nil {
		t.Fatal(err)
	}
	registry.push("debian", randomID())
	for _, want := range []bool{true, false} {
		if changed, err := s.Refresh(t.Context(), &log); changed != want || err != nil {
			t.Errorf("changed %v, %v\n%s", changed, err, log.String())
		}
	}
	if n := strings.Count(said.String(), s.prefix+"cobol"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, said.String())
	}
}

func TestAppsOfAStackImageAreThoseWhoseDockerfileNamesItToo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.build(request(files("Dockerfile", "FROM teal/static\nCOPY a /public/a\n", "a", b.ns)))
	list, err := b.stack.List(t.Context())
	at := slices.IndexFunc(list, func(i StackImage) bool { return i.Name == "teal/static" })
	if err != nil || at < 0 || !slices.Equal(list[at].Apps, []string{"shop"}) {
		t.Errorf("%+v %v", list, err)
	}
	for ref, want := range map[string]string{"teal/node": "teal/node:24", "teal/go:latest": "teal/go", "teal/python:3.12-build": "teal/python:3.12-build", "python:3.12": "", "teal/cobol": "teal/cobol"} {
		got := strings.Join(b.stack.basesOf(map[string]string{labelBuildBases: `{"` + ref + `":{}}`}), " ")
		if got != want {
			t.Errorf("%s counts as %q, not %q", ref, got, want)
		}
	}
}

// TestContainersThatACandidateIsReadFromAreFoundByTheSweep: when Teal is killed
// meanwhile, the next one removes what has these labels.
func TestContainersThatACandidateIsReadFromAreFoundByTheSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.stack.Ensure(t.Context(), &lockedBuffer{}, "base"); err != nil {
		t.Fatal(err)
	}
	p := newProgress(&lockedBuffer{}, 1<<20)
	product := &product{install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
		return b.stack.build(ctx, ref, labels, p, namedFile{"Dockerfile", []byte("FROM teal/base\nLABEL candidate.of=" + b.ns + "\n")})
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	made, errs := b.engine.Events(ctx, events.ListOptions{Since: fmt.Sprint(time.Now().Unix() - 1), Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("event", "create"), filters.Arg("label", "candidate.of="+b.ns))})
	drop, err := b.stack.candidate(ctx, "teal-"+b.ns+"/base:latest", product, p)
	if err != nil {
		t.Fatal(err)
	}
	drop()
	for range 2 { // for dpkg's database, and for the version
		select {
		case e := <-made:
			if l := e.Actor.Attributes; l[labelNamespace] != b.ns || l["teal.once"] == "" {
				t.Errorf("a container has the labels %v", l)
			}
		case err := <-errs:
			t.Fatal(err)
		}
	}
}

// deadlines is an Engine that notes by when each request has to be answered, and is away.
type deadlines struct{ all []time.Time }

func (d *deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	by, _ := r.Context().Deadline()
	d.all = append(d.all, by)
	return nil, errors.New("away")
}

func TestWhatIsRemovedAfterwardsHoldsUpTheTurnNotForLong(t *testing.T) {
	t.Parallel()
	asked := &deadlines{}
	engine, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: asked}), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	newStack(Config{Engine: engine, Log: slog.New(slog.DiscardHandler)}.withDefaults()).discard(ctx, "teal/none")
	if len(asked.all) != 1 || asked.all[0].IsZero() || time.Until(asked.all[0]) > time.Minute {
		t.Errorf("requests have to be answered by %v", asked.all)
	}
}

func TestDebianBaseHasAShell(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done := timed(t, "ensure teal/base")
	if err := b.Stack().Ensure(t.Context(), &lockedBuffer{}, "base"); err != nil {
		t.Fatal(err)
	}
	done()
	_, log := b.build(request(files("Dockerfile", "FROM teal/base\nRUN echo I am $(. /etc/os-release && echo $ID) && test -s /etc/ssl/certs/ca-certificates.crt # "+b.ns+"\n")))
	contains(t, log, "| I am debian")
}

func TestUnknownStackImageIsRefused(t *testing.T) {
	err := newTestStack(t, nil).Ensure(t.Context(), &lockedBuffer{}, "cobol")
	if err == nil || !strings.Contains(err.Error(), "teal/base, teal/apt, teal/build, teal/go, teal/static, teal/java") || !strings.Contains(err.Error(), deploy.ErrNotFound.Error()) {
		t.Errorf("error is %v", err)
	}
}

// imageNames are the names that begin with the prefix.
func imageNames(t *testing.T, engine *client.Client, prefix string) []string {
	t.Helper()
	images, err := engine.ImageList(context.Background(), image.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range images {
		for _, name := range i.RepoTags {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}
