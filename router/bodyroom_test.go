package router

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// summing is a raw app that answers with length and checksum of the body that
// came, and in how many chunks it came.
func summing(t *testing.T) deploy.Instance {
	return startRaw(t, 1, func(c net.Conn, br *bufio.Reader) {
		for {
			lines, err := readHead(br)
			if err != nil {
				return
			}
			var body io.Reader = http.NoBody
			chunks := 0
			for _, line := range lines {
				name, value, _ := strings.Cut(strings.ToLower(line), ": ")
				switch name {
				case "content-length":
					n, _ := strconv.ParseInt(value, 10, 64)
					body = io.LimitReader(br, n)
				case "transfer-encoding":
					body = httputil.NewChunkedReader(&countedLines{br: br, lines: &chunks})
				}
			}
			sum := crc32.NewIEEE()
			n, err := io.Copy(sum, body)
			if err != nil {
				return
			}
			if chunks > 0 {
				br.ReadString('\n') // no trailers
			}
			said := fmt.Sprintf("%d %08x %d", n, sum.Sum32(), chunks/2)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(said), said)
		}
	})
}

// countedLines counts the line ends that pass: of a body without any there are
// two for each chunk.
type countedLines struct {
	br    *bufio.Reader
	lines *int
}

func (c *countedLines) Read(p []byte) (int, error) {
	b, err := c.br.ReadByte() // no further than is asked for: the next request follows
	if err != nil {
		return 0, err
	}
	if p[0] = b; b == '\n' {
		*c.lines++
	}
	return 1, nil
}

// TestUploadsPassWhereverTheHeadEndsInTheBuffer: behind the head there may be
// little or no room left.
func TestUploadsPassWhereverTheHeadEndsInTheBuffer(t *testing.T) {
	r := startRouter(t, Config{TLS: ownTLS(t)})
	r.pointShop(summing(t))
	data := bytes.Repeat([]byte("0123456789abcdef"), 6250) // 100 KB
	var chunked bytes.Buffer
	for at := 0; at < len(data); at += 4000 {
		fmt.Fprintf(&chunked, "fa0\r\n%s\r\n", data[at:at+4000])
	}
	chunked.WriteString("0\r\n\r\n")
	framings := []struct{ name, head, body string }{
		{"chunked", "Transfer-Encoding: chunked", chunked.String()},
		{"known length", fmt.Sprint("Content-Length: ", len(data)), string(data)},
		{"small", "Content-Length: 100", string(data[:100])},
	}
	const get = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
	kept := 0
	for _, secure := range []bool{false, true} {
		for _, before := range []string{"", get} {
			for _, f := range framings {
				for end := 20_400; end <= 20_470; end++ {
					if (secure || f.name != "chunked") && end%10 > 0 && end != requestBuffer-tailRoom {
						continue
					}
					head := before + "POST / HTTP/1.1\r\nHost: shop.test\r\n" + f.head + "\r\nX-Long: "
					head += strings.Repeat("x", end-len(head)-len("\r\n\r\n")) + "\r\n\r\n"
					c := r.dial(secure)
					c.say(head + f.body + get)
					if before != "" {
						c.answer("GET")
					}
					name := fmt.Sprintf("%s, head to %d, TLS %t, pipelined %t", f.name, end, secure, before != "")
					resp, said := c.answer("POST")
					var n, chunks int
					var sum uint32
					fmt.Sscanf(said, "%d %x %d", &n, &sum, &chunks)
					want := data[:min(len(data), n)]
					if resp.StatusCode != 200 || f.name == "small" != (n == 100) || f.name != "small" && n != len(data) || sum != crc32.ChecksumIEEE(want) {
						t.Fatalf("%s: got %d %q", name, resp.StatusCode, said)
					}
					if chunks > 200 {
						t.Fatalf("%s: %d bytes came in %d chunks", name, n, chunks)
					}
					if resp.Close { // the answer came before it was noted that the body was sent
						c.Close()
						continue
					}
					kept++
					if resp, said := c.answer("GET"); resp.StatusCode != 200 || said != "0 00000000 0" {
						t.Fatalf("%s: the request after it got %d %q", name, resp.StatusCode, said)
					}
					c.Close()
				}
			}
		}
	}
	if kept == 0 {
		t.Error("no connection carried another request")
	}
}

// dial opens a raw connection to production, over TLS or not.
func (r *testRouter) dial(secure bool) *talk {
	r.t.Helper()
	if !secure {
		return dialRaw(r.t, r.plain)
	}
	c, err := tls.Dial("tcp", r.secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &talk{c, r.t, bufio.NewReader(c)}
}

// TestEventsBesideAnUploadLeaveItAlone: the answer's side looks whether the
// request's buffer is needed while the upload's side reads into it.
func TestEventsBesideAnUploadLeaveItAlone(t *testing.T) {
	r := startRouter(t, Config{})
	const pieces = 200
	r.pointShop(startApp(t, 1, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		echoBody(w, r)
	}))
	body, say := io.Pipe()
	req, _ := http.NewRequest("POST", "http://shop.test/", body)
	resp, err := r.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	go func() {
		for i := range pieces {
			fmt.Fprintf(say, "piece %04d", i)
		}
		say.Close()
	}()
	all, err := io.ReadAll(resp.Body)
	var want strings.Builder
	for i := range pieces {
		fmt.Fprintf(&want, "piece %04d", i)
	}
	if string(all) != want.String() || err != nil {
		t.Errorf("got %d bytes of %d, %v", len(all), want.Len(), err)
	}
}
