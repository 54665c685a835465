package router

import (
	"bufio"
	"bytes"
	"errors"
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

// recorder is an app that notes what it gets, and answers what it understands.
type recorder struct {
	mu   sync.Mutex
	got  bytes.Buffer
	seen []string // method, target and body of each request
}

func (a *recorder) instance(t testing.TB) deploy.Instance {
	return startRaw(t, 1, func(c net.Conn, _ *bufio.Reader) {
		br := bufio.NewReader(io.TeeReader(c, a))
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			a.mu.Lock()
			a.seen = append(a.seen, fmt.Sprintf("%s %s %q", req.Method, req.RequestURI, body))
			a.mu.Unlock()
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
}

func (a *recorder) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got.Write(p)
}

// take gives what was noted since the last take.
func (a *recorder) take() (wire string, requests []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wire, requests = a.got.String(), a.seen
	a.got.Reset()
	a.seen = nil
	return wire, requests
}

// sendRaw sends the bytes on a connection of their own, ends its side of it
// only when that is answered, and gives the statuses that came until the
// router closed; open: it did not.
func sendRaw(t *testing.T, addr, text string, patience time.Duration) (statuses []int, open bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	for {
		if len(statuses) > 0 {
			c.SetReadDeadline(time.Now().Add(patience))
		}
		resp, err := http.ReadResponse(br, nil)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			return statuses, true
		}
		if err != nil {
			return statuses, false
		}
		io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
}

// trophies are requests that one or another server or proxy was known to take
// otherwise than the next one: the collection of the HTTP Garden
// (github.com/narfindustries/http-garden, TROPHIES.md), the classes of
// PortSwigger's research (CL.TE, TE.CL, TE.TE, CL.0, 0.CL, TE.0), and Go's own
// past mistakes. Each has to be refused, with nothing of it before the app.
var trophies = map[string]string{
	// Framing said twice.
	"CL.TE":                     "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	"TE.CL":                     "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n",
	"TE.CL, empty length":       "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nContent-Length:\r\n\r\n0\r\n\r\n",
	"TE.TE, cow":                "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\nG",
	"TE.TE, identity":           "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	"TE.TE, same":               "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
	"CL.CL, first":              "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nContent-Length: 0\r\n\r\nZ",
	"CL.CL, last":               "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\nZ",
	"CL.CL, evil":               "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"CL.CL, the same":           "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nZ",
	"CL.CL, empty first":        "GET / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: \r\ncontent-length: 59\r\n\r\nPOST /evil HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 34\r\n\r\nGET / HTTP/1.1\r\nhost: shop.test\r\n\r\n",
	"0.CL, expectation":         "POST / HTTP/1.1\r\nHost: shop.test\r\nExpect: y 100-continue\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"0.CL, folded length":       "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length:\r\n 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"0.CL, length after LF":     "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: \n31\r\n\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"TE.0, HTTP/1.0":            "POST / HTTP/1.0\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"TE.0, HTTP/1.0 keep-alive": "POST / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",

	// Lengths.
	"length +1_0":       "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: +1_0\r\n\r\n0123456789",
	"length empty":      "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: \r\n\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"length negative":   "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: -48\r\n\r\n",
	"length 1Z":         "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1Z\r\n\r\nZ",
	"length 0x10":       "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0x10\r\n\r\nZ",
	"length list":       "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1,1\r\n\r\nZ",
	"length huge":       "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 18446744073709551617\r\n\r\nZ",
	"length space name": "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length : 34\r\n\r\nGET / HTTP/1.1\r\nHost: whatever\r\n\r\n",
	"length no colon":   "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length 10\r\n\r\n0123456789",
	"length \\x85 name": "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length\x85: 10\r\n\r\n0123456789",

	// Codings.
	"coding ,chunked":      "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
	"coding ,chunked, CL":  "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: ,chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"coding blegh":         "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: blegh\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
	"coding \\xa0chunked":  "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: \xa0chunked\xa0\r\n\r\n0\r\n\r\n",
	"coding \\xffchunked":  "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: \xffchunked\xff\r\n\r\n1\r\nZ\r\n0\r\n\r\n",
	"coding over lines":    "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-\r\nEncoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"coding folded":        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	"coding folded by tab": "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n",

	// Chunks, whole at hand.
	"chunk 0_2e":          "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0_2e\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"chunk 0x":            "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nZ\r\n0\r\n\r\n",
	"chunk -0x0":          "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n-0x0\r\n\r\n",
	"chunk +1":            "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nZ\r\n0\r\n\r\n",
	"chunk empty size":    "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
	"chunk ZZ":            "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nZZ\r\nZZZ\r\n\r\n",
	"chunk prefix":        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1these-bytes-never-get-validated\r\nZ\r\n0\r\n\r\n",
	"chunk spaces before": "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n           0\r\n\r\n",
	"chunk space after":   "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nZ\r\n0\r\n\r\n",
	"chunk CR ext":        "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"chunk ext CR CR":     "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\rXX\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
	"chunk ext LF":        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nZ\r\n0\r\n\r\n",
	"chunk size LF":       "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\nZ\r\n0\r\n\r\n",
	"chunk data LF":       "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\n0\r\n\r\n",
	"chunk 1 CR 0 LF":     "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r0\n",
	"chunk extra CRLF":    "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
	"chunk too long":      "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZZ\r\n0\r\n\r\n",
	"chunk spills":        "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZXX0\r\n\r\n",
	"chunk overflow":      "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nZ\r\n0\r\n\r\n",
	"chunk invalid, next": "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nINVALID!!!\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"chunk end XX":        "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nXXPOST /evil HTTP/1.1\r\n\r\n",
	"trailer no colon":    "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /evil HTTP/1.1\r\n\r\n",
	"trailer space colon": "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
	"trailer bare CR":     "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\rZ: a\r\n\r\n",
	"trailer bare LF":     "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
	"trailer end bare LF": "GET / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",

	// Fields.
	"value \\x00\\r":        "GET / HTTP/1.1\r\nHost: shop.test\r\nHeader: v\x00\ralue\r\n\r\n",
	"value \\x00 cut":       "GET / HTTP/1.1\r\nHost: shop.test\r\nTest: test\x00THESE BYTES GET DROPPED\r\n\r\n",
	"value \\x00 end":       "GET / HTTP/1.1\r\nHost: shop.test\r\nEvil: evil\x00\r\n\r\n",
	"value CR":              "GET / HTTP/1.1\r\nHost: shop.test\r\nVisible: :/\rSmuggled: :)\r\n\r\n",
	"value LF LF":           "GET / HTTP/1.1\r\nHost: shop.test\r\nUseless:\n\nGET /evil HTTP/1.1\r\n\r\n",
	"host \\x00":            "GET / HTTP/1.1\r\nHost: shop.test\x00.evil.test\r\n\r\n",
	"host \\xff":            "GET / HTTP/1.1\r\nHost: \xffshop.test\xff\r\n\r\n",
	"host twice":            "GET / HTTP/1.1\r\nHost: shop.test\r\nHost: evil.test\r\n\r\n",
	"host twice, same":      "GET / HTTP/1.1\r\nHost: shop.test\r\nhost: shop.test\r\n\r\n",
	"host folded":           "GET / HTTP/1.1\r\nHost: shop.test\r\n evil.test\r\n\r\n",
	"host first, indented":  "GET / HTTP/1.1\r\n Host: evil.test\r\nHost: shop.test\r\n\r\n",
	"host in a list":        "GET / HTTP/1.1\r\nHost: shop.test, evil.test\r\n\r\n",
	"host with a space":     "GET / HTTP/1.1\r\nHost: shop.test evil.test\r\n\r\n",
	"host with @":           "GET / HTTP/1.1\r\nHost: evil.test@shop.test\r\n\r\n",
	"host with a bad port":  "GET / HTTP/1.1\r\nHost: shop.test:80x\r\n\r\n",
	"host none":             "GET / HTTP/1.1\r\n\r\n",
	"name tab first":        "GET / HTTP/1.1\r\n\tContent-Length: 1\r\nHost: shop.test\r\n\r\nX",
	"name empty":            "GET / HTTP/1.1\r\n: ignored\r\nHost: shop.test\r\n\r\n",
	"name and value empty":  "GET / HTTP/1.1\r\nHost: shop.test\r\n:\r\nI: am chopped off\r\n\r\n",
	"name \\xef":            "GET / HTTP/1.1\r\nHost: shop.test\r\n\xefoo: bar\r\n\r\n",
	"name of everything":    "GET / HTTP/1.1\r\nHost: shop.test\r\n\x01\x02\x03 \"(),/;<=>?@[/]{}: whatever\r\n\r\n",
	"name with \\x00":       "GET / HTTP/1.1\r\nHost: shop.test\r\na:b\r\nc\x00\r\n\r\n",
	"name over lines":       "GET / HTTP/1.1\r\nHost: shop.test\r\nTe\nst: test\r\n\r\n",
	"head ends CR LF CR Z":  "GET / HTTP/1.1\r\nHost: shop.test\r\n\rZGET /evil: HTTP/1.1\r\nHost: a\r\n\r\n",
	"head of bare LF":       "GET / HTTP/1.1\nHost: shop.test\nConnection: close\n\n",
	"head ends LF CR LF":    "GET / HTTP/1.1\r\nHost: shop.test\n\r\n",
	"header line of spaces": "GET / HTTP/1.1\r\nHost: shop.test\r\n  \r\nX: y\r\n\r\n",

	// Request lines.
	"version 1.32":       "GET /test HTTP/1.32\r\nHost: shop.test\r\n\r\n",
	"version overflow":   "GET / HTTP/4294967295.255\r\nHost: shop.test\r\n\r\n",
	"version CR CR":      "GET / HTTP/\r\r1.1\r\nHost: shop.test\r\n\r\n",
	"version dots":       "\x00 / HTTP/............0596.7407.\r\n\r\n",
	"version 0.9":        "GET /\r\n\r\n",
	"method odd":         "G=\":<>(e),[T];?\" /get HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"target !":           "GET ! HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"target over lines":  "GET /\nHTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"target with spaces": "GET /a HTTP/1.1\r\nX: y HTTP/1.1\r\nHost: shop.test\r\n\r\n"[:7] + " b HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"target with a tab":  "GET /a\tb HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"target //@":         "GET http://evil.test@shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"leading CRLF":       "\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"leading space":      " GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"HTTP/2 by half":     "PRI * HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"HTTP/2 then 1":      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
}

func TestTrophiesAreRefusedBeforeTheApp(t *testing.T) {
	if netHTTP {
		return // it takes some of them, and repairs them
	}
	r := startRouter(t, Config{Limits: Limits{Body: 300 * time.Millisecond}})
	var app recorder
	r.pointShop(app.instance(t))
	for name, text := range trophies {
		statuses, open := sendRaw(t, r.plain, text, 2*time.Second)
		if open || len(statuses) > 1 || len(statuses) == 1 && statuses[0] < 400 {
			t.Errorf("%s: answered with %v, open %v", name, statuses, open)
		}
		if len(statuses) == 0 && !strings.HasPrefix(text, "PRI") {
			t.Errorf("%s: refused without a word", name)
		}
		if wire, _ := app.take(); wire != "" {
			t.Errorf("%s: the app got %q", name, wire)
		}
	}
}

// TestMutationsAreRefusedOrHarmless sends what defparam/smuggler sends: a
// Content-Length and something that one of two parsers may take for a
// Transfer-Encoding. Either that is refused, or the app gets one request with
// one framing.
func TestMutationsAreRefusedOrHarmless(t *testing.T) {
	gadgets := []string{
		" Transfer-Encoding: chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding\t:\tchunked", "Transfer Encoding: chunked",
		"Transfer_Encoding: chunked", "Transfer Encoding:chunked", "Transfer-Encoding : chunked", "Transfer-Encoding:  chunked",
		"Transfer-Encoding:\x0bchunked", "Transfer-Encoding: chunked, cow", "Transfer-Encoding: cow, chunked", "Content-Encoding: chunked",
		"Transfer-Encoding:\n chunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunk",
		"TrAnSFer-EnCODinG: cHuNkeD", "TRANSFER-ENCODING: CHUNKED", "Transfer-Encoding: chunked\r", "Transfer-Encoding: chunked\t",
		"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", "Transfer\r-Encoding: chunked", "Transfer-Encoding: cow chunked bar",
		"Transfer-Encoding:\xffchunked", "Transfer-Encoding: ch\x96nked", "Transf\x82r-Encoding: chunked", "X:X\rTransfer-Encoding: chunked",
		"X:X\nTransfer-Encoding: chunked", "X:X\r\n\rTransfer-Encoding: chunked", "Connection: Content-Length", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
		"Connection: Host", "X-Content-Length: 3", "Content_Length: 3", "Content-Length: 0", "Content-Length: 5", "Content.Length: 3", "HTTP_TRANSFER_ENCODING: chunked",
	}
	for b := range 256 {
		if b > 0x20 && b < 0x7f || b == '\n' {
			continue
		}
		c := string([]byte{byte(b)})
		gadgets = append(gadgets,
			"Transfer-Encoding:"+c+"chunked", "Transfer-Encoding"+c+": chunked", c+"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"+c,
			"Content-Length:"+c+"3", "Content-Length"+c+": 3", "X: a"+c+"Transfer-Encoding: chunked")
	}
	r := startRouter(t, Config{Limits: Limits{Body: 300 * time.Millisecond}})
	var app recorder
	r.pointShop(app.instance(t))
	accepted := 0
	for _, gadget := range gadgets {
		statuses, open := sendRaw(t, r.plain, "POST /in HTTP/1.1\r\n"+gadget+"\r\nHost: shop.test\r\nConnection: close\r\n"+
			"Content-Length: 5\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n", 2*time.Second)
		wire, requests := app.take()
		switch {
		case open || len(statuses) != 1:
			t.Errorf("%q: answered with %v, open %v", gadget, statuses, open)
		case statuses[0] >= 400 && wire != "" && !netHTTP:
			t.Errorf("%q: refused, but the app got %q", gadget, wire)
		case statuses[0] < 400:
			accepted++
			lower := strings.ToLower(wire)
			if len(requests) != 1 || requests[0] != `POST /in "0\r\n\r\n"` && requests[0] != `POST /in ""` ||
				strings.Count(lower, "content-length:")+strings.Count(lower, "\ntransfer-encoding:") > 1 && !strings.Contains(lower, "x-content-length") {
				t.Errorf("%q: the app got %q as %q", gadget, wire, requests)
			}
		}
		if strings.Contains(wire, "/evil") {
			t.Errorf("%q: a second request passed: %q", gadget, wire)
		}
	}
	if !netHTTP && (accepted < 5 || accepted > 150) {
		t.Errorf("%d of %d mutations are accepted", accepted, len(gadgets))
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	r := startRouter(t, Config{})
	var app recorder
	r.pointShop(app.instance(t))
	statuses, open := sendRaw(t, r.plain, "POST /1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc"+
		"POST /2 HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: x\r\n\r\n"+
		"GET /3 HTTP/1.1\r\nHost: shop.test\r\n\r\n"+
		"GET /4 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\nGET /5 HTTP/1.1\r\nHost: shop.test\r\n\r\n", 5*time.Second)
	_, requests := app.take()
	want := `POST /1 "abc"|POST /2 "abc"|GET /3 ""|GET /4 ""`
	if got := strings.Join(requests, "|"); got != want || open || len(statuses) != 4 {
		t.Errorf("got %s with %v, open %v, want %s", got, statuses, open, want)
	}
}
