package http1

import "testing"

func parseResponse(s string) (*Response, *Error) {
	end, _, err := End([]byte(s), 0, true)
	if err != nil || end == 0 {
		return nil, &Error{0, "no end"}
	}
	r := new(Response)
	if err := r.Parse([]byte(s)[:end]); err != nil {
		return nil, err
	}
	return r, nil
}

func TestLengthOfAnAnswer(t *testing.T) {
	for _, c := range []struct {
		head   string
		toHead bool
		length int64
		closes bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 5, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 0, false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, 5, false},
		{"HTTP/1.1 200\r\nTransfer-Encoding: CHUNKED\r\n\r\n", false, Chunked, false},
		{"HTTP/1.1 200 \r\nConnection: close\r\n\r\n", false, UntilClose, true},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 0, false},
		{"HTTP/1.1 103 Early Hints\r\n\r\n", false, 0, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, 5, true},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, 5, false},
		{"HTTP/1.1 200 OK\nContent-Length: 5\n\n", false, 5, false},
	} {
		r, err := parseResponse(c.head)
		if err != nil {
			t.Errorf("%q: %v", c.head, err)
		} else if n := r.BodyLength(c.toHead); n != c.length || r.Close != c.closes {
			t.Errorf("%q: length %d, close %v", c.head, n, r.Close)
		}
	}
}

func TestMalformedAnswersAreRefused(t *testing.T) {
	for _, head := range []string{
		"nonsense\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1 200 O\rK\r\n\r\n", "HTTP/1.1 200 O\x00K\r\n\r\n", "\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: x\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	} {
		if r, err := parseResponse(head); err == nil {
			t.Errorf("%q is accepted: %+v", head, r)
		}
	}
}
