package runtime

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"teal/deploy"
)

// The times that a deployment and a "restart previous" wait for: from the call
// of Start to the first answer. ms-median is the figure to read.

func BenchmarkCreateToFirstAnswer(b *testing.B) {
	d := newDocker(b)
	start(b, d, release("warm", 1, ""), deploy.Blue)
	median(b, func(n int) time.Duration {
		r := release("shop", n, "")
		began := time.Now()
		firstAnswer(b, start(b, d, r, deploy.Blue)[0].Addr)
		took := time.Since(began)
		if err := d.Remove(b.Context(), "shop", n); err != nil {
			b.Fatal(err)
		}
		return took
	})
}

func BenchmarkStartAgainToFirstAnswer(b *testing.B) {
	d := newDocker(b)
	r := release("shop", 1, "")
	start(b, d, r, deploy.Blue)
	median(b, func(int) time.Duration {
		if err := d.Stop(b.Context(), "shop", 1, time.Second); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		firstAnswer(b, start(b, d, r, deploy.Blue)[0].Addr)
		return time.Since(began)
	})
}

func BenchmarkStartOfWhatRuns(b *testing.B) {
	d := newDocker(b)
	r := release("shop", 1, "")
	start(b, d, r, deploy.Blue)
	for b.Loop() {
		start(b, d, r, deploy.Blue)
	}
}

func BenchmarkList(b *testing.B) {
	d := newDocker(b)
	r := release("shop", 1, "")
	r.Settings.Instances = 4
	start(b, d, r, deploy.Blue)
	for b.Loop() {
		list(b, d)
	}
}

func median(b *testing.B, once func(n int) time.Duration) {
	var took []time.Duration
	for b.Loop() {
		took = append(took, once(len(took)+1))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}

func firstAnswer(b *testing.B, addr netip.AddrPort) {
	b.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if resp, err := http.Get("http://" + addr.String() + "/"); err == nil {
			_ = resp.Body.Close()
			return
		}
		_ = pause(b.Context(), time.Millisecond)
	}
	b.Fatal("no answer")
}
