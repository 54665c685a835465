package builder

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"teal/deploy"
)

// BenchmarkRebase has an app that Teal detected laid over the stack image that it
// runs on, as a patch run does: from the order to the image whose packages were
// listed and compared. Beside it, in turns: the same Dockerfile by a client that
// does nothing but ask the Engine's BuildKit, and the app built anew, which is what
// there is without a rebase. Each round has an app that was never rebased before.
func BenchmarkRebase(b *testing.B) {
	var rows []string
	for _, name := range []string{"node"} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				row := compareRebases(b, name)
				b.ReportMetric(middle(row.teal).Seconds(), "s")
				b.ReportMetric(middle(row.overClient), "ratio")
				b.ReportMetric(middle(row.overAnew), "anew-ratio")
				b.ReportMetric(0, "ns/op")
				rows = append(rows, row.String())
			}
		})
	}
	fmt.Fprintf(os.Stderr, "\n| app | rebase: Teal | client | ratio | built anew | ratio |\n|---|---|---|---|---|---|\n%s\n", strings.Join(rows, "\n"))
}

// rebaseTimes are one app's figures, by round.
type rebaseTimes struct {
	name                 string
	teal, client, anew   []time.Duration
	overClient, overAnew []float64
}

func (r *rebaseTimes) add(teal, client, anew time.Duration) {
	r.teal, r.client, r.anew = append(r.teal, teal), append(r.client, client), append(r.anew, anew)
	r.overClient = append(r.overClient, teal.Seconds()/client.Seconds())
	r.overAnew = append(r.overAnew, teal.Seconds()/anew.Seconds())
}

func (r *rebaseTimes) String() string {
	scatter := func(all []float64) string {
		return fmt.Sprintf("%.2f (%.2f–%.2f)", middle(all), slices.Min(all), slices.Max(all))
	}
	return fmt.Sprintf("| %s | %.2f s (%.2f–%.2f) | %.2f s | %s | %.2f s | %s |", r.name,
		middle(r.teal).Seconds(), slices.Min(r.teal).Seconds(), slices.Max(r.teal).Seconds(),
		middle(r.client).Seconds(), scatter(r.overClient), middle(r.anew).Seconds(), scatter(r.overAnew))
}

func compareRebases(b *testing.B, name string) *rebaseTimes {
	bench := newBench(b, func(c *Config) { c.MaxCache = 1 << 40 }) // what is there stays there
	source := copied(b, "testdata/apps/"+name)
	row := &rebaseTimes{name: name}
	for round := range *benchRounds {
		order := bench.unpatched(source, "teal", round)
		byTeal := bench.took(func() { bench.rebases(order) })
		order = bench.unpatched(source, "client", round)
		text := bench.rebaseText(order.Live)
		byClient := bench.took(func() { bench.buildPlainly(&plan{dockerfile: text}, files()) })
		anew := bench.took(func() {
			req := order.BuildRequest
			req.NoCache = true
			bench.build(req)
		})
		row.add(byTeal, byClient, anew)
	}
	return row
}

func (b *bench) took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// unpatched builds an app like no other, and gives the order to patch it.
func (b *bench) unpatched(source fstest.MapFS, who string, round int) deploy.PatchRequest {
	b.t.Helper()
	source["unique"] = &fstest.MapFile{Data: fmt.Append(nil, b.ns, who, round), Mode: 0o644}
	req := request(fsSource{fs: source})
	built, _ := b.build(req)
	if _, err := b.Pending(b.t.Context(), built.Image); err != nil { // a patch run has looked before
		b.t.Fatal(err)
	}
	before, err := b.Packages(b.t.Context(), built.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Refresh = true
	return deploy.PatchRequest{BuildRequest: req, Live: deploy.Release{App: "shop", Number: 1, Image: built.Image, Settings: built.Settings}, Before: before}
}

func (b *bench) rebases(order deploy.PatchRequest) {
	b.t.Helper()
	patched, err := b.Patch(b.t.Context(), order, io.Discard)
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(patched.Remedy, "laid over") {
		b.t.Fatalf("the app was not rebased: %s", patched.Remedy)
	}
	after, err := b.Packages(b.t.Context(), patched.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	if changes := deploy.Compare(order.Before, after); len(changes) > 0 {
		b.t.Errorf("on the same base it has other packages: %v", changes)
	}
}

// rebaseText is the Dockerfile of a rebase.
func (b *bench) rebaseText(live deploy.Release) string {
	b.t.Helper()
	found, err := b.engine.ImageInspect(b.t.Context(), live.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	text, ok, err := b.rebased(b.t.Context(), found, originOf(found))
	if err != nil || !ok {
		b.t.Fatal(ok, err)
	}
	return text
}
