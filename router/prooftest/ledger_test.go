package prooftest

import (
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// ledger keeps who got which request. Ids are "client/number". A nil ledger keeps nothing.
type ledger struct {
	mu    sync.Mutex
	came  map[string]int
	twice []string
}

func newLedger() *ledger { return &ledger{came: map[string]int{}} }

func (l *ledger) note(id string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came[id]++
	if l.came[id] > 1 {
		l.twice = append(l.twice, id)
	}
}

// judge fails the test for requests that came twice, and for answered ones that never came.
func (l *ledger) judge(t *testing.T, answered int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.twice) > 0 {
		t.Errorf("%d requests were delivered twice: %.10q", len(l.twice), l.twice)
	}
	if len(l.came) != answered {
		t.Errorf("%d requests were answered, and %d came", answered, len(l.came))
	}
}

// instance is a release of an app that runs. Every answer names the app, the
// release, the request's id, and length and checksum of the body that came.
type instance struct {
	addr string
	stop func()
}

func startInstance(t testing.TB, app string, release int, l *ledger) instance {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(serveOn(in, func(w http.ResponseWriter, r *http.Request) {
		sum := crc32.NewIEEE()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest) // the client's doing, or the router's: it will show
			return
		}
		id := r.Header.Get("X-Id")
		l.note(id)
		said := answerText(app, release, id, int(n), sum.Sum32())
		if r.URL.Path == largePath {
			said += strings.Repeat(" ", largeAnswer-len(said))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(said)))
		_, _ = io.WriteString(w, said)
	}))
	t.Cleanup(stop)
	return instance{in.Addr().String(), stop}
}

// largeAnswer is how many bytes an instance answers at largePath: so many that
// the router has the kernel move them through a pipe.
const (
	largePath   = "/large"
	largeAnswer = 1 << 20
)

func answerText(app string, release int, id string, length int, sum uint32) string {
	return fmt.Sprintf("%s %d %s %d %08x", app, release, id, length, sum)
}
