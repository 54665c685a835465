package http1

import (
	"strings"
	"testing"
)

// parse reads one request head from the begin of s.
func parse(t testing.TB, s string) (*Request, *Error) {
	t.Helper()
	end, _, err := End([]byte(s), 0, false)
	if err != nil {
		return nil, err
	}
	if end == 0 {
		t.Fatalf("no end of a head in %q", s)
	}
	r := new(Request)
	if err := r.Parse([]byte(s)[:end:end]); err != nil {
		return nil, err
	}
	return r, nil
}

func TestRequestIsReadInPlace(t *testing.T) {
	r, err := parse(t, "POST /a%2Fb//c?q=%zz;x HTTP/1.1\r\nHost:\tShop.Test:8080 \r\nCookie: a=b\r\nX-Empty:\r\nX_Odd: 1\r\n"+
		"Content-Length: 007\r\nConnection: keep-alive, X-Hop\r\nExpect: 100-Continue\r\n\r\nrest")
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Method()) != "POST" || string(r.Target()) != "/a%2Fb//c?q=%zz;x" || string(r.Host()) != "Shop.Test:8080" {
		t.Errorf("got %s %s for %s", r.Method(), r.Target(), r.Host())
	}
	if r.Length != 7 || !r.HasLength || r.Close || !r.Named || !r.Expects || r.Minor != 1 || len(r.Fields) != 7 {
		t.Errorf("got %+v", r)
	}
	if string(r.First(Cookie)) != "a=b" || r.Get("x-none") != nil || string(r.Get("x-empty")) != "" || !r.Fields[3].Odd {
		t.Errorf("fields %+v", r.Fields)
	}
}

func TestHTTP10EndsWithItsRequestUnlessItSaysOtherwise(t *testing.T) {
	for head, closes := range map[string]bool{
		"GET / HTTP/1.0\r\n\r\n":                                         true,
		"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n":               false,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                              false,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n":         true,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x , close\r\n\r\n":     true,
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\n\r\n":    false,
		"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n":        true,
		"GET http://a/ HTTP/1.1\r\nHost: b\r\nConnection: ,\r\n\r\n":     false,
		"GET http://a HTTP/1.1\r\nHost: b\r\nConnection: closed\r\n\r\n": false,
	} {
		r, err := parse(t, head)
		if err != nil {
			t.Errorf("%q: %v", head, err)
		} else if r.Close != closes {
			t.Errorf("%q: close %v", head, r.Close)
		}
	}
}

