package deploy

import (
	"math/rand/v2"
	"testing"
)

func TestOnlyASignificantDifferenceIsARegression(t *testing.T) {
	quiet := Sample{Requests: 5000, P50: 10, P99: 40}
	for _, c := range []struct {
		name         string
		now, old     Sample
		fails, drags bool
	}{
		{name: "nothing was asked", now: Sample{}, old: quiet},
		{name: "all of few requests fail", now: Sample{Requests: 49, Errors: 49}, old: quiet},
		{name: "there is no baseline to speak of", now: Sample{Requests: 500, Errors: 500}, old: Sample{Requests: 49}},
		{name: "half fails", now: Sample{Requests: 200, Errors: 100, P50: 10, P99: 40}, old: quiet, fails: true},
		{name: "everything fails at once", now: Sample{Requests: 50, Errors: 50}, old: Sample{Requests: 50}, fails: true},
		{name: "the smallest that counts", now: Sample{Requests: 50, Errors: 10}, old: Sample{Requests: 500}, fails: true},
		{name: "one error less", now: Sample{Requests: 50, Errors: 9}, old: Sample{Requests: 500}},
		{name: "the same with a short baseline", now: Sample{Requests: 50, Errors: 10}, old: Sample{Requests: 50}},
		{name: "certain, but four points only", now: Sample{Requests: 100000, Errors: 4000}, old: Sample{Requests: 100000}},
		{name: "six points of many", now: Sample{Requests: 100000, Errors: 6000}, old: Sample{Requests: 100000}, fails: true},
		{name: "ten points that may be chance", now: Sample{Requests: 100, Errors: 20}, old: Sample{Requests: 100, Errors: 10}},
		{name: "the old one failed as much", now: Sample{Requests: 1000, Errors: 500}, old: Sample{Requests: 1000, Errors: 490}},
		{name: "the old one was worse", now: Sample{Requests: 1000, Errors: 100}, old: Sample{Requests: 1000, Errors: 900}},
		{name: "both fail wholly", now: Sample{Requests: 1000, Errors: 1000}, old: Sample{Requests: 1000, Errors: 1000}},
		{name: "much slower", now: Sample{Requests: 100, P50: 900, P99: 2000}, old: quiet, drags: true},
		{name: "slow for one in a hundred", now: Sample{Requests: 100, P50: 12, P99: 9000}, old: quiet},
		{name: "ten times slower, and nobody notices", now: Sample{Requests: 100, P50: 100, P99: 250}, old: quiet},
		{name: "slower, as slow apps are", now: Sample{Requests: 100, P50: 2500, P99: 6000}, old: Sample{Requests: 100, P50: 1000, P99: 3000}},
		{name: "slow for few requests", now: Sample{Requests: 40, P50: 9000, P99: 9000}, old: quiet},
		{name: "slow, and nobody knows how it was", now: Sample{Requests: 100, P50: 9000, P99: 9000}, old: Sample{Requests: 100}},
	} {
		if got := c.now.fails(c.old); got != c.fails {
			t.Errorf("%s: errors judged %t, want %t", c.name, got, c.fails)
		}
		if got := c.now.drags(c.old); got != c.drags {
			t.Errorf("%s: latency judged %t, want %t", c.name, got, c.drags)
		}
	}
}

// Two releases that are alike, looked at as a watch of five minutes looks: once
// every five seconds, at all that was counted and at the last minute.
func TestTwoReleasesThatAreAlikeAreNeverToldApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	errors := func(n int, share float64) (e uint64) {
		for range n {
			if r.Float64() < share {
				e++
			}
		}
		return e
	}
	const watches, looks, perLook = 1000, 60, 10
	wrong := 0
	for i := range watches {
		share := []float64{0.001, 0.05, 0.3, 0.6}[i%4]
		old := Sample{Requests: 1200, Errors: errors(1200, share)}
		var at [looks + 1]Sample
		for n := 1; n <= looks; n++ {
			at[n] = Sample{Requests: at[n-1].Requests + perLook, Errors: at[n-1].Errors + errors(perLook, share)}
			from := at[max(0, n-recentLooks)]
			recent := Sample{Requests: at[n].Requests - from.Requests, Errors: at[n].Errors - from.Errors}
			if at[n].fails(old) || recent.fails(old) {
				wrong++
				break
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d watches went back for nothing", wrong, watches)
	}
}

func TestCountersThatBeganAnewAreNoNegativeNumbers(t *testing.T) {
	got := since(3, Figures{Requests: 900, Errors: 5}, Figures{Requests: 10, Errors: 1, P50: 2, P99: 3})
	if want := (Sample{Release: 3, Requests: 10, Errors: 1, P50: 2, P99: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
