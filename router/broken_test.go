package router

import (
	"io"
	"strings"
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
