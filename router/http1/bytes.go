package http1

import "encoding/binary"

// The classes of a byte in a field name (RFC 9110 §5.6.2).
const (
	classNone  = iota // not allowed
	classPlain        // a letter, a digit or "-"
	classOdd          // allowed, but not in names that anybody uses
)

var class = func() (t [256]uint8) {
	for b := range t {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-':
			t[b] = classPlain
		}
	}
	for _, b := range []byte("!#$%&'*+.^_`|~") {
		t[b] = classOdd
	}
	return t
}()

// IsToken tells whether b is a token (RFC 9110 §5.6.2).
func IsToken(b []byte) bool {
	for _, c := range b {
		if class[c] == classNone {
			return false
		}
	}
	return len(b) > 0
}

// isText tells whether b may be a field value: no control character but the
// tab (RFC 9110 §5.5). It looks at eight bytes at a time.
func isText(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		low := (x - ones*0x20) &^ x                        // a high bit where the byte is below 0x20
		del := ((x ^ ones*0x7f) - ones) &^ (x ^ ones*0x7f) // … where it is 0x7f
		if (low|del)&high != 0 && !textSlow(b[:8]) {
			return false
		}
	}
	return textSlow(b)
}

func textSlow(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// trim removes spaces and tabs around a field value.
func trim(b []byte, s span) span {
	for s.len > 0 && isBlank(b[s.off]) {
		s.off++
		s.len--
	}
	for s.len > 0 && isBlank(b[s.off+s.len-1]) {
		s.len--
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// EqualFold compares with a string in lower case, ASCII only: Unicode folding
// would make "ſ" an "s".
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// NextToken cuts the first element off a comma-separated list. An element
// may be empty.
func NextToken(list []byte) (token, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trimBytes(list[:i]), list[i+1:]
		}
	}
	return trimBytes(list), nil
}

func trimBytes(b []byte) []byte {
	s := trim(b, span{0, uint32(len(b))})
	return b[s.off : s.off+s.len]
}
