package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// direct asks without the detour over a front-end.
func direct(url string) (status int, body string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestWhatIsServedIsSeenInMetricsAndAccessLog(t *testing.T) {
	t.Parallel()
	logFile := filepath.Join(t.TempDir(), "access.log")
	w := newWorld(t, "--access-log", logFile, "--default-app", "shop")
	if status, _, err := w.get("http://nobody.test/"); err != nil || status != 404 {
		t.Errorf("before the default app is there: %d %v", status, err)
	}
	a := w.app(t, "anna", "shop")
	a.deploys(vict{version: "1"})
	a.deploys(vict{version: "2"})
	if status, body, err := w.get("http://nobody.test/version"); err != nil || status != 200 || strings.TrimSpace(body) != "2" {
		t.Errorf("the default app: %d %q %v", status, body, err)
	}
	_, body, err := direct("http://" + w.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`teal_promotions_total{app="shop",color="blue"} 1`, `teal_promotions_total{app="shop",color="green"} 1`,
		`teal_requests_total{app="shop",code="200",color="green"} `, `teal_unrouted_requests_total{code="404"} 1`,
		`teal_instance_up{app="shop",color="green",instance="1"} 1`, "teal_request_duration_seconds_bucket", "process_open_fds",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if status, _, _ := direct("http://" + w.metrics + "/"); status != 404 {
		t.Errorf("beside the metrics there is something: %d", status)
	}
	seen := func() bool {
		b, err := os.ReadFile(logFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil && m["host"] == "nobody.test" && m["app"] == "shop" && m["release"] == 2.0 {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(patience); !seen(); {
		if time.Now().After(end) {
			t.Fatal("the access log does not have the request")
		}
		<-time.NewTimer(10 * time.Millisecond).C
	}
}
