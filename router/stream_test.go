package router

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// answering is a raw app that reads each request and answers with fixed bytes;
// with "close" at the end it closes the connection after them.
func answering(t *testing.T, answer string) deploy.Instance {
	answer, closes := strings.CutSuffix(answer, "close")
	return startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, answer)
			if closes {
				return
			}
		}
	})
}

func TestEventsArriveWhenTheyAreSent(t *testing.T) {
	r := startRouter(t, Config{})
	next := make(chan string)
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for text := range next {
			fmt.Fprintf(w, "data: %s\n\n", text)
			w.(http.Flusher).Flush()
		}
	}))
	resp, err := r.client().Get("http://shop.test/events") // returns before the first event
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	br := bufio.NewReader(resp.Body)
	for i := range 5 {
		next <- fmt.Sprint(i)
		if line, err := br.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
		br.ReadString('\n')
	}
	close(next)
	if _, err := br.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
	eventually(t, "it counts", func() bool { return r.Figures("shop", 1).Requests == 1 })
	if f := r.Figures("shop", 1); f.P99 != 0 {
		t.Errorf("an event stream counts as slow: %+v", f)
	}
}

func TestBodyOfKnownLengthArrivesWhenItIsSent(t *testing.T) {
	r := startRouter(t, Config{})
	goOn := make(chan struct{})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, "after")
	}))
	resp, err := r.client().Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 5)
	io.ReadFull(resp.Body, first)
	close(goOn)
	rest, err := io.ReadAll(resp.Body)
	if string(first)+string(rest) != "firstafter" || err != nil {
		t.Errorf("got %q %q %v", first, rest, err)
	}
}

func TestTrailersPassAnnouncedOrNot(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		io.WriteString(w, "body")
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "yes")
	}))
	resp, err := r.client().Get("http://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, announced := resp.Trailer["Grpc-Status"]; !announced {
		t.Errorf("trailer is not announced: %v", resp.Trailer)
	}
	body, _ := io.ReadAll(resp.Body)
	if string(body) != "body" || resp.Trailer.Get("Grpc-Status") != "0" || resp.Trailer.Get("X-Unannounced") != "yes" {
		t.Errorf("got %q with %v", body, resp.Trailer)
	}
}

func TestEarlyHintsPassAndTheStatusIsKept(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(answering(t, "HTTP/1.1 100 Continue\r\n\r\n"+
		"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"+
		"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n"+
		"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"))
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h["Link"]))
			return nil
		},
	})
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://shop.test/", nil)
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := []string{"103 [</a.css>]", "103 [</b.css>]"}; !slices.Equal(hints, want) {
		t.Errorf("hints %v, want %v", hints, want)
	}
	if resp.StatusCode != 404 || string(body) != "nope" || resp.Header["Link"] != nil {
		t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
	}
}

func TestEarlyHintsAreKeptFromHTTP10(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(answering(t, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	c := dialRaw(t, r.plain)
	c.say("GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n")
	if resp, body := c.answer("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestContinueIsTheAppsToSay(t *testing.T) {
	body := strings.Repeat("b", 50_000)
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	read := func(br *bufio.Reader) string {
		n, _ := io.CopyN(io.Discard, br, int64(len(body)))
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%05d", n)
	}
	t.Run("granted", func(t *testing.T) {
		r := startRouter(t, Config{})
		r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
			if lines, _ := readHead(br); !slices.Contains(lines, "Expect: 100-continue") {
				t.Errorf("the app was not asked: %q", lines)
			}
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.WriteString(c, read(br))
		}))
		c := dialRaw(t, r.plain)
		c.say(head)
		if line, _ := c.br.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("got %q", line)
		}
		c.br.ReadString('\n')
		c.say(body)
		if resp, got := c.answer("POST"); resp.StatusCode != 200 || got != "50000" {
			t.Errorf("got %d %q", resp.StatusCode, got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		r := startRouter(t, Config{})
		r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
		}))
		c := dialRaw(t, r.plain)
		c.say(head)
		if resp, got := c.answer("POST"); resp.StatusCode != 413 || got != "big" || !resp.Close {
			t.Errorf("got %d %q, close %v", resp.StatusCode, got, resp.Close)
		}
	})
	t.Run("ignored", func(t *testing.T) {
		r := startRouter(t, Config{})
		r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
			readHead(br)
			io.WriteString(c, read(br))
		}))
		c := dialRaw(t, r.plain)
		c.say(head)
		if line, _ := c.br.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("got %q", line)
		}
		c.br.ReadString('\n')
		c.say(body)
		if resp, got := c.answer("POST"); resp.StatusCode != 200 || got != "50000" {
			t.Errorf("got %d %q", resp.StatusCode, got)
		}
	})
}

