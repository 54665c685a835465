package http1

import "bytes"

// Response is the head of a response.
type Response struct {
	Head
	Minor  int
	Status int
	// Length of the body in bytes, or Chunked, or UntilClose. Whether there is
	// a body at all depends on the request's method too: see BodyLength.
	Length int64
	// HasLength: a Content-Length was there.
	HasLength bool
	// Close: the connection ends after this response.
	Close bool
	// Named: Connection names other fields than those of the connection itself.
	Named bool

	reason span
}

// Reason is the text after the status; it may be empty.
func (r *Response) Reason() []byte { return r.at(r.reason) }

// BodyLength is the length of the body that follows (RFC 9112 §6.3).
func (r *Response) BodyLength(toHead bool) int64 {
	if toHead || r.Status < 200 || r.Status == 204 || r.Status == 304 {
		return 0
	}
	return r.Length
}

// Parse reads a head that End, with loose, has found the end of.
func (r *Response) Parse(head []byte) *Error {
	r.reset(head)
	r.Length, r.HasLength, r.Close, r.Named = UntilClose, false, false, false
	line, next := cutLine(head, 0, true)
	if err := r.parseLine(line); err != nil {
		return err
	}
	if err := r.parseFields(next, true); err != nil {
		return err
	}
	return r.judge()
}

// parseLine reads the status line. The reason may be missing, with its space.
func (r *Response) parseLine(line span) *Error {
	b := r.at(line)
	if len(b) < len("HTTP/1.1 200") || string(b[:7]) != "HTTP/1." || b[8] != ' ' {
		return errStatusLine
	}
	switch b[7] {
	case '0':
		r.Minor = 0
	case '1':
		r.Minor = 1
	default:
		return errStatusLine
	}
	r.Status = 0
	for _, c := range b[9:12] {
		if !isDigit(c) {
			return errStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || len(b) > 12 && b[12] != ' ' || !isText(b[12:]) {
		return errStatusLine
	}
	r.reason = span{}
	if len(b) > 13 {
		r.reason = span{line.off + 13, uint32(len(b) - 13)}
	}
	return nil
}

// judge takes from the fields what the message and its connection are. A
// Content-Length that is repeated to the letter is one; everything else that
// is repeated or in conflict is refused.
func (r *Response) judge() *Error {
	codings, keep := 0, false
	var length []byte
	for _, f := range r.Fields {
		switch f.Name {
		case ContentLength:
			n, err := parseLength(r.Value(f))
			if err != nil {
				return err
			}
			if r.HasLength && !bytes.Equal(r.Value(f), length) {
				return errLengths
			}
			r.Length, r.HasLength, length = n, true, r.Value(f)
		case TransferEncoding:
			if codings++; codings > 1 || !EqualFold(r.Value(f), "chunked") {
				return errCoding
			}
		case Connection:
			for list := r.Value(f); list != nil; {
				var token []byte
				switch token, list = NextToken(list); {
				case EqualFold(token, "close"):
					r.Close = true
				case EqualFold(token, "keep-alive"):
					keep = true
				case len(token) > 0:
					r.Named = true
				}
			}
		}
	}
	if r.Minor == 0 {
		r.Close = r.Close || !keep
	}
	switch {
	case codings > 0 && r.HasLength:
		return errBoth
	case codings > 0 && r.Minor == 0:
		return errCodingVersion
	case codings > 0:
		r.Length = Chunked
	}
	return nil
}

// Trailers are the fields after a chunked body.
type Trailers struct{ Head }

// Parse reads what Chunks has collected.
func (t *Trailers) Parse(b []byte) *Error {
	t.reset(b)
	if len(b) == 0 {
		return nil
	}
	return t.parseFields(0, false)
}
