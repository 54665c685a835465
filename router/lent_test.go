package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// lateConn is a connection whose writer is off the processor for a moment
// after each write: what answers the write is there before it goes on.
type lateConn struct{ net.Conn }

func (c lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	<-time.After(time.Millisecond)
	return n, err
}

// pointLate points at the app, and has it written to by way of lateConn.
func (r *testRouter) pointLate(in deploy.Instance) {
	r.pointH2C(in)
	defer r.pointH2C(in) // what is changed happens before the requests
	t := r.table.Load().app("shop").sides[production].instances[0].http2()
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return lateConn{c}, nil
	}
}

// TestBodyOfAnAnsweredRequestIsNotAnothers has an app answer before it has
// read the body: by then the buffer that the request came in may carry the
// request of somebody else.
func TestBodyOfAnAnsweredRequestIsNotAnothers(t *testing.T) {
	const clients, each = 8, 25
	for _, kind := range []string{"text/event-stream", "text/plain"} {
		t.Run(kind, func(t *testing.T) {
			r := startRouter(t, Config{})
			r.pointLate(startH2C(t, 1, func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Content-Type", kind)
				w.(http.Flusher).Flush() // with nothing read
				body, err := io.ReadAll(q.Body)
				if want := bodyNamed(q.Header.Get("X-Test-Id")); err != nil || string(body) != want {
					fmt.Fprintf(w, "the body of %s is %.40q, %v", q.Header.Get("X-Test-Id"), body, err)
					return
				}
				io.WriteString(w, "ok")
			}))
			var wg sync.WaitGroup
			for n := range clients {
				wg.Go(func() {
					client := r.client()
					for i := range each {
						id := fmt.Sprintf("%d-%d", n, i)
						req, _ := http.NewRequest(http.MethodPost, "http://shop.test/", strings.NewReader(bodyNamed(id)))
						req.Header.Set("X-Test-Id", id)
						resp, err := client.Do(req)
						if err != nil {
							t.Error(err)
							return
						}
						said, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if err != nil || string(said) != "ok" {
							t.Errorf("%s, %v", said, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// bodyNamed is a small body that no other request has.
func bodyNamed(id string) string { return strings.Repeat("<"+id+">", 300) }

// TestEventsBeginWhileTheUploadGoesOn has both directions of a request busy at
// once: what one goroutine knows of the request's body, the other must not touch.
func TestEventsBeginWhileTheUploadGoesOn(t *testing.T) {
	const pieces = 50
	app := func(w http.ResponseWriter, q *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for br := bufio.NewReader(q.Body); ; {
			line, err := br.ReadString('\n')
			if err != nil {
				fmt.Fprintf(w, "data: %v\n\n", err)
				return
			}
			fmt.Fprintf(w, "data: %s\n", line)
			w.(http.Flusher).Flush()
		}
	}
	for protocol, point := range map[deploy.Protocol]func(*testRouter){
		deploy.HTTP1: func(r *testRouter) { r.pointShop(startApp(t, 1, app)) },
		deploy.H2C:   func(r *testRouter) { r.pointH2C(startH2C(t, 1, app)) },
	} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprint(protocol, " chunked ", chunked), func(t *testing.T) {
				r := startRouter(t, Config{})
				point(r)
				line := strings.Repeat("a", 999) + "\n"
				c := dialRaw(t, r.plain)
				if chunked {
					c.say("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n")
				} else {
					c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n", pieces*len(line)))
				}
				resp, err := http.ReadResponse(c.br, &http.Request{Method: http.MethodPost})
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				events := bufio.NewReader(resp.Body)
				for i := range pieces {
					piece := line
					if chunked {
						piece = fmt.Sprintf("%x\r\n%s\r\n", len(line), line)
					}
					if c.say(piece); i == pieces-1 && chunked {
						c.say("0\r\n\r\n")
					}
					if event, err := events.ReadString('\n'); event != "data: "+line || err != nil {
						t.Fatalf("event %d is %.20q, %v", i, event, err)
					}
					events.ReadString('\n')
				}
				if rest, err := io.ReadAll(events); string(rest) != "data: EOF\n\n" || err != nil {
					t.Errorf("the end is %q, %v", rest, err)
				}
			})
		}
	}
}
