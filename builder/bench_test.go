package builder

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/build"
)

var benchRounds = flag.Int("rounds", 11, "rebuilds of each app and side in BenchmarkBuild, at least; quick ones are up to 31")

// BenchmarkBuild has the real app of each language built for the first time,
// with caches of its own that are empty, and then again and again with one line
// changed: by Teal, and with the same Dockerfile and the same tree by a client
// that does nothing but ask the Engine's BuildKit. Both sides take turns, each
// beginning every other round, and within the same bounds of CPU and memory.
func BenchmarkBuild(b *testing.B) {
	var rows []string
	for _, c := range languageApps {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				row := compareBuilds(b, c.name, c.changed)
				b.ReportMetric(row.ratio(), "ratio")
				b.ReportMetric(0, "ns/op")
				rows = append(rows, row.String())
				if row.ratio() > mostRebuild {
					b.Errorf("%s: a rebuild takes %.2f × a plain client's (the median of %d rounds; medians %.2f s and %.2f s), promised are %.2f",
						c.name, row.ratio(), len(row.ratios), middle(row.teal).Seconds(), middle(row.plain).Seconds(), mostRebuild)
				}
			}
		})
	}
	fmt.Fprintf(os.Stderr, "\n| app | first build: Teal | client | ratio | one line changed: Teal | client | ratio |\n|---|---|---|---|---|---|---|\n%s\n", strings.Join(rows, "\n"))
}

// mostRebuild is what is promised of a rebuild after a change of one line, as a
// multiple of what a plain client needs.
const mostRebuild = 1.15

// buildTimes are one app's figures.
type buildTimes struct {
	name        string
	first       [2]time.Duration // Teal's, the client's
	teal, plain []time.Duration
	ratios      []float64 // of the rounds
}

func (r buildTimes) ratio() float64 { return middle(r.ratios) }

func (r buildTimes) String() string {
	return fmt.Sprintf("| %s | %.1f s | %.1f s | %.2f | %.2f s | %.2f s | %.2f (%.2f–%.2f) |", r.name,
		r.first[0].Seconds(), r.first[1].Seconds(), r.first[0].Seconds()/r.first[1].Seconds(),
		middle(r.teal).Seconds(), middle(r.plain).Seconds(), r.ratio(), slices.Min(r.ratios), slices.Max(r.ratios))
}

func middle[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func compareBuilds(b *testing.B, name, changed string) buildTimes {
	bench := newBench(b, func(c *Config) { c.MaxCache = 1 << 40 }) // what is there stays there
	source := copied(b, "testdata/apps/"+name)
	original := string(source[changed].Data)
	turn := 0
	next := func() { // each build has a line that no other one had
		turn++
		source[changed].Data = []byte(strings.Replace(original, "v1", fmt.Sprintf("v%d-%s", turn, bench.ns), 1))
	}
	byTeal := func() time.Duration {
		next()
		began := time.Now()
		bench.build(request(fsSource{fs: source}))
		return time.Since(began)
	}
	plan := bench.planned(fsSource{fs: source})
	byClient := func() time.Duration {
		next()
		began := time.Now()
		bench.buildPlainly(plan, fsSource{fs: source})
		return time.Since(began)
	}
	if err := bench.Stack().Ensure(b.Context(), io.Discard, fromRefs([]byte(plan.dockerfile), nil)...); err != nil && plan.on != "scratch" {
		b.Fatal(err)
	}
	row := buildTimes{name: name, first: [2]time.Duration{byTeal(), byClient()}}
	quick := middle([]time.Duration{byTeal(), byTeal(), byTeal()}) // so quick that the machine's own moods are as long: more rounds
	for round := range max(*benchRounds, min(31, int(6*time.Second/quick))) {
		var one, other time.Duration
		if round%2 == 0 {
			one, other = byTeal(), byClient()
		} else {
			other, one = byClient(), byTeal()
		}
		row.teal, row.plain = append(row.teal, one), append(row.plain, other)
		row.ratios = append(row.ratios, one.Seconds()/other.Seconds())
	}
	return row
}

// planned is what Teal makes of the tree.
func (b *bench) planned(source fsSource) *plan {
	b.t.Helper()
	tree, err := newTree(b.t.Context(), source)
	if err != nil {
		b.t.Fatal(err)
	}
	var d declared
	if err := d.readProcfile(b.t.Context(), tree); err != nil {
		b.t.Fatal(err)
	}
	if tree.apt, err = readAptfile(b.t.Context(), tree); err != nil {
		b.t.Fatal(err)
	}
	tree.web = d.web
	p, err := detect(b.t.Context(), tree)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// buildPlainly sends the tree and the Dockerfile to the Engine's BuildKit as a
// tar stream and reads its answer to the end.
func (b *bench) buildPlainly(p *plan, source fsSource) {
	b.t.Helper()
	ctx := b.t.Context()
	m, err := readMemory(b.config.meminfo)
	if err != nil {
		b.t.Fatal(err)
	}
	defer b.hold(ctx, room{free: m.spare()})() // as a build of Teal's
	ignore, err := readIgnore(ctx, source, "Dockerfile", p.omit)
	if err != nil {
		b.t.Fatal(err)
	}
	var body bytes.Buffer
	tree := buildContext{source: source, ignore: ignore, always: generatedName, dockerfile: []byte(p.dockerfile)}
	if err := tree.write(ctx, &body); err != nil {
		b.t.Fatal(err)
	}
	space := "plain-" + b.ns
	response, err := b.engine.ImageBuild(ctx, &body, build.ImageBuildOptions{
		Version: build.BuilderBuildKit, Dockerfile: generatedName, Remove: true,
		BuildArgs: map[string]*string{"BUILDKIT_CACHE_MOUNT_NS": &space},
		Labels:    map[string]string{labelNamespace: b.ns}, Tags: []string{"teal-" + b.ns + "/plain:latest"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := follow(response.Body, newProgress(io.Discard, 1<<20)); err != nil {
		b.t.Fatal(err)
	}
}
