package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAlpinesVersionsAreOrdered(t *testing.T) {
	t.Parallel()
	rising := strings.Fields("1.2_alpha 1.2_alpha2 1.2_beta1-r3 1.2_rc1 1.2_rc2 1.2 1.2-r1 1.2-r10 1.2_p1 1.2_p1-r1 1.2a 1.2.0 1.2.4-r1 1.2.10 1.10 2")
	for i, a := range rising {
		for k, b := range rising {
			want := 0
			if i < k {
				want = -1
			} else if i > k {
				want = 1
			}
			if got := compareAlpine(a, b); got != want {
				t.Errorf("%s and %s: %d, want %d", a, b, got, want)
			}
		}
	}
	if compareAlpine("1.2", "latest") != 0 {
		t.Error("a word is a version")
	}
}

// apkIndexFile is as abuild makes it: a signature and the index, two gzip members
// of which the first has no end of archive.
func apkIndexFile(t *testing.T, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	for i, f := range []namedFile{{".SIGN.RSA.test.pub", []byte("signature")}, {"APKINDEX", []byte(text)}} {
		z := gzip.NewWriter(&file)
		w := tar.NewWriter(z)
		if err := writeFile(w, f.name, 0o644, f.data); err != nil {
			t.Fatal(err)
		}
		err := w.Flush()
		if i == 1 {
			err = w.Close()
		}
		if err != nil || z.Close() != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

func TestAlpinesUpdatesAreReadOffTheMirrorsIndex(t *testing.T) {
	t.Parallel()
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/alpine/v3.18/main/x86_64/APKINDEX.tar.gz":
			_, _ = w.Write(apkIndexFile(t, "P:musl\nV:1.2.4-r3\nA:x86_64\n\nP:libssl3\nV:3.1.4-r1\nA:x86_64\no:openssl\n\n"))
		case "/alpine/edge/main/x86_64/APKINDEX.tar.gz":
			_, _ = w.Write(apkIndexFile(t, "P:libssl3\nV:3.5.0-r0\nA:x86_64\n\n"))
		case "/alpine/v3.18/community/x86_64/APKINDEX.tar.gz":
			_, _ = w.Write(apkIndexFile(t, "P:zlib\nV:1.2.13-r0\n\n"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(mirror.Close)
	b := newBench(t, func(c *Config) { c.ApkMirror = mirror.URL + "/alpine/" })
	alpine := func(repositories string) string {
		built, _ := b.build(request(files(
			"Dockerfile", "FROM scratch\nCOPY . /\n", "etc/apk/repositories", repositories,
			"lib/apk/db/installed", "P:musl\nV:1.2.4-r1\nA:x86_64\n\nP:libssl3\nV:3.1.4-r1\nA:x86_64\no:openssl\n\nP:zlib\nV:1.2.13-r1\nA:x86_64\n\n",
			"etc/os-release", "ID=alpine\nVERSION_ID=3.18.2\nPRETTY_NAME=\"Alpine Linux v3.18\"\n")))
		return built.Image
	}
	all, err := b.Pending(t.Context(),
		alpine("https://cdn.example/alpine/v3.18/main\n@edge https://cdn.example/alpine/edge/main\n# https://cdn.example/alpine/v3.18/testing\nhttps://cdn.example/alpine/v3.18/community\n"),
		alpine("http://169.254.169.254/../../secrets\n"), alpine("https://cdn.example/alpine/v3.99/main\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0].Changes; len(got) != 1 || got[0].String() != "musl 1.2.4-r1 → 1.2.4-r3" {
		t.Errorf("%s", all[0])
	}
	contains(t, strings.Join(all[1].Unknown, "\n"), "it names no repositories that the mirror could have")
	contains(t, strings.Join(all[2].Unknown, "\n"), "/v3.99/main/x86_64/APKINDEX.tar.gz answers 404")
}
