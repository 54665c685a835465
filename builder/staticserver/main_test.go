package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
	"time"
)

func page(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func packed(text string) *fstest.MapFile {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return &fstest.MapFile{Data: b.Bytes()}
}

func tree() fstest.MapFS {
	return fstest.MapFS{
		"index.html": page("home"), "404.html": page("no such page"), "about/index.html": page("about us"), "style.css": page("body{}"),
		"font.woff2": page("f"), "notes.txt": page("n"), "data": page("d"), "app.js": page("let a"), "app.js.gz": packed("let a"),
		".env": page("secret"), ".git/config": page("secret"), ".well-known/security.txt": page("mail us"), "img/a.png": page("p"),
	}
}

func ask(t *testing.T, s http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://site.test/", nil)
	r.URL.Path = target
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func newTestSite(t *testing.T, spa bool) *site {
	t.Helper()
	s, err := newSite(tree(), spa)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFilesAreServedWithTheirTypes(t *testing.T) {
	s := newTestSite(t, false)
	for path, want := range map[string]struct{ body, kind string }{
		"/":                         {"home", "text/html; charset=utf-8"},
		"/index.html":               {"home", "text/html; charset=utf-8"},
		"/about/":                   {"about us", "text/html; charset=utf-8"},
		"/style.css":                {"body{}", "text/css; charset=utf-8"},
		"/app.js":                   {"let a", "text/javascript; charset=utf-8"},
		"/font.woff2":               {"f", "font/woff2"},
		"/notes.txt":                {"n", "text/plain; charset=utf-8"},
		"/data":                     {"d", "application/octet-stream"},
		"/.well-known/security.txt": {"mail us", "text/plain; charset=utf-8"},
		"//about/../style.css":      {"body{}", "text/css; charset=utf-8"},
	} {
		w := ask(t, s, "GET", path)
		if w.Code != 200 || w.Body.String() != want.body || w.Header().Get("Content-Type") != want.kind || w.Header().Get("ETag") == "" {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, w.Header())
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := newTestSite(t, false)
	for _, path := range []string{"/nothing", "/img/", "/img", "/.env", "/.git/config", "/../../etc/passwd", "/style.css/", "/about/nothing"} {
		w := ask(t, s, "GET", path)
		if w.Code != 404 || w.Body.String() != "no such page" || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %q %v", path, w.Code, w.Body, w.Header())
		}
	}
}

func TestDirectoryWithoutSlashIsSentOn(t *testing.T) {
	s := newTestSite(t, false)
	for path, want := range map[string]string{"/about": "/about/", "//about": "/about/", "/x/../about": "/about/"} {
		if w := ask(t, s, "GET", path); w.Code != 301 || w.Header().Get("Location") != want {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestUnchangedFileIsNotSentAgain(t *testing.T) {
	s := newTestSite(t, false)
	tag := ask(t, s, "GET", "/style.css").Header().Get("ETag")
	if w := ask(t, s, "GET", "/style.css", "If-None-Match", tag); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := ask(t, s, "GET", "/style.css", "Range", "bytes=0-3"); w.Code != 206 || w.Body.String() != "body" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := ask(t, s, "HEAD", "/style.css"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "6" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if w := ask(t, s, "POST", "/style.css"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestCompressedFormIsSentToWhoAcceptsIt(t *testing.T) {
	s := newTestSite(t, false)
	plain := ask(t, s, "GET", "/app.js")
	w := ask(t, s, "GET", "/app.js", "Accept-Encoding", "br, gzip;q=0.5")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" ||
		w.Header().Get("Vary") != "Accept-Encoding" || plain.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("ETag") == plain.Header().Get("ETag") {
		t.Errorf("%v %v", w.Header(), plain.Header())
	}
	if r, err := gzip.NewReader(w.Body); err != nil {
		t.Error(err)
	} else if text, _ := io.ReadAll(r); string(text) != "let a" {
		t.Errorf("%q", text)
	}
	if w := ask(t, s, "GET", "/app.js", "Accept-Encoding", "gzip; q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("sent compressed to who refuses it")
	}
}

func TestUnknownPathGetsTheAppOnlyWhenAsked(t *testing.T) {
	s := newTestSite(t, true)
	if w := ask(t, s, "GET", "/users/7"); w.Code != 200 || w.Body.String() != "home" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if w := ask(t, s, "GET", "/missing.js"); w.Code != 404 {
		t.Errorf("a missing file got the page: %d", w.Code)
	}
}

// bigSize is more than the buffers of a connection hold.
const bigSize = 32 << 20

func TestRequestInFlightIsFinishedWhenAskedToStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	files := tree()
	files["big"] = &fstest.MapFile{Data: make([]byte, bigSize)}
	go func() { ended <- run(ctx, addr, files, false) }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		response, err := http.Get("http://" + addr + "/")
		if err == nil {
			_ = response.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	response, err := http.Get("http://" + addr + "/big")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stop() // most of the file is still to be sent
	body, err := io.ReadAll(response.Body)
	if err != nil || len(body) != bigSize {
		t.Errorf("%d bytes of %d arrived: %v", len(body), bigSize, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
