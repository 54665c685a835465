package deploy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"teal/deploy"
)

func TestProbeAsksForAllThatIsExpected(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host+r.URL.Path)
		if r.URL.Path == "/bad" {
			w.WriteHeader(500)
		}
		fmt.Fprintf(w, "Welcome to %s\nline two", r.Host)
	}))
	defer server.Close()
	addr := netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://"))
	for want, expect := range map[string][]deploy.Expectation{
		"":                                       {{Path: "/", Text: "Welcome to shop.test"}, {Path: "/x", Host: "admin.test", Text: "line two"}},
		`answered 200 without "Welcome to shop"`: {{Path: "/", Text: "Welcome"}, {Path: "/x", Host: "admin.test", Text: "Welcome to shop"}},
		"answered 500":                           {{Path: "/"}, {Path: "/bad", Text: "Welcome"}},
	} {
		s := deploy.DefaultSettings()
		s.Expect = expect
		err := deploy.HTTPProbe(t.Context(), addr, "shop.test", s)
		if got := fmt.Sprint(err); got != want && (want != "" || err != nil) {
			t.Errorf("%+v: %v, want %q", expect, err, want)
		}
	}
	if all := strings.Join(asked, " "); !strings.Contains(all, "admin.test/x") {
		t.Errorf("asked %s", all)
	}
}
