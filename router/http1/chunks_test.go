package http1

import (
	"strings"
	"testing"
)

// decode undoes the chunks of s, given in pieces of n bytes; rest is what
// follows them.
func decode(s string, n int) (body, rest, trailers string, err *Error) {
	var c Chunks
	var out strings.Builder
	for len(s) > 0 && !c.Done() {
		piece := s[:min(n, len(s))]
		data, took, err := c.Next([]byte(piece))
		if err != nil {
			return out.String(), s, "", err
		}
		out.Write(data)
		s = s[took:]
	}
	if !c.Done() {
		return out.String(), s, "", &Error{0, "incomplete"}
	}
	return out.String(), s, string(c.Trailers()), nil
}

func TestChunksAreUndoneHoweverTheyCome(t *testing.T) {
	const s = "4\r\nWiki\r\n5;a=b;c=\"d e\"\r\npedia\r\n00F\r\n in \r\n\r\nchunks.\r\n000\r\nX-Sum: 1\r\nEmpty:\r\n\r\nGET /"
	for n := 1; n < len(s); n++ {
		body, rest, trailers, err := decode(s, n)
		if err != nil || body != "Wikipedia in \r\n\r\nchunks." || rest != "GET /" || trailers != "X-Sum: 1\r\nEmpty:\r\n\r\n" {
			t.Fatalf("in pieces of %d: %q, rest %q, trailers %q, %v", n, body, rest, trailers, err)
		}
	}
}

func TestMalformedChunksAreRefused(t *testing.T) {
	for _, s := range []string{
		"", "\r\n", " 2\r\nab\r\n0\r\n\r\n", "2 \r\nab\r\n0\r\n\r\n", "2\t\r\nab\r\n0\r\n\r\n", "+2\r\nab\r\n0\r\n\r\n", "-2\r\nab\r\n0\r\n\r\n",
		"0x2\r\nab\r\n0\r\n\r\n", "2_0\r\n", "g\r\n", "2\nab\r\n0\r\n\r\n", "2\rab\r\n0\r\n\r\n", "2\r\nabc\r\n0\r\n\r\n", "2\r\nab0\r\n\r\n",
		"2\r\nab\n0\r\n\r\n", "2\r\nab\r0\r\n\r\n", "2\r\nab\r\n0\n\r\n", "2\r\nab\r\n0\r\n\n", "2\r\nab\r\n0\r\nX\r\n\r\n", "2\r\nab\r\n0\r\n X: y\r\n\r\n",
		"2\r\nab\r\n0\r\nX : y\r\n\r\n", "2\r\nab\r\n0\r\nX: a\rb\r\n\r\n", "2\r\nab\r\n0\r\nX: a\nb\r\n\r\n", "2\r\nab\r\n0\r\nX: a\x00b\r\n\r\n",
		"2;a\nb\r\nab\r\n0\r\n\r\n", "2;a\rb\r\nab\r\n0\r\n\r\n", "2;a\x00\r\nab\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "0000000000000002\r\nab\r\n0\r\n\r\n",
		"2;" + strings.Repeat("x", 5000) + "\r\nab\r\n0\r\n\r\n", "0\r\n" + strings.Repeat("A: b\r\n", 4000) + "\r\n",
		"2\r\nab", "2\r\nab\r\n0\r\n", "2\r\nab\r\n0\r\nX: y\r\n", "2\r\n\r\nab\r\n0\r\n\r\n",
	} {
		for _, n := range []int{1, 3, 1000} {
			if body, _, _, err := decode(s, n); err == nil {
				t.Errorf("%.60q in pieces of %d is accepted as %q", s, n, body)
			}
		}
	}
}
