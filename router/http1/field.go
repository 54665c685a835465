package http1

// Name tells the fields apart that mean something to an intermediary.
type Name uint8

// The names, each with its place in a message.
const (
	Other Name = iota
	Connection
	ContentLength
	TransferEncoding
	Host
	Expect
	Upgrade
	TE
	Trailer
	KeepAlive
	ProxyConnection
	ProxyAuthenticate
	ProxyAuthorization
	HTTP2Settings
	Proxy
	Forwarded
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XForwardedOther // any other that begins with X-Forwarded-
	XRealIP
	XRequestID
	XRequestStart
	ContentType
	Date
	XRobotsTag
	Cookie
)

const longestName = len("proxy-authorization")

// NameOf tells which name b is, in any case.
func NameOf(b []byte) Name {
	if len(b) > longestName {
		if EqualFold(b[:len("x-forwarded-")], "x-forwarded-") {
			return XForwardedOther
		}
		return Other
	}
	var low [longestName]byte
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		low[i] = c
	}
	switch name := low[:len(b)]; string(name) {
	case "connection":
		return Connection
	case "content-length":
		return ContentLength
	case "transfer-encoding":
		return TransferEncoding
	case "host":
		return Host
	case "expect":
		return Expect
	case "upgrade":
		return Upgrade
	case "te":
		return TE
	case "trailer":
		return Trailer
	case "keep-alive":
		return KeepAlive
	case "proxy-connection":
		return ProxyConnection
	case "proxy-authenticate":
		return ProxyAuthenticate
	case "proxy-authorization":
		return ProxyAuthorization
	case "http2-settings":
		return HTTP2Settings
	case "proxy":
		return Proxy
	case "forwarded":
		return Forwarded
	case "x-forwarded-for":
		return XForwardedFor
	case "x-forwarded-proto":
		return XForwardedProto
	case "x-forwarded-host":
		return XForwardedHost
	case "x-real-ip":
		return XRealIP
	case "x-request-id":
		return XRequestID
	case "x-request-start":
		return XRequestStart
	case "content-type":
		return ContentType
	case "date":
		return Date
	case "x-robots-tag":
		return XRobotsTag
	case "cookie":
		return Cookie
	default:
		if len(name) > 12 && string(name[:12]) == "x-forwarded-" {
			return XForwardedOther
		}
		return Other
	}
}

// span is a piece of a head.
type span struct{ off, len uint32 }

// Field is one field line of a head, by its place there.
type Field struct {
	Name Name
	// Odd: the name has other characters than letters, digits and "-".
	Odd         bool
	name, value span
}

// Head is the fields of a message. It refers to the bytes that it was parsed
// from, which must stay until the next parse.
type Head struct {
	Fields []Field
	buf    []byte
}

func (h *Head) at(s span) []byte { return h.buf[s.off : s.off+s.len : s.off+s.len] }

// NameOf gives the name of a field as it was written.
func (h *Head) NameOf(f Field) []byte { return h.at(f.name) }

// Value gives the value of a field, without the blanks around it.
func (h *Head) Value(f Field) []byte { return h.at(f.value) }

// First gives the value of the first field with the name; nil if there is none.
func (h *Head) First(n Name) []byte {
	for _, f := range h.Fields {
		if f.Name == n {
			return h.Value(f)
		}
	}
	return nil
}

// Get gives the value of the first field with the name, which is in lower
// case; nil if there is none.
func (h *Head) Get(lower string) []byte {
	for _, f := range h.Fields {
		if EqualFold(h.NameOf(f), lower) {
			return h.Value(f)
		}
	}
	return nil
}

// HasToken tells whether a field with the name, as a comma-separated list,
// has the token, which is in lower case.
func (h *Head) HasToken(n Name, lower string) bool {
	for _, f := range h.Fields {
		if f.Name != n {
			continue
		}
		for rest := h.Value(f); rest != nil; {
			var token []byte
			if token, rest = NextToken(rest); EqualFold(token, lower) {
				return true
			}
		}
	}
	return false
}

// Move makes the head refer to a copy of its bytes, which to is large enough for.
func (h *Head) Move(to []byte) {
	h.buf = to[:copy(to, h.buf)]
}

// Size is how many bytes the head refers to.
func (h *Head) Size() int { return len(h.buf) }

func (h *Head) reset(buf []byte) {
	h.buf = buf
	h.Fields = h.Fields[:0]
}

// add appends a field that does not come from a wire.
func (h *Head) add(name, value string) {
	f := Field{Name: NameOf([]byte(name)), name: h.text(name), value: h.text(value)}
	for i := range len(name) {
		f.Odd = f.Odd || class[name[i]] != classPlain
	}
	h.Fields = append(h.Fields, f)
}

func (h *Head) text(s string) span {
	at := len(h.buf)
	h.buf = append(h.buf, s...)
	return span{uint32(at), uint32(len(s))}
}

// MaxFields is how many fields a head may have.
const MaxFields = 256

// parseFields reads the field lines from off on, up to the empty line. With
// loose a line may end with LF alone.
func (h *Head) parseFields(off int, loose bool) *Error {
	for {
		line, next := cutLine(h.buf, off, loose)
		if line.len == 0 {
			return nil
		}
		f, err := parseField(h.buf, line)
		if err != nil {
			return err
		}
		if len(h.Fields) == MaxFields {
			return errTooMany
		}
		h.Fields = append(h.Fields, f)
		off = next
	}
}

// parseField reads one field line.
func parseField(buf []byte, line span) (f Field, err *Error) {
	b := buf[line.off : line.off+line.len]
	if isBlank(b[0]) {
		return f, errFold
	}
	colon := 0
	for colon < len(b) && b[colon] != ':' {
		switch class[b[colon]] {
		case classNone:
			return f, errName
		case classOdd:
			f.Odd = true
		}
		colon++
	}
	if colon == 0 || colon == len(b) {
		return f, errName
	}
	if !isText(b[colon+1:]) {
		return f, errControl
	}
	f.name = span{line.off, uint32(colon)}
	f.value = trim(buf, span{line.off + uint32(colon) + 1, uint32(len(b) - colon - 1)})
	f.Name = NameOf(b[:colon])
	return f, nil
}
