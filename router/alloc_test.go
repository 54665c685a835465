package router

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
)

// TestRequestsAllocateNothing counts the allocations of the whole process, in
// which client and app allocate nothing either.
func TestRequestsAllocateNothing(t *testing.T) {
	if netHTTP || raceDetector {
		return // net/http allocates; the detector makes sync.Pool do so
	}
	data := bytes.Repeat([]byte("x"), 64<<10)
	r := startRouter(t, Config{AccessLog: io.Discard})
	for i, c := range []struct {
		name   string
		upload int
		answer string
	}{
		{"small GET", 0, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"},
		{"64 KiB GET", 0, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(data), data)},
		{"chunked", 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n8\r\n, world!\r\n0\r\n\r\n"},
		{"16 KiB POST", 16 << 10, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!"},
	} {
		r.pointShop(startRaw(t, i+1, func(c2 net.Conn, br *bufio.Reader) { answerAll(c2, br, []byte(c.answer)) }))
		r.pool("shop", i+1).known()[0].trust.proven.Store(true) // with POSTs on used connections
		conn := dialRaw(t, r.plain)
		request, buf := rawRequest(c.upload), make([]byte, 128<<10)
		conn.say(string(request))
		size := answerSize(t, conn) // all answers are as long as the first
		ask := func(times int) {
			for range times {
				if _, err := conn.Write(request); err != nil {
					t.Fatal(err)
				}
				for left := size; left > 0; {
					n, err := conn.Read(buf[:min(left, len(buf))])
					if err != nil {
						t.Fatal(err)
					}
					left -= n
				}
			}
		}
		if i == 0 {
			ask(ringSize) // every slot of the access log has its memory then
		}
		ask(200)
		const n = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ask(n)
		runtime.ReadMemStats(&after)
		if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.2 {
			t.Errorf("%s: %.2f allocations per request", c.name, per)
		}
	}
}

// answerAll answers every request with the same bytes, and allocates nothing.
func answerAll(c net.Conn, br *bufio.Reader, answer []byte) {
	length := []byte("Content-Length: ")
	for {
		upload := 0
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
			if bytes.HasPrefix(line, length) {
				for _, d := range line[len(length) : len(line)-2] {
					upload = upload*10 + int(d-'0')
				}
			}
		}
		br.Discard(upload)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// answerSize reads one answer, and tells how many bytes it was.
func answerSize(t *testing.T, c *talk) int {
	t.Helper()
	var read bytes.Buffer
	br := bufio.NewReader(io.TeeReader(c, &read))
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return read.Len()
}
