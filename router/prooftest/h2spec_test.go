package prooftest

import (
	"context"
	"encoding/xml"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/router"
)

const h2spec = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// malformed: net/http answers before any handler is asked.
const malformed = "Go answers with 400 and ends the stream, where h2spec wants it reset; RFC 9113 §8.1.1 allows the answer, and the app never sees the request"

// knownMisses are the cases of h2spec that the router does not pass, with the reason.
var knownMisses = map[string]string{
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field":                     malformed,
	`http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`: malformed,
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                          "Go hangs up on a SETTINGS frame that sets the same parameter twice, on purpose; no known client sends one",
}

// plainMisses are further ones on the port that HTTP/1.1 and HTTP/2 share.
var plainMisses = map[string]string{
	"http2/3.5: Sends invalid connection preface": "what is not HTTP/2 is HTTP/1.1 there, and gets a 400 of that",
}

// h2specReport is h2spec's report in JUnit's format.
type h2specReport struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Name    string    `xml:"package,attr"`
			Claim   string    `xml:"classname,attr"`
			Failure *string   `xml:"failure"`
			Error   *string   `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// TestH2SpecFindsNothingThatIsNotListed runs h2spec against production, over
// TLS and over plain TCP.
func TestH2SpecFindsNothingThatIsNotListed(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", h2spec)
	install.Env = append(os.Environ(), "GOBIN="+bin)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v\n%s", h2spec, err, out)
	}
	w := startRouter(t, router.Limits{})
	w.Point(routeTo("spec", 1, startHandler(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(rw, "hello")
	}), "localhost"))
	for _, front := range []struct {
		name, addr string
		args       []string
		misses     []map[string]string
	}{
		{"TLS", w.secure, []string{"-t", "-k"}, []map[string]string{knownMisses}},
		{"plain", w.plain, nil, []map[string]string{knownMisses, plainMisses}},
	} {
		t.Run(front.name, func(t *testing.T) {
			t.Parallel()
			_, port, _ := net.SplitHostPort(front.addr)
			report := runH2Spec(t, filepath.Join(bin, "h2spec"), append(front.args, "-h", "localhost", "-p", port)...)
			judgeH2Spec(t, report, front.misses)
		})
	}
}

func runH2Spec(t *testing.T, program string, args ...string) h2specReport {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.xml")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	// It exits with 1 when a case fails: the report tells which.
	out, _ := exec.CommandContext(ctx, program, append(args, "-o", "5", "-j", file)...).CombinedOutput()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("h2spec wrote no report: %v\n%s", err, out)
	}
	var r h2specReport
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func judgeH2Spec(t *testing.T, r h2specReport, misses []map[string]string) {
	t.Helper()
	listed := map[string]string{}
	for _, m := range misses {
		maps.Copy(listed, m)
	}
	passed, all := 0, 0
	missed := map[string]bool{}
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			all++
			if c.Failure == nil && c.Error == nil && c.Skipped == nil {
				passed++
				continue
			}
			name := c.Name + ": " + c.Claim
			missed[name] = true
			if listed[name] == "" {
				t.Errorf("%s", name)
				for _, why := range []*string{c.Failure, c.Error} {
					if why != nil {
						t.Log(strings.TrimSpace(*why))
					}
				}
			}
		}
	}
	for name := range listed {
		if !missed[name] {
			t.Errorf("passes now, and is still listed as a miss: %s", name)
		}
	}
	if all < 145 {
		t.Errorf("h2spec ran only %d cases", all)
	}
	t.Logf("h2spec: %d of %d", passed, all)
}
