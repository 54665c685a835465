package router

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// headApp notes the heads it gets, and answers.
func headApp(t *testing.T, r *testRouter) (heads chan []string) {
	heads = make(chan []string, 10)
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			heads <- head
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nX-Plain: 2\r\nKeep-Alive: timeout=5\r\n\r\nok")
		}
	}))
	return heads
}

func fields(head []string, name string) (values []string) {
	for _, line := range head[1:] {
		if n, v, _ := strings.Cut(line, ": "); strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

func TestPathAndQueryPassByteForByte(t *testing.T) {
	r := startRouter(t, Config{})
	heads := headApp(t, r)
	c := dialRaw(t, r.plain)
	for _, target := range []string{
		"/", "/a%2Fb/../c//d", "/?a=1;b=2&c", "/x?%zz", "/?", "//double//", "/a%00b", "/ü", "/?q=a+b%20c", "/*", "/a;b=c?d",
	} {
		c.say("GET " + target + " HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
			t.Fatalf("%s: status %d", target, resp.StatusCode)
		}
		if head := <-heads; head[0] != "GET "+target+" HTTP/1.1" {
			t.Errorf("%s arrives as %q", target, head[0])
		}
	}
	c.say("GET http://shop.test/abs?x HTTP/1.1\r\nHost: other.test\r\n\r\n")
	c.answer("GET")
	if head := <-heads; head[0] != "GET /abs?x HTTP/1.1" || !slices.Equal(fields(head, "Host"), []string{"shop.test"}) {
		t.Errorf("the absolute form arrives as %q", head)
	}
}

func TestHopByHopFieldsStayAndEndToEndFieldsPass(t *testing.T) {
	r := startRouter(t, Config{})
	heads := headApp(t, r)
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.1\r\nHost: shop.test\r\n" +
		"Connection: close, X-Hop, Cookie, Authorization, X-Forwarded-For, X-Request-Id\r\n" +
		"X-Hop: 1\r\nCookie: a=b\r\nAuthorization: Basic eA==\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n" +
		"Te: trailers, gzip\r\nUpgrade: something\r\nProxy: http://evil\r\nProxy-Authorization: x\r\nHttp2-Settings: AAMAAABkAAQAAP__\r\n" +
		"Accept-Encoding: br\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Custom_name: kept\r\nX-Empty:\r\n\r\n")
	resp, _ := c.answer("GET")
	head := <-heads
	for name, want := range map[string][]string{
		"X-Hop": nil, "Keep-Alive": nil, "Proxy-Connection": nil, "Upgrade": nil, "Proxy": nil, "Proxy-Authorization": nil, "Http2-Settings": nil,
		"Connection": {"te"}, "Te": {"trailers"}, "Cookie": {"a=b"}, "Authorization": {"Basic eA=="},
		"Accept-Encoding": {"br"}, "X-Twice": {"1", "2"}, "X-Custom_name": {"kept"}, "X-Empty": {""},
		"User-Agent": nil, "Content-Length": nil, "Content-Type": nil,
		"X-Forwarded-For": {"127.0.0.1"},
	} {
		if got := fields(head, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if resp.Header["X-Secret"] != nil || resp.Header.Get("X-Plain") != "2" || resp.Header["Keep-Alive"] != nil {
		t.Errorf("the answer has %v", resp.Header)
	}
}

func TestWhoAskedIsSaidByTheRouterOnly(t *testing.T) {
	forged := "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Prefix: /x\r\n" +
		"X-Forwarded-User: root\r\nForwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\nX-Request-Id: 0123456789012345678901234\r\n" +
		"X_Forwarded_For: 7.7.7.7\r\nX.Forwarded.Host: 7.7.7.7\r\nx-forwarded_proto: https\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Request_Id: x\r\n"
	ask := func(c Config) []string {
		r := startRouter(t, c)
		heads := headApp(t, r)
		conn := dialRaw(t, r.plain)
		conn.say("GET / HTTP/1.1\r\nHost: Shop.Test:8080\r\n" + forged + "\r\n")
		resp, _ := conn.answer("GET")
		head := <-heads
		if got := fields(head, "X-Request-Id"); len(got) != 1 || resp.Header.Get("X-Request-Id") != got[0] {
			t.Errorf("the app knows the request as %q, the client as %q", got, resp.Header.Get("X-Request-Id"))
		}
		for _, line := range head {
			if strings.Contains(line, "7.7.7.7") || strings.Contains(line, "_") {
				t.Errorf("a look-alike passed: %q", line)
			}
		}
		return head
	}
	check := func(head []string, want map[string][]string) {
		t.Helper()
		for name, want := range want {
			if got := fields(head, name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	head := ask(Config{})
	check(head, map[string][]string{
		"Host": {"Shop.Test:8080"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"Shop.Test:8080"},
		"X-Forwarded-Prefix": nil, "X-Forwarded-User": nil, "X-Real-Ip": nil,
		"Forwarded": {`for=127.0.0.1;host="Shop.Test:8080";proto=http`},
	})
	if id := fields(head, "X-Request-Id")[0]; len(id) != 32 || strings.HasPrefix(id, "0123456789012345") {
		t.Errorf("request id %q", id)
	}
	check(ask(Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), map[string][]string{
		"X-Forwarded-For": {"6.6.6.6, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.test"},
		"X-Forwarded-Prefix": {"/x"}, "X-Real-Ip": {"6.6.6.6"},
		"Forwarded":    {`for=6.6.6.6, for=127.0.0.1;host="Shop.Test:8080";proto=http`},
		"X-Request-Id": {"0123456789012345678901234"},
	})
}

func TestBodyLengthIsSaidOnce(t *testing.T) {
	r := startRouter(t, Config{})
	heads := make(chan []string, 1)
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		head, err := readHead(br)
		if err != nil {
			return
		}
		heads <- head
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, br)
	}))
	for _, c := range []struct{ request, length, coding string }{
		{"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc", "3", ""},
		{"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n", "", "chunked"},
		{"POST / HTTP/1.1\r\nHost: shop.test\r\n\r\n", "0", ""},
		{"GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"DELETE / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nab", "2", ""},
	} {
		conn := dialRaw(t, r.plain)
		conn.say(c.request)
		conn.answer("POST")
		head := <-heads
		if length, coding := strings.Join(fields(head, "Content-Length"), ","), strings.Join(fields(head, "Transfer-Encoding"), ","); length != c.length || coding != c.coding {
			t.Errorf("%q arrives with length %q and coding %q", c.request, length, coding)
		}
	}
}
