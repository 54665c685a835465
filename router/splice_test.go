package router

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// noise is a body in which no piece is like another.
func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b
}

func TestLargeBodiesMovedByTheKernelAreWhole(t *testing.T) {
	body := noise(3<<20 + 77)
	limits := Limits{AnswerHead: 2 * time.Second, Write: 2 * time.Second}
	r := startRouter(t, Config{Limits: limits})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(body[:n/2])
		w.(http.Flusher).Flush()
		if r.URL.Query().Has("pause") {
			<-time.After(3 * time.Second) // longer than either limit
		}
		w.Write(body[n/2 : n])
	}))
	var clients sync.WaitGroup
	for _, paths := range [][]string{
		{"/?n=" + fmt.Sprint(len(body)), "/?n=10", "/?n=262144", "/?n=1"},
		{"/?n=300000&pause", "/?n=1"},
		{fmt.Sprintf("/?n=%d&pause", len(body)), "/?n=1"},
	} {
		c := dialRaw(t, r.plain)
		clients.Go(func() {
			for _, path := range paths {
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: shop.test\r\n\r\n")
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || !bytes.Equal(got, body[:resp.ContentLength]) {
					t.Errorf("%s: %d bytes, %v; they differ from what was sent", path, len(got), err)
				}
			}
		})
	}
	clients.Wait()
}

func TestLargeBodyThatBreaksOffIsNotComplete(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2000000")
		w.Write(make([]byte, 1_000_000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	resp, err := r.client().Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n >= 2_000_000 {
		t.Errorf("%d bytes and %v", n, err)
	}
	eventually(t, "it counts as failed", func() bool { return r.Figures("shop", 1).Failed == 1 })
}

func TestLargeBodyEndsWithItsClient(t *testing.T) {
	for name, leave := range map[string]bool{"leaves": true, "reads no more": false} {
		r := startRouter(t, Config{Limits: Limits{Write: 300 * time.Millisecond}})
		ended := make(chan error, 1)
		r.pointShop(startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<30))
			_, err := io.CopyN(w, endless{}, 1<<30)
			ended <- err
		}))
		c := dialRaw(t, r.plain)
		c.say("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		io.CopyN(io.Discard, c.br, 1<<20)
		if leave {
			c.Close()
		}
		select {
		case err := <-ended:
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("the client %s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the client %s: the app still writes", name)
		}
		if n := r.Figures("shop", 1).Failed; n != 0 {
			t.Errorf("the client %s: %d requests failed of the app's fault", name, n)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
