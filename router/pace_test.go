package router

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// drip says s byte by byte until the connection is closed.
func drip(c io.Writer, s string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range len(s) {
		if _, err := io.WriteString(c, s[i:i+1]); err != nil {
			return
		}
		<-tick.C
	}
}

func TestHeadThatDripsIsCutOff(t *testing.T) {
	for _, first := range []string{"GET / HTTP/1.1\r\nX: ", "GET /"} {
		r := startRouter(t, Config{Limits: Limits{ReadHeader: 200 * time.Millisecond}})
		c := dialRaw(t, r.plain)
		c.say(first)
		start := time.Now()
		go drip(c, strings.Repeat("x", 1000), 20*time.Millisecond)
		io.Copy(io.Discard, c.br)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after %q it took %v", first, took)
		}
		c.Close()
	}
}

func TestBodyThatDripsIsCutOff(t *testing.T) {
	limits := Limits{Body: 200 * time.Millisecond, MinRate: 10_000}
	for name, head := range map[string]string{
		"small": "Content-Length: 1000", "large": "Content-Length: 1000000", "chunked": "Transfer-Encoding: chunked",
	} {
		r := startRouter(t, Config{Limits: limits})
		done := make(chan error, 1)
		r.pointShop(startApp(t, 1, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			done <- err
		}))
		c := dialRaw(t, r.plain)
		c.say("POST / HTTP/1.1\r\nHost: shop.test\r\n" + head + "\r\n\r\n")
		text := strings.Repeat("x", 1000)
		if name == "chunked" {
			text = strings.Repeat("1\r\nx\r\n", 200)
		}
		go drip(c, text, 10*time.Millisecond)
		if resp, err := http.ReadResponse(c.br, nil); err != nil || resp.StatusCode != 408 {
			t.Errorf("%s: got %v, %v", name, resp, err)
		}
		c.Close()
		if name == "small" {
			continue // the app never saw it
		}
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: the app was shown a complete body", name)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the app still waits", name)
		}
	}
}

func TestBodyThatIsAnsweredMayTakeItsTime(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Body: 2 * time.Second, MinRate: 1000}})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.(http.Flusher).Flush()
		io.Copy(w, r.Body)
	}))
	body, say := io.Pipe()
	req, _ := http.NewRequest("POST", "http://shop.test/", body)
	go io.WriteString(say, "a")
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	go func() {
		drip(say, "bcdef", 500*time.Millisecond) // longer than a body may go on like this
		say.Close()
	}()
	if got, err := io.ReadAll(resp.Body); string(got) != "abcdef" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
