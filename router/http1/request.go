package http1

import (
	"bytes"
	"strings"
)

// Lengths of a body that are none.
const (
	Chunked    int64 = -1
	UntilClose int64 = -2 // of a response only
)

// Request is the head of a request.
type Request struct {
	Head
	Minor int // of the version: HTTP/1.0 or HTTP/1.1; 2 stands for HTTP/2

	// Length of the body in bytes, or Chunked; 0: there is none.
	Length int64
	// HasLength: a Content-Length was there, if only of 0.
	HasLength bool
	// Close: the client asked for, or knows only of, one request per connection.
	Close bool
	// Named: Connection names other fields than those of the connection itself.
	Named bool
	// Expects: the body comes only after 100 Continue.
	Expects bool
	// Upgrades: there is an Upgrade field.
	Upgrades bool

	method, target, host span
}

// Method as it was written.
func (r *Request) Method() []byte { return r.at(r.method) }

// Target is the path and query, byte for byte. Of the absolute form the scheme
// and the authority are cut off.
func (r *Request) Target() []byte { return r.at(r.target) }

// Host is the authority of an absolute target, else the Host field (RFC 9112 §3.2.2).
func (r *Request) Host() []byte { return r.at(r.host) }

// Parse reads a head that End has found the end of.
func (r *Request) Parse(head []byte) *Error {
	r.reset(head)
	r.Length, r.HasLength, r.Close, r.Named, r.Expects, r.Upgrades = 0, false, false, false, false, false
	r.host = span{}
	line, next := cutLine(head, 0, false)
	if err := r.parseLine(line); err != nil {
		return err
	}
	if err := r.parseFields(next, false); err != nil {
		return err
	}
	if err := r.judge(); err != nil {
		return err
	}
	return r.checkHost()
}

// parseLine reads the request line: three parts, one space between each.
func (r *Request) parseLine(line span) *Error {
	b := r.at(line)
	first := bytes.IndexByte(b, ' ')
	if first <= 0 {
		return errRequestLine
	}
	if !IsToken(b[:first]) {
		return errMethod
	}
	rest := b[first+1:]
	second := bytes.IndexByte(rest, ' ')
	if second <= 0 {
		return errRequestLine
	}
	switch version := rest[second+1:]; {
	case string(version) == "HTTP/1.1":
		r.Minor = 1
	case string(version) == "HTTP/1.0":
		r.Minor = 0
	case isVersion(version):
		return errVersion
	default:
		return errRequestLine
	}
	r.method = span{line.off, uint32(first)}
	r.target = span{line.off + uint32(first) + 1, uint32(second)}
	if string(b[:first]) == "CONNECT" {
		return &Error{501, "CONNECT is not offered here"}
	}
	return r.checkTarget()
}

