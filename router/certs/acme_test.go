package certs_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"teal/router/certs/certstest"
)

func TestACertificateIsIssuedByEitherChallenge(t *testing.T) {
	t.Parallel()
	for challenge, without := range map[string]string{"HTTP-01": "https", "TLS-ALPN-01": "http"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, options{without: without})
			host := strings.ToLower(challenge) + ".a1.example.com"
			s.serve("shop", host)
			s.await(host)
			status, _, body := get(t, s.client(s.ca.Roots), "https://"+host+"/cart?a=%2F")
			if status != 200 || body != "https /cart?a=%2F" {
				t.Errorf("https answers %d %q", status, body)
			}
			if c := s.Status(host); c.Error != "" || c.NotAfter.IsZero() || c.App != "shop" || c.Own {
				t.Errorf("status is %+v", c)
			}
		})
	}
}

func TestTwoHostsAtOnceAndOneThatIsRemoved(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	s.serve("shop", "shop.a2.example.com", "www.a2.example.com")
	s.await("shop.a2.example.com")
	s.await("www.a2.example.com")
	s.serve("shop", "shop.a2.example.com")
	eventually(t, "the end of www", func() bool { return s.shown("www.a2.example.com") == nil }, func() any { return nil })
	if s.shown("shop.a2.example.com") == nil {
		t.Error("the other host lost its certificate")
	}
	before := s.ca.Orders()
	s.serve("shop", "shop.a2.example.com", "www.a2.example.com")
	s.await("www.a2.example.com")
	if after := s.ca.Orders(); after != before {
		t.Errorf("the authority was asked again (%d orders, %d before) for a certificate that is kept", after, before)
	}
}

func TestARestartUsesWhatIsKeptAndAsksNobody(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	s.serve("shop", "shop.a3.example.com")
	first := s.await("shop.a3.example.com")
	s.ca.Down(true)
	before := s.ca.Requests()
	s.restart()
	again := s.shown("shop.a3.example.com") // at once: no waiting
	if again == nil || !again.Equal(first) {
		t.Fatal("the kept certificate is not shown after a restart")
	}
	if n := s.ca.Requests() - before; n != 0 {
		t.Errorf("the authority was asked %d times", n)
	}
	err := filepath.WalkDir(s.config.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && path != s.config.Dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others can read it", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestACertificateIsRenewedInTime(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{ca: certstest.Config{Lifetime: time.Minute}, renewAt: 0.97})
	s.serve("shop", "shop.a4.example.com")
	first := s.await("shop.a4.example.com")
	eventually(t, "another certificate", func() bool {
		now := s.shown("shop.a4.example.com")
		if now == nil {
			t.Fatal("nothing was shown meanwhile")
		}
		return !now.Equal(first)
	}, func() any { return s.Status("shop.a4.example.com") })
}

func TestWhileTheAuthorityIsDownTheOldCertificateServesAndItRecovers(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{
		ca: certstest.Config{Lifetime: time.Minute}, renewAt: 0.97,
		retry: func(int) time.Duration { return 200 * time.Millisecond },
	})
	s.serve("shop", "shop.a5.example.com")
	first := s.await("shop.a5.example.com")
	s.ca.Down(true)
	s.serve("blog", "blog.a5.example.com")
	for _, host := range []string{"shop.a5.example.com", "blog.a5.example.com"} {
		eventually(t, "an error for "+host, func() bool { return s.Status(host).Error != "" }, func() any { return s.Status(host) })
		if c := s.Status(host); !strings.Contains(c.Error, "does not answer") || c.Since.IsZero() || c.Next.IsZero() {
			t.Errorf("status is %+v", c)
		}
	}
	if now := s.shown("shop.a5.example.com"); now == nil || !now.Equal(first) {
		t.Error("the old certificate is not shown")
	}
	if status, _, _ := get(t, s.client(nil), "http://blog.a5.example.com/"); status != 200 {
		t.Errorf("without a certificate http answers %d", status)
	}
	s.ca.Down(false)
	s.await("blog.a5.example.com")
	eventually(t, "another certificate", func() bool { c := s.shown("shop.a5.example.com"); return c != nil && !c.Equal(first) }, func() any { return s.Status("shop.a5.example.com") })
	if c := s.Status("shop.a5.example.com"); c.Error != "" {
		t.Errorf("the error stays: %+v", c)
	}
}

func TestAnAccountIsBoundToOneThatTheAuthorityHas(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{ca: certstest.Config{KeyID: "kid-1", MACKey: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}})
	s.serve("shop", "shop.a6.example.com")
	s.await("shop.a6.example.com")
}

func TestAHandshakeNeverAsksTheAuthority(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	s.serve("shop", "shop.a7.example.com")
	s.await("shop.a7.example.com")
	before := s.ca.Requests()
	for _, host := range []string{"stranger.a7.example.com", "a.shop.a7.example.com", "a7.example.com", "xn--80ak6aa92e.com"} {
		if s.shown(host) != nil {
			t.Errorf("%s has a certificate", host)
		}
	}
	if n := s.ca.Requests() - before; n != 0 {
		t.Errorf("handshakes made %d requests to the authority", n)
	}
}

func TestNamesThatNoAuthorityCanNameAreNotAskedFor(t *testing.T) {
	t.Parallel()
	s := startSite(t, options{})
	s.serve("shop", "shop.localhost", "localhost", "*.a8.example.com", "127.0.0.9", "intranet", "shop.a8.example.com")
	s.await("shop.a8.example.com")
	if n := s.ca.Orders(); n != 1 {
		t.Errorf("%d certificates were asked for, not 1", n)
	}
}
