package router

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// wire notes every byte that reaches the app.
type wire struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func wiretapped(t *testing.T, w *wire) deploy.Instance {
	return startRaw(t, 1, func(c net.Conn, _ *bufio.Reader) {
		br := bufio.NewReader(io.TeeReader(c, w))
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

func TestAmbiguousRequestsDoNotReachTheApp(t *testing.T) {
	const next = "GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"
	post := func(head, body string) string {
		return "POST / HTTP/1.1\r\nHost: shop.test\r\n" + head + "\r\n\r\n" + body
	}
	for name, c := range map[string]struct {
		request string
		status  int  // 0: the connection just closes
		silent  bool // nothing may reach the app
	}{
		"two lengths":             {post("Content-Length: 4\r\nContent-Length: 44", "abcd"+next), 400, true},
		"lengths in a list":       {post("Content-Length: 4, 44", "abcd"+next), 400, true},
		"signed length":           {post("Content-Length: +4", "abcd"+next), 400, true},
		"hex length":              {post("Content-Length: 0x4", "abcd"+next), 400, true},
		"empty length":            {post("Content-Length:", next), 400, true},
		"negative length":         {post("Content-Length: -1", next), 400, true},
		"space before colon":      {post("Transfer-Encoding : chunked", "0\r\n\r\n"+next), 400, true},
		"unknown coding":          {post("Transfer-Encoding: xchunked", "0\r\n\r\n"+next), 501, true},
		"chunked twice":           {post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"+next), 501, true},
		"identity coding":         {post("Transfer-Encoding: identity", next), 501, true},
		"gzip then chunked":       {post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"+next), 501, true},
		"two codings":             {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", "0\r\n\r\n"+next), 501, true},
		"vertical tab coding":     {post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"+next), 400, true},
		"null in a value":         {post("X-A: a\x00b", ""), 400, true},
		"bare CR in a value":      {post("X-A: a\rContent-Length: 4", "abcd"), 400, true},
		"no host":                 {"GET / HTTP/1.1\r\n\r\n", 400, true},
		"two hosts":               {"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: other.test\r\n\r\n", 400, true},
		"host with a path":        {"GET / HTTP/1.1\r\nHost: shop.test/evil\r\n\r\n", 400, true},
		"host with a user":        {"GET / HTTP/1.1\r\nHost: a@shop.test\r\n\r\n", 400, true},
		"first line space":        {"GET /a b HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400, true},
		"unknown version":         {"GET / HTTP/3.0\r\nHost: shop.test\r\n\r\n", 505, true},
		"no version":              {"GET /\r\nHost: shop.test\r\n\r\n", 400, true},
		"leading space field":     {"GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n", 400, true},
		"fragment":                {"GET /a#b HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400, true},
		"asterisk":                {"GET * HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400, true},
		"no slash":                {"GET a HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400, true},
		"connect":                 {"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test\r\n\r\n", 501, true},
		"connect a path":          {"CONNECT /x HTTP/1.1\r\nHost: shop.test\r\n\r\n", 501, true},
		"upgrade to h2c":          {"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 400, true},
		"upgrade to H2C in list":  {"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", 400, true},
		"upgrade with a body":     {post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4", "abcd"), 400, true},
		"upgrade with chunks":     {post("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400, true},
		"bad chunk size":          {post("Transfer-Encoding: chunked", "zz\r\nab\r\n0\r\n\r\n"+next), 400, false},
		"chunk longer than said":  {post("Transfer-Encoding: chunked", "2\r\nabcd\r\n0\r\n\r\n"+next), 400, false},
		"signed chunk":            {post("Transfer-Encoding: chunked", "+2\r\nab\r\n0\r\n\r\n"+next), 400, false},
		"endless chunk size":      {post("Transfer-Encoding: chunked", "0000000000000000000000002\r\nab\r\n0\r\n\r\n"+next), 400, false},
		"body that never comes":   {post("Content-Length: 10", "abc"), 408, true},
		"chunks that never come":  {post("Transfer-Encoding: chunked", "3\r\nabc\r\n"), 408, false},
		"websocket over HTTP/1.0": {"GET /ten HTTP/1.0\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			var w wire
			r := startRouter(t, Config{Limits: Limits{Body: 300 * time.Millisecond}})
			r.pointShop(wiretapped(t, &w))
			conn := dialRaw(t, r.plain)
			conn.say(c.request)
			resp, err := http.ReadResponse(conn.br, nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
			if more, _ := io.ReadAll(conn.br); len(more) > 0 {
				t.Errorf("the connection went on: %q", more)
			}
			got := w.String()
			if c.silent && got != "" || strings.Contains(got, "smuggled") || strings.Contains(strings.ToLower(got), "upgrade") {
				t.Errorf("the app got %q", got)
			}
		})
	}
}

func TestWhatNetHTTPNormalizesReachesTheAppPlain(t *testing.T) {
	r := startRouter(t, Config{})
	heads := headApp(t, r)
	for name, request := range map[string]string{
		"bare line feeds":   "GET / HTTP/1.1\nHost: shop.test\nX-A: b\n\n",
		"folded line":       "GET / HTTP/1.1\r\nHost: shop.test\r\nX-A: a\r\n b\r\n\r\n",
		"both framings":     "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded coding":     "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"same length twice": "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	} {
		c := dialRaw(t, r.plain)
		c.say(request)
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
			continue // stricter is fine
		}
		head := <-heads
		if len(fields(head, "Content-Length"))+len(fields(head, "Transfer-Encoding")) > 1 {
			t.Errorf("%s: two framings arrive: %q", name, head)
		}
		for _, line := range head {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				t.Errorf("%s: a folded line arrives: %q", name, head)
			}
		}
	}
}