func isVersion(b []byte) bool {
	return len(b) == 8 && string(b[:5]) == "HTTP/" && isDigit(b[5]) && b[6] == '.' && isDigit(b[7])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// checkTarget accepts the origin form, and the absolute form of http and https.
func (r *Request) checkTarget() *Error {
	t := r.Target()
	for _, c := range t {
		if c <= ' ' || c == 0x7f || c == '#' {
			return errTarget
		}
	}
	if t[0] == '/' {
		return nil
	}
	scheme := len("http://")
	switch {
	case len(t) > 7 && EqualFold(t[:7], "http://"):
	case len(t) > 8 && EqualFold(t[:8], "https://"):
		scheme++
	default:
		return errTarget
	}
	authority := t[scheme:]
	if i := bytes.IndexAny(authority, "/?"); i >= 0 {
		authority = authority[:i]
	}
	if len(authority) == 0 {
		return errTarget
	}
	r.host = span{r.target.off + uint32(scheme), uint32(len(authority))}
	skip := uint32(scheme + len(authority))
	r.target.off, r.target.len = r.target.off+skip, r.target.len-skip
	switch rest := r.Target(); {
	case len(rest) == 0:
		r.target = r.literal("/")
	case rest[0] == '?':
		r.target = r.literal("/" + string(rest))
	}
	return nil
}

// literal puts a text behind the bytes of the head, for spans to refer to. It
// copies them, so that what follows them where they came from is not touched.
func (r *Request) literal(s string) span {
	r.buf = append(r.buf[:len(r.buf):len(r.buf)], s...)
	return span{uint32(len(r.buf) - len(s)), uint32(len(s))}
}

// judge takes from the fields what the message and its connection are.
func (r *Request) judge() *Error {
	hosts, codings := 0, 0
	keep := false
	for _, f := range r.Fields {
		switch f.Name {
		case Host:
			if hosts++; r.host.len == 0 {
				r.host = f.value
			}
		case ContentLength:
			if r.HasLength {
				return errLengths
			}
			n, err := parseLength(r.Value(f))
			if err != nil {
				return err
			}
			r.Length, r.HasLength = n, true
		case TransferEncoding:
			if codings++; codings > 1 || !EqualFold(r.Value(f), "chunked") {
				return errCoding
			}
		case Connection:
			r.judgeConnection(r.Value(f), &keep)
		case Expect:
			if !EqualFold(r.Value(f), "100-continue") {
				return errExpect
			}
			r.Expects = r.Minor == 1
		case Upgrade:
			r.Upgrades = true
		}
	}
	if r.Minor == 0 {
		r.Close = r.Close || !keep
	}
	switch {
	case hosts > 1, hosts == 0 && r.Minor == 1:
		return errHost
	case codings > 0 && r.HasLength:
		return errBoth
	case codings > 0 && r.Minor == 0:
		return errCodingVersion
	case codings > 0:
		r.Length = Chunked
	}
	r.Expects = r.Expects && r.Length != 0
	return nil
}

func (r *Request) judgeConnection(list []byte, keep *bool) {
	for list != nil {
		var token []byte
		token, list = NextToken(list)
		switch {
		case EqualFold(token, "close"):
			r.Close = true
		case EqualFold(token, "keep-alive"):
			*keep = true
		case len(token) > 0:
			r.Named = true
		}
	}
}

// checkHost accepts what can be a host with a port: nothing in it may end a
// quoted text or a line where it is written again.
func (r *Request) checkHost() *Error {
	h := r.Host()
	if len(h) == 0 {
		if r.Minor == 0 {
			return nil
		}
		return errHostForm
	}
	for _, c := range h {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == ':', c == '[', c == ']':
		default:
			return errHostForm
		}
	}
	return nil
}

// parseLength reads a Content-Length: digits, nothing else (RFC 9110 §8.6).
func parseLength(b []byte) (n int64, err *Error) {
	if len(b) == 0 || len(b) > 18 {
		return 0, errLength
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, errLength
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// Set makes the request one that did not come over HTTP/1: length is as in Length.
func (r *Request) Set(method, target, host string, minor int, length int64) {
	*r = Request{Head: Head{Fields: r.Fields[:0], buf: r.buf[:0:0]}, Minor: minor, Length: length, HasLength: length >= 0}
	r.buf = make([]byte, 0, 1024)
	r.method, r.target, r.host = r.text(method), r.text(target), r.text(host)
}

// Discard makes the request an empty one: what was parsed of a malformed one
// means nothing.
func (r *Request) Discard() {
	r.reset(nil)
	r.method, r.target, r.host = span{}, span{}, span{}
	r.Minor, r.Length, r.HasLength, r.Close = 1, 0, false, true
	r.Named, r.Expects, r.Upgrades = false, false, false
}

// Clear takes all fields away, for others to be added. What they said of the
// body stays. The request no longer refers to the bytes it was parsed from.
func (r *Request) Clear() {
	r.Move(make([]byte, len(r.buf)))
	r.Fields = r.Fields[:0]
	r.Named, r.Upgrades = false, false
}

// Add adds a field after Set or Clear. What could not have come in a field
// line it does not add; then it returns false.
func (r *Request) Add(name, value string) bool {
	if !IsToken([]byte(name)) || !isText([]byte(value)) {
		return false
	}
	r.add(name, strings.Trim(value, " \t"))
	switch f := &r.Fields[len(r.Fields)-1]; f.Name {
	case Connection:
		keep := false
		r.judgeConnection(r.Value(*f), &keep)
	case Expect:
		r.Expects = EqualFold(r.Value(*f), "100-continue") && r.Length != 0
	case Upgrade:
		r.Upgrades = true
	}
	return true
}
