package deploy

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// The rule by which a release is called worse than the one it replaces, while a
// promotion is gradual and for a while after each. It is made not to be wrong:
// going back for nothing undoes someone's work in front of everyone, and doing
// nothing is what every other switch does. So all of this must hold:
//
//   - There is something to compare: at least 50 requests on either side.
//   - Errors (status 500 and more, broken answers): at least 10 of them, a share
//     5 points above the old release's, and a difference that chance explains
//     less than once in 30,000 looks (one-sided two-proportion z-test, z > 4; a
//     watch of five minutes looks 60 times).
//     The points keep a busy app from going back for a difference that is
//     certain and does not matter; the test keeps a quiet one from going back
//     for a handful of errors. What clients do wrong (4xx) never counts.
//   - Latency: the median and the 99th percentile, both, are more than three
//     times the old ones and 250 ms above them, for a whole minute. One slow
//     endpoint moves the 99th percentile, cold caches move both, but not for long.
//
// Of the old release the worst 99th percentile and median of the last ten
// minutes are taken.
const (
	judgedRequests = 50
	judgedErrors   = 10
	judgedPoints   = 0.05
	judgedZ        = 4
	judgedTimes    = 3
	judgedMillis   = 250
)

// Sample is what one release answered over a while.
type Sample struct {
	Release  int     `json:"release"`
	Requests uint64  `json:"requests"`
	Errors   uint64  `json:"errors"` // of those, answered with 500 or more, or broken off
	P50      float64 `json:"p50_ms"` // milliseconds; 0: no requests
	P99      float64 `json:"p99_ms"`
}

// ErrorShare is the part of the requests that were errors, 0 to 1.
func (s Sample) ErrorShare() float64 {
	if s.Requests == 0 {
		return 0
	}
	return min(1, float64(s.Errors)/float64(s.Requests))
}

// String is the sample as a person reads it: "1,204 requests, 0 errors, p50 12 ms, p99 31 ms".
func (s Sample) String() string {
	if s.Requests == 0 {
		return "no requests"
	}
	share := ""
	if s.Errors > 0 {
		share = fmt.Sprintf(" (%s)", percent(s.ErrorShare()))
	}
	return fmt.Sprintf("%s requests, %s errors%s, p50 %s, p99 %s", thousands(s.Requests), thousands(s.Errors), share, millis(s.P50), millis(s.P99))
}

// Regression is the finding that a release is worse than another one.
type Regression struct {
	New   Sample        `json:"new"`
	Old   Sample        `json:"old"`
	Slow  bool          `json:"slow"`  // it is about latency; else about errors
	Share int           `json:"share"` // percent of the requests that the new one got
	After time.Duration `json:"after"` // since it got them
}

// Reason says it in one line: "v14 answered 38.0 % of requests with errors (v13: 0.1 %)".
func (r Regression) Reason() string {
	at := ""
	if r.Share < 100 {
		at = fmt.Sprintf(" at %d %% of requests", r.Share)
	}
	if r.Slow {
		return fmt.Sprintf("%s answers slowly%s: p50 %s, p99 %s (%s: %s, %s)", ReleaseName(r.New.Release), at,
			millis(r.New.P50), millis(r.New.P99), ReleaseName(r.Old.Release), millis(r.Old.P50), millis(r.Old.P99))
	}
	return fmt.Sprintf("%s answered %s of its requests with errors%s (%s: %s)", ReleaseName(r.New.Release), percent(r.New.ErrorShare()), at,
		ReleaseName(r.Old.Release), percent(r.Old.ErrorShare()))
}

// comparable tells whether both have answered enough to be compared.
func (s Sample) comparable(old Sample) bool {
	return s.Requests >= judgedRequests && old.Requests >= judgedRequests
}

// fails tells whether the sample has significantly more errors than the old one.
func (s Sample) fails(old Sample) bool {
	if !s.comparable(old) || s.Errors < judgedErrors || s.ErrorShare()-old.ErrorShare() < judgedPoints {
		return false
	}
	n, m := float64(s.Requests), float64(old.Requests)
	pooled := (float64(s.Errors) + float64(old.Errors)) / (n + m)
	spread := math.Sqrt(pooled * (1 - pooled) * (1/n + 1/m))
	return spread == 0 || (s.ErrorShare()-old.ErrorShare())/spread > judgedZ
}

// drags tells whether the sample is much slower than the old one.
func (s Sample) drags(old Sample) bool {
	slower := func(now, was float64) bool {
		return was > 0 && now > judgedTimes*was && now > was+judgedMillis
	}
	return s.comparable(old) && slower(s.P50, old.P50) && slower(s.P99, old.P99)
}

// since is what was counted between two looks at a release.
func since(release int, from, to Figures) Sample {
	s := Sample{Release: release, Requests: grown(from.Requests, to.Requests), Errors: grown(from.Errors, to.Errors), P50: to.P50, P99: to.P99}
	s.Errors = min(s.Errors, s.Requests)
	return s
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func millis(ms float64) string {
	switch {
	case ms <= 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// thousands writes a number with its thousands apart: "18,234".
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
