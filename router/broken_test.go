package router

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBrokenAnswerIsNotShownAsComplete(t *testing.T) {
	for name, answer := range map[string]string{
		"length":         "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsomeclose",
		"chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsomeclose",
		"between":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nclose",
		"bad size":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nxyz\r\n",
		"in trailer":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\nclose",
		"bad terminator": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsomeXX0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, Config{})
			r.pointShop(answering(t, answer))
			resp, err := r.client().Get("http://shop.test/")
			if err != nil {
				return // broken before the head went out is as visible
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil {
				t.Errorf("a complete answer: %d %q", resp.StatusCode, body)
			}
			if len(body) > 4 {
				t.Errorf("something was appended: %q", body)
			}
			eventually(t, "it counts as failed", func() bool { return r.Figures("shop", 1).Failed == 1 })
		})
	}
}

func TestBrokenAnswerIsNotShownAsCompleteToHTTP10(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsomeclose"))
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n")
	if all, err := io.ReadAll(c.br); err == nil {
		t.Errorf("a complete answer: %q", all)
	}
}

func TestMalformedAnswerIsA502(t *testing.T) {
	for _, answer := range []string{
		"nonsense\r\n\r\nclose", "HTTP/1.1 abc\r\n\r\nclose", "HTTP/1.1 099 Low\r\n\r\nclose", "HTTP/1.1 200 OK\r\nno colon\r\n\r\nclose",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
		"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 300<<10) + "\r\n\r\n",
		strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100),
		"close",
	} {
		r := startRouter(t, Config{})
		r.pointShop(answering(t, answer))
		if status, _ := get(t, r.client(), "http://shop.test/"); status != 502 {
			t.Errorf("%.40q: status %d", answer, status)
		}
		r.stop()
	}
}

// TestStrayBodyAnswersNobody has an app send a body after a status that has
// none, when the next request is already on its way.
func TestStrayBodyAnswersNobody(t *testing.T) {
	for name, head := range map[string]string{
		"204 with a length": "HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n",
		"204 in chunks":     "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"304 with a length": "HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n",
		"304 in chunks":     "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
			r := startRouter(t, Config{})
			if strings.Contains(head, "%d") {
				head = fmt.Sprintf(head, len(stray))
			}
			r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
				for first := true; ; first = false {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					answer := head
					if !first {
						answer = stray // meant as the body of the answer before
					}
					io.WriteString(c, answer)
				}
			}))
			client := r.client()
			for range 5 {
				if status, body := get(t, client, "http://shop.test/"); status == 200 {
					t.Fatalf("the stray body answers another request: %d %q", status, body)
				}
			}
		})
	}
}

func TestAnswersThatSayTheLengthOfNoBodyKeepTheConnection(t *testing.T) {
	for name, head := range map[string]string{
		"204 without a length": "HTTP/1.1 204 No Content\r\n\r\n",
		"204 of length 0":      "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"304 without a length": "HTTP/1.1 304 Not Modified\r\n\r\n",
		"HEAD with a length":   "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, Config{})
			var conns atomic.Int64
			r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
				conns.Add(1)
				for {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					io.WriteString(c, head)
				}
			}))
			client := r.client()
			for range 5 {
				resp, err := client.Head("http://shop.test/")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			if n := conns.Load(); n != 1 {
				t.Errorf("5 requests took %d connections", n)
			}
		})
	}
}
