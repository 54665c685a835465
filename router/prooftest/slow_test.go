package prooftest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"teal/router"
)

// TestSlowClientsOfOneAppHarmNoOther: slowhttptest attacks one app in each of
// its four modes, while another user's app is asked in parallel.
func TestSlowClientsOfOneAppHarmNoOther(t *testing.T) {
	if !*full {
		t.Parallel()
	}
	connections, seconds := strconv.Itoa(scaled(60, 1000)), strconv.Itoa(scaled(5, 30))
	for _, attack := range []struct {
		name string
		args []string
	}{
		{"slow head", []string{"-H", "-i", "1"}},
		{"slow body", []string{"-B", "-i", "1", "-s", "100000"}},
		{"ranges", []string{"-R", "-a", "10", "-b", "3000"}},
		{"slow read", []string{"-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "1"}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			if !*full { // where one attack at a time has the machine's cores
				t.Parallel()
			}
			// Limits that end within the attack, so that the slow ones are seen to be thrown out.
			w := startRouter(t, router.Limits{ReadHeader: 3 * time.Second, Body: 3 * time.Second, Write: 5 * time.Second})
			big := strings.Repeat("x", 4<<20)
			w.Point(routeTo("victim", 1, startBounded(t, func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				http.ServeContent(rw, r, "big.txt", time.Time{}, strings.NewReader(big))
			}), "localhost"))
			l := newLedger()
			other := startInstance(t, "other", 1, l)
			w.Point(routeTo("other", 1, other.addr, "other.test"))

			ctx, stop := context.WithCancel(t.Context())
			took := make(chan []time.Duration, 1)
			stalled := watchForStalls()
			go func() { took <- askUntil(ctx, t, w.plain) }()
			direct := make(chan []time.Duration, 1)
			go func() { direct <- askUntil(ctx, t, other.addr) }()
			_, port, _ := net.SplitHostPort(w.plain)
			args := append(slices.Clone(attack.args), "-c", connections, "-r", connections, "-l", seconds, "-p", "15", "-u", "http://localhost:"+port+"/")
			limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(limit, "slowhttptest", args...).CombinedOutput()
			stop()
			answers, control, stall := <-took, <-direct, stalled()
			if err != nil {
				t.Fatalf("slowhttptest %v: %v\n%s", args, err, out)
			}
			slices.Sort(answers)
			slices.Sort(control)
			median, slowest := answers[len(answers)/2], answers[len(answers)-1]
			t.Logf("other app: %d answers, median %s, slowest %s; this program stood still for up to %s; slowhttptest: %s", len(answers), median, slowest, stall.Round(time.Millisecond), summary(out))
			// An answer passes through three of this program's goroutines, each of which may come upon a stall.
			medianLimit, slowestLimit := 50*time.Millisecond, 2*time.Second+3*stall
			if !*full { // beside other tests nothing is quick, not even without the router
				medianLimit += 10 * control[len(control)/2]
				slowestLimit += 10 * control[len(control)-1]
			}
			if median > medianLimit || slowest > slowestLimit {
				t.Errorf("the other app's answers took %s in the median and up to %s, more than %s or %s", median, slowest, medianLimit, slowestLimit)
			}
			if available := regexp.MustCompile(`service available:\s*\S*YES`); !available.Match(plainText(out)) {
				t.Errorf("slowhttptest says that the attacked app was not available:\n%s", plainText(out))
			}
			// What slowhttptest left open is closed by the limits.
			eventually(t, time.Minute, "nothing is in flight", func() bool { return w.Figures("victim", 1).InFlight == 0 })
		})
	}
}

// askUntil asks the other app until ctx ends, over fresh and over kept
// connections, and gives how long each answer took. Each must come, and be right.
func askUntil(ctx context.Context, t *testing.T, addr string) (took []time.Duration) {
	var floor atomic.Int64
	fresh := &asker{kind: kind{name: "fresh", fresh: true}, id: "f", app: "other", host: "other.test", addr: addr, floor: &floor}
	kept := &asker{kind: kind{name: "kept", bodies: []int{2000}}, id: "k", app: "other", host: "other.test", addr: addr, floor: &floor}
	defer kept.close()
	for ctx.Err() == nil {
		for _, a := range []*asker{fresh, kept} {
			began := time.Now()
			if err := a.ask(); err != nil {
				t.Errorf("the other app: %v", err)
			}
			took = append(took, time.Since(began))
		}
		<-time.After(5 * time.Millisecond)
	}
	return took
}

var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

func plainText(b []byte) []byte { return colors.ReplaceAll(b, nil) }

// summary is how slowhttptest ended.
func summary(out []byte) string {
	var last []string
	for _, key := range []string{"Test ended", "Exit status:", "error:"} {
		if all := regexp.MustCompile(`(?m)^.*`+key+`.*$`).FindAllString(string(plainText(out)), -1); all != nil {
			last = append(last, strings.Join(strings.Fields(all[len(all)-1]), " "))
		}
	}
	return strings.Join(last, ", ")
}