func TestAnswerDuringTheUploadArrives(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, br)
	}))
	for _, framing := range []string{"Content-Length: 10000000", "Transfer-Encoding: chunked"} {
		c := dialRaw(t, r.plain)
		c.say("POST / HTTP/1.1\r\nHost: shop.test\r\n" + framing + "\r\n\r\n")
		if strings.HasPrefix(framing, "T") {
			c.say("5\r\nhello\r\n")
		} else {
			c.say("hello")
		}
		// The client goes on sending nothing: the answer must come all the same.
		if resp, body := c.answer("POST"); resp.StatusCode != 413 || body != "big" || !resp.Close {
			t.Errorf("%s: got %d %q, close %v", framing, resp.StatusCode, body, resp.Close)
		}
		if _, err := c.br.ReadByte(); err == nil {
			t.Errorf("%s: the connection goes on", framing)
		}
	}
	eventually(t, "nothing is in flight", func() bool { return r.Figures("shop", 1).InFlight == 0 })
}

// echoBody answers with the request's body while that still comes.
func echoBody(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex()
	w.(http.Flusher).Flush()
	buf := make([]byte, 1000)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		w.(http.Flusher).Flush()
		if err != nil {
			return
		}
	}
}

func TestAppThatAnswersWhileItReadsIsHeard(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, echoBody))
	body, say := io.Pipe()
	req, _ := http.NewRequest("POST", "http://shop.test/", body)
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	heard := make([]byte, 4)
	for i := range 5 {
		word := fmt.Sprintf("no%02d", i)
		io.WriteString(say, word)
		if _, err := io.ReadFull(resp.Body, heard); err != nil || string(heard) != word {
			t.Fatalf("heard %q, %v", heard, err)
		}
	}
	say.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
		t.Errorf("at the end %q, %v", rest, err)
	}
}

func TestAnswersWithoutABodyHaveNone(t *testing.T) {
	for _, c := range []struct {
		method, answer, want string
	}{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "200 1234"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 "},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 "},
		{"GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n", "304 "},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 0"},
		{"GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "205 0"},
	} {
		r := startRouter(t, Config{})
		r.pointShop(answering(t, c.answer))
		conn := dialRaw(t, r.plain)
		for range 3 { // the connection goes on, so nothing followed the head
			conn.say(c.method + " / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
			resp, body := conn.answer(c.method)
			if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Content-Length")); got != c.want || body != "" {
				t.Errorf("%s %.40q: got %q with body %q", c.method, c.answer, got, body)
			}
			if kind, there := resp.Header["Content-Type"]; there {
				t.Errorf("%s %.40q: content type %q was invented", c.method, c.answer, kind)
			}
		}
		r.stop()
	}
}

func TestAnswerUntilTheConnectionEndsPasses(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(answering(t, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold styleclose"))
	for range 3 {
		if status, body := get(t, r.client(), "http://shop.test/"); status != 200 || body != "old style" {
			t.Errorf("got %d %q", status, body)
		}
	}
}

func TestClientThatLeavesFreesTheApp(t *testing.T) {
	r := startRouter(t, Config{})
	started, freed := make(chan struct{}, 4), make(chan struct{}, 4)
	r.pointShop(startApp(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		started <- struct{}{}
		<-r.Context().Done()
		freed <- struct{}{}
	}))
	for _, body := range []string{"", "x", strings.Repeat("x", 100<<10)} {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://shop.test/", strings.NewReader(body))
		go func() {
			if resp, err := r.client().Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		<-started
		cancel()
		within(t, "freeing the app", freed)
	}
	eventually(t, "nothing is in flight", func() bool { return r.Figures("shop", 1).InFlight == 0 })
	if f := r.Figures("shop", 1); f.Failed != 0 {
		t.Errorf("a client that leaves counts as the app's failure: %+v", f)
	}
}

func TestLargeBodiesPassBothWays(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	}))
	size := int64(32 << 20)
	req, _ := http.NewRequest("POST", "http://shop.test/", io.LimitReader(zeros{}, size))
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAnswerThatDoesNotComeIsA504(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{AnswerHead: 100 * time.Millisecond}})
	r.pointShop(startApp(t, 1, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	for _, body := range []string{"", strings.Repeat("x", 100<<10)} {
		resp, err := r.client().Post("http://shop.test/", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 504 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}
