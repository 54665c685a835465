// Package http1 reads HTTP/1.1 messages (RFC 9112) in place: the bytes of a
// head stay where they were read, and what is found in them is noted as
// offsets. Nothing is allocated once a [Request] or [Response] has been used.
//
// It is strict, because a message that two parsers understand differently is
// how one user's request becomes part of another's. A request is refused, with
// the status to answer, for: a line that does not end with CRLF, a control
// character, a folded line, whitespace around a name, more or less than one
// Host, a repeated or malformed Content-Length, one beside a Transfer-Encoding,
// a Transfer-Encoding other than "chunked", and chunks with anything but a
// plain size. Whatever it accepts, net/http accepts too, and understands the
// same way; the fuzz tests hold it to that.
//
// The package knows nothing of connections, time and policy.
package http1

// Error is why a message is not accepted.
type Error struct {
	// Status is what to answer to a request; a response has none, it is a 502.
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

func bad(text string) *Error { return &Error{400, text} }

// Errors are variables, so that refusing allocates nothing.
var (
	errBareLF        = bad("a line does not end with CR LF")
	errBareCR        = bad("a CR stands alone")
	errControl       = bad("a field has a control character")
	errRequestLine   = bad("the request line is malformed")
	errMethod        = bad("the method is not one")
	errTarget        = bad("the request target is not a path")
	errVersion       = &Error{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
	errFold          = bad("a field is folded over several lines")
	errName          = bad("a field name is malformed")
	errTooMany       = &Error{431, "there are too many fields"}
	errHost          = bad("there is not exactly one Host")
	errHostForm      = bad("the Host is not a host name")
	errLength        = bad("the Content-Length is malformed")
	errLengths       = bad("there is more than one Content-Length")
	errBoth          = bad("there is both a Content-Length and a Transfer-Encoding")
	errCoding        = &Error{501, "the only transfer coding here is chunked"}
	errCodingVersion = bad("HTTP/1.0 has no transfer codings")
	errExpect        = &Error{417, "the only expectation here is 100-continue"}
	errStatusLine    = bad("the status line is malformed")
	errChunkSize     = bad("a chunk size is malformed")
	errChunkEnd      = bad("a chunk does not end where it said")
	errExtension     = bad("a chunk extension is malformed or too long")
	errTrailer       = bad("a trailer is malformed")
	errTrailerLong   = bad("the trailers are too long")
)