func TestAbsoluteTargetsGiveTheHost(t *testing.T) {
	for target, want := range map[string]string{
		"http://shop.test/a?b":      "shop.test /a?b",
		"HTTPS://shop.test:444":     "shop.test:444 /",
		"http://shop.test?q":        "shop.test /?q",
		"http://shop.test/?http://": "shop.test /?http://",
	} {
		r, err := parse(t, "GET "+target+" HTTP/1.1\r\nHost: other.test\r\nX-A: 1\r\n\r\n")
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if got := string(r.Host()) + " " + string(r.Target()); got != want || string(r.Get("x-a")) != "1" {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	field := func(lines string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n" }
	for head, status := range map[string]int{
		"\r\n\r\n":                                                                 400,
		" GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET /  HTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET / HTTP/1.1 \r\nHost: a\r\n\r\n":                                       400,
		"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET /\x0b HTTP/1.1\r\nHost: a\r\n\r\n":                                    400,
		"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n":                                    400,
		"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n":                                       400,
		"GET / http/1.1\r\nHost: a\r\n\r\n":                                        400,
		"GET / HTTP/1.1x\r\nHost: a\r\n\r\n":                                       400,
		"GET / HTTP/01.1\r\nHost: a\r\n\r\n":                                       400,
		"GET / HTTP/1,1\r\nHost: a\r\n\r\n":                                        400,
		"GET / HTTP/1.2\r\nHost: a\r\n\r\n":                                        505,
		"GET / HTTP/0.9\r\nHost: a\r\n\r\n":                                        505,
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":                                        505,
		"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n":                                     400,
		"GET a HTTP/1.1\r\nHost: a\r\n\r\n":                                        400,
		"GET * HTTP/1.1\r\nHost: a\r\n\r\n":                                        400,
		"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n":                                 400,
		"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n":                                400,
		"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n":                              400,
		"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n":                             400,
		"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n":                            501,
		"GET / HTTP/1.1\r\n\r\n":                                                   400,
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                          400,
		"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n":                             400,
		"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n":                             400,
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                      400,
		"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n":                                      400,
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n":                                      400,
		"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n":                                     400,
		"GET / HTTP/1.1\nHost: a\r\n\r\n":                                          400,
		"GET / HTTP/1.1\r\nHost: a\n\r\n":                                          400,
		"GET / HTTP/1.1\r\nHost: a\r\n\n":                                          400,
		"GET / HTTP/1.1\rHost: a\r\n\r\n":                                          400,
		field("X: a\rb"):                                                           400,
		field("X: a\r"):                                                            400,
		field("X: a\x00"):                                                          400,
		field("X: a\x7f"):                                                          400,
		field("X: aaaaaaaaaaaaaaaaaaaa\x01aaaaaaaaaaaaaa"):                         400,
		field("X : a"):                                                             400,
		field("X\t: a"):                                                            400,
		field(" X: a"):                                                             400,
		field("X: a\r\n b"):                                                        400,
		field("X: a\r\n\tb"):                                                       400,
		field("Transfer-Encoding:\r\n chunked"):                                    400,
		field("X"):                                                                 400,
		field(": a"):                                                               400,
		field("X y: a"):                                                            400,
		field("X\x80: a"):                                                          400,
		field("X(: a"):                                                             400,
		field("Content-Length: 4\r\nContent-Length: 4"):                            400,
		field("Content-Length: 4\r\ncontent-length: 5"):                            400,
		field("Content-Length: 4, 4"):                                              400,
		field("Content-Length: +4"):                                                400,
		field("Content-Length: -4"):                                                400,
		field("Content-Length: 0x4"):                                               400,
		field("Content-Length: 4 4"):                                               400,
		field("Content-Length: 4_0"):                                               400,
		field("Content-Length:"):                                                   400,
		field("Content-Length: 9999999999999999999"):                               400,
		field("Content-Length: 4\r\nTransfer-Encoding: chunked"):                   400,
		field("Transfer-Encoding: chunked\r\nContent-Length: 0"):                   400,
		field("Transfer-Encoding: xchunked"):                                       501,
		field("Transfer-Encoding: \"chunked\""):                                    501,
		field("Transfer-Encoding: chunked, chunked"):                               501,
		field("Transfer-Encoding: chunked,"):                                       501,
		field("Transfer-Encoding: ,chunked"):                                       501,
		field("Transfer-Encoding: chunked;q=1"):                                    501,
		field("Transfer-Encoding: identity"):                                       501,
		field("Transfer-Encoding: gzip, chunked"):                                  501,
		field("Transfer-Encoding: chun\u212aed"):                                   501,
		field("Transfer-Encoding:"):                                                501,
		field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"):          501,
		field("Expect: 200-ok"):                                                    417,
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n":                    400,
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n": 431,
	} {
		if r, err := parse(t, head); err == nil {
			t.Errorf("%q is accepted as %s %s for %s", head, r.Method(), r.Target(), r.Host())
		} else if err.Status != status {
			t.Errorf("%q: status %d (%v), want %d", head, err.Status, err, status)
		}
	}
}

func TestEndIsFoundHoweverTheHeadComes(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
	all := []byte(head + "GET /next")
	from := 0
	for n := range all {
		end, next, err := End(all[:n], from, false)
		if err != nil || end != 0 && n < len(head) || end == 0 && n >= len(head) {
			t.Fatalf("after %d bytes: end %d, %v", n, end, err)
		}
		if end != 0 {
			if end != len(head) {
				t.Fatalf("end %d, want %d", end, len(head))
			}
			break
		}
		from = next
	}
	if end, _, err := End([]byte("HTTP/1.1 200 OK\nA: b\r\n\nbody"), 0, true); end != 23 || err != nil {
		t.Errorf("a loose end is at %d, %v", end, err)
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	head := []byte("GET /a HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: x\r\nAccept: */*\r\nConnection: keep-alive\r\nCookie: a=b\r\n\r\n")
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nDate: x\r\n\r\n")
	var r Request
	var a Response
	if n := testing.AllocsPerRun(100, func() {
		if end, _, _ := End(head, 0, false); r.Parse(head[:end]) != nil {
			t.Error("refused")
		}
		if a.Parse(answer) != nil {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
