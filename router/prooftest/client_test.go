package prooftest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// kind is a way to ask.
type kind struct {
	name    string
	secure  bool
	http2   bool
	fresh   bool // a new connection for each request
	chunked bool
	bodies  []int // lengths of the bodies, in turn; nil: GET
	large   bool  // the answer has largeAnswer bytes; asked for by one client, and now and then
}

var kinds = []kind{
	{name: "HTTP/1.1 keep-alive"},
	{name: "HTTP/1.1 fresh", fresh: true},
	{name: "HTTP/2", secure: true, http2: true},
	{name: "HTTP/2 POST", secure: true, http2: true, bodies: []int{10, 3000, 70_000}},
	{name: "TLS", secure: true},
	{name: "POST bodies", bodies: []int{1, 800, 16_384, 100_000}},
	{name: "large answers", large: true}, // by way of a pipe
	{name: "chunked uploads", chunked: true, bodies: []int{5, 5000, 40_000}},
}

// asker is one client of a kind. It asks one app without pause.
type asker struct {
	kind
	id   string
	host string
	app  string
	addr string
	// floor is the oldest release that may answer a request that begins now.
	floor *atomic.Int64

	asked  int
	ended  int   // connections that an answer said were at their end
	newest int64 // release that has answered
	conn   net.Conn
	br     *bufio.Reader
	h2     *http.Client
}

// ask sends the next request and judges the answer.
func (a *asker) ask() error {
	floor := max(a.floor.Load(), a.newest)
	a.asked++
	id := fmt.Sprintf("%s/%d", a.id, a.asked)
	body := a.body(id)
	said, err := a.send(id, body)
	if err != nil {
		return fmt.Errorf("%s: request %s: %w", a.name, id, err)
	}
	var app, gotID string
	var release int64
	var length int
	var sum uint32
	if _, err := fmt.Sscanf(said, "%s %d %s %d %x", &app, &release, &gotID, &length, &sum); err != nil {
		return fmt.Errorf("%s: request %s got %q: %w", a.name, id, said, err)
	}
	switch {
	case a.large && len(said) != largeAnswer:
		return fmt.Errorf("%s: %d bytes of the answer to request %s came", a.name, len(said), id)
	case app != a.app || gotID != id:
		return fmt.Errorf("%s: request %s of %s got the answer to %s of %s", a.name, id, a.app, gotID, app)
	case release < floor:
		return fmt.Errorf("%s: release %d answered request %s, which began after the switch to %d", a.name, release, id, floor)
	case length != len(body) || sum != crc32.ChecksumIEEE(body):
		return fmt.Errorf("%s: %d of %d bytes of request %s came, or came changed", a.name, length, len(body), id)
	}
	a.newest = release
	return nil
}

// body is as long as it is the turn of, and like no other's.
func (a *asker) body(id string) []byte {
	if a.bodies == nil {
		return nil
	}
	n := a.bodies[a.asked%len(a.bodies)]
	return bytes.Repeat([]byte(id+" "), n/(len(id)+1)+1)[:n]
}

func (a *asker) send(id string, body []byte) (string, error) {
	if a.http2 {
		return a.sendHTTP2(id, body)
	}
	if a.conn == nil {
		if err := a.dial(); err != nil {
			return "", err
		}
	}
	said, last, err := a.exchange(id, body)
	if err == nil && last && !a.fresh {
		a.ended++
	}
	if err != nil || last || a.fresh {
		a.close()
	}
	return said, err
}

func (a *asker) dial() error {
	c, err := net.DialTimeout("tcp", a.addr, 10*time.Second)
	if err != nil {
		return err
	}
	// A reset at the end leaves no port in TIME_WAIT: there are more requests than ports.
	_ = c.(*net.TCPConn).SetLinger(0)
	a.conn = c
	if a.secure {
		a.conn = tls.Client(c, anyTLS("http/1.1"))
	}
	a.br = bufio.NewReader(a.conn)
	return nil
}

func (a *asker) close() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
	if a.h2 != nil {
		a.h2.CloseIdleConnections()
	}
}

// exchange is one request over HTTP/1.1. The answer tells whether it is the
// last on the connection.
func (a *asker) exchange(id string, body []byte) (said string, last bool, err error) {
	_ = a.conn.SetDeadline(time.Now().Add(30 * time.Second))
	var q bytes.Buffer
	method := "GET"
	if body != nil {
		method = "POST"
	}
	path := "/path"
	if a.large {
		path = largePath
	}
	fmt.Fprintf(&q, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Id: %s\r\n", method, path, a.host, id)
	switch {
	case a.chunked:
		q.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for piece := range pieces(body, 4000) {
			fmt.Fprintf(&q, "%x\r\n%s\r\n", len(piece), piece)
		}
		q.WriteString("0\r\n\r\n")
	case body != nil:
		fmt.Fprintf(&q, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		q.WriteString("\r\n")
	}
	if _, err := a.conn.Write(q.Bytes()); err != nil {
		return "", false, err
	}
	resp, err := http.ReadResponse(a.br, nil)
	if err != nil {
		return "", false, err
	}
	said, err = readAnswer(resp)
	return said, resp.Close, err
}

func pieces(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

func (a *asker) sendHTTP2(id string, body []byte) (string, error) {
	if a.h2 == nil {
		a.h2 = clientHTTP2(a.addr)
	}
	method, reader := http.MethodGet, io.Reader(http.NoBody)
	if body != nil {
		method, reader = http.MethodPost, strings.NewReader(string(body))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+a.host+"/path", reader)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Id", id)
	req.GetBody = nil // the client shall not repeat it
	resp, err := a.h2.Do(req)
	if err != nil {
		return "", err
	}
	return readAnswer(resp)
}

// clientHTTP2 reaches addr for every host, over TLS.
func clientHTTP2(addr string) *http.Client {
	var p http.Protocols
	p.SetHTTP2(true)
	return &http.Client{Transport: &http.Transport{
		Protocols: &p, TLSClientConfig: anyTLS(), DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	}}
}

func readAnswer(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %.200q", resp.StatusCode, b)
	}
	return string(b), nil
}
