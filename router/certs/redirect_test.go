package certs_test

import (
	"testing"
	"time"

	"teal/deploy"
	"teal/router/certs"
)

func TestPlainRequestsAreRedirectedWhereTLSIsServedOnly(t *testing.T) {
	t.Parallel()
	own := writePair(t, t.TempDir(), 1, 24*time.Hour, nil, "shop.example.com", "blog.example.com")
	s := startSite(t, options{noACME: true, own: []certs.Pair{own}})
	s.serve("shop", "shop.example.com", "plain.example.com")
	in := s.app
	in.App = "blog"
	s.router.Point(deploy.Route{
		App: "blog", Hosts: []string{"blog.example.com"}, // and no redirect
		Live: deploy.Backend{Color: deploy.Blue, Release: 1, Instances: []deploy.Instance{in}},
	})
	c := s.client(nil)
	for url, want := range map[string]struct {
		status   int
		location string
	}{
		"http://shop.example.com/a%2Fb//c;d?x=%zz&y=a+b":          {308, "https://shop.example.com" + s.securePort + "/a%2Fb//c;d?x=%zz&y=a+b"},
		"http://SHOP.example.com:80/":                             {308, "https://shop.example.com" + s.securePort + "/"},
		"http://shop.example.com//evil.example.org/":              {308, "https://shop.example.com" + s.securePort + "//evil.example.org/"},
		"http://plain.example.com/":                               {200, ""},
		"http://blog.example.com/":                                {200, ""},
		"http://nobody.example.com/":                              {404, ""},
		"http://shop.example.com/.well-known/acme-challenge/none": {308, "https://shop.example.com" + s.securePort + "/.well-known/acme-challenge/none"},
	} {
		status, header, _ := get(t, c, url)
		if status != want.status || header.Get("Location") != want.location {
			t.Errorf("%s answers %d to %q, want %d to %q", url, status, header.Get("Location"), want.status, want.location)
		}
	}
}
