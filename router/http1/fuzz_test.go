package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
)

// The fuzz tests hold the parser against net/http: what is accepted here is
// accepted there and means the same. The other way round it is stricter.

// canonicalTarget puts a harmless target in place of the one that was parsed:
// net/http refuses "%zz", which is passed byte for byte here.
func canonicalTarget(head []byte) []byte {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	parts := bytes.SplitN(line, []byte(" "), 3)
	if len(parts) != 3 || parts[1][0] != '/' {
		return head
	}
	return slices.Concat(parts[0], []byte(" /canonical "), parts[2], []byte("\r\n"), rest)
}

func FuzzRequestHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
		"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		end, _, err := End(p, 0, false)
		if err != nil || end == 0 {
			return
		}
		var r Request
		if r.Parse(p[:end:end]) != nil {
			return
		}
		if i := bytes.Index(p, []byte("\r\n\r\n")); i+4 != end {
			t.Fatalf("the head ends at %d, the empty line is at %d: %q", end, i, p)
		}
		theirs, rerr := http.ReadRequest(bufio.NewReader(bytes.NewReader(canonicalTarget(p[:end]))))
		if rerr != nil {
			if strings.HasPrefix(string(r.Target()), "/") && bytes.Contains(p[:end], []byte("://")) && strings.Contains(rerr.Error(), "parse") {
				return // an absolute target whose path net/http can't unescape
			}
			t.Fatalf("net/http refuses %q: %v", p[:end], rerr)
		}
		compareRequests(t, &r, theirs)
	})
}

func compareRequests(t *testing.T, r *Request, theirs *http.Request) {
	t.Helper()
	if theirs.Method != string(r.Method()) || theirs.Host != string(r.Host()) {
		t.Fatalf("net/http reads %s for %q, we %s for %q", theirs.Method, theirs.Host, r.Method(), r.Host())
	}
	if theirs.ContentLength != r.Length {
		t.Fatalf("net/http reads length %d, we %d", theirs.ContentLength, r.Length)
	}
	if (len(theirs.TransferEncoding) > 0) != (r.Length == Chunked) {
		t.Fatalf("net/http reads coding %q, we length %d", theirs.TransferEncoding, r.Length)
	}
	if theirs.ProtoMinor != r.Minor {
		t.Fatalf("net/http reads version 1.%d, we 1.%d", theirs.ProtoMinor, r.Minor)
	}
	ours := http.Header{}
	for _, f := range r.Fields {
		ours.Add(string(r.NameOf(f)), string(r.Value(f)))
	}
	for _, moved := range []string{"Host", "Transfer-Encoding"} {
		ours.Del(moved)
	}
	for name, values := range theirs.Header {
		if name == "Content-Length" || name == "Trailer" || name == "Pragma" || name == "Cache-Control" {
			continue // net/http derives or rewrites these
		}
		if !slices.Equal(ours[name], values) {
			t.Fatalf("net/http reads %s as %q, we %q", name, values, ours[name])
		}
	}
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 204\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
	} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, p []byte, toHead bool) {
		end, _, err := End(p, 0, true)
		if err != nil || end == 0 {
			return
		}
		var r Response
		if r.Parse(p[:end]) != nil {
			return
		}
		method := "GET"
		if toHead {
			method = "HEAD"
		}
		theirs, rerr := http.ReadResponse(bufio.NewReader(bytes.NewReader(p[:end])), &http.Request{Method: method})
		if rerr != nil {
			t.Fatalf("net/http refuses %q: %v", p[:end], rerr)
		}
		if theirs.StatusCode != r.Status {
			t.Fatalf("net/http reads status %d, we %d", theirs.StatusCode, r.Status)
		}
		if toHead || r.Status < 200 || r.Status == 204 || r.Status == 304 {
			if n := r.BodyLength(toHead); n != 0 {
				t.Fatalf("a body of %d where there is none", n)
			}
			return
		}
		want := theirs.ContentLength
		if len(theirs.TransferEncoding) == 0 && want < 0 {
			want = UntilClose
		}
		if n := r.BodyLength(toHead); n != want {
			t.Fatalf("net/http reads length %d, we %d", want, n)
		}
	})
}

func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"3\r\nabc\r\n0\r\n\r\n", "3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\nGET /", "0\r\n\r\n", "5 \r\nabcde\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "A\r\n0123456789\r\n00\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(7))
	}
	f.Fuzz(func(t *testing.T, p []byte, size uint8) {
		whole, rest, trailers, err := decode(string(p), len(p)+1)
		pieces, rest2, trailers2, err2 := decode(string(p), int(size)+1)
		if (err == nil) != (err2 == nil) || err == nil && (whole != pieces || rest != rest2 || trailers != trailers2) {
			t.Fatalf("whole: %q %q %v, in pieces: %q %q %v", whole, rest, err, pieces, rest2, err2)
		}
		if err != nil {
			return
		}
		theirs, rerr := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(p)))
		if rerr != nil && !strings.Contains(rerr.Error(), "too much chunked encoding") {
			t.Fatalf("net/http refuses %q: %v", p, rerr)
		}
		if rerr == nil && string(theirs) != whole {
			t.Fatalf("net/http reads %q, we %q", theirs, whole)
		}
	})
}
