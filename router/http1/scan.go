package http1

import "bytes"

// End looks for the end of a head that begins at p[0]. It gives the length of
// the head with its empty line, or 0 while that has not come. from is where
// the look begins, at first 0, then the next of the call before: each line is
// looked at once, however many pieces it comes in. With loose a line may end
// with LF alone, as RFC 9112 §2.2 allows to understand; requests never may.
func End(p []byte, from int, loose bool) (end, next int, err *Error) {
	for {
		i := bytes.IndexByte(p[from:], '\n')
		switch {
		case i < 0:
			return 0, from, nil
		case i == 0 || p[from+i-1] != '\r':
			if !loose {
				return 0, from, errBareLF
			}
			if i == 0 {
				return from + 1, 0, nil
			}
		case i == 1:
			return from + 2, 0, nil
		}
		from += i + 1
	}
}

// cutLine gives the line that begins at off, without its end, and where the
// next one begins. The head is known to have a line end there.
func cutLine(p []byte, off int, loose bool) (line span, next int) {
	i := bytes.IndexByte(p[off:], '\n')
	n := i
	if !loose || n > 0 && p[off+n-1] == '\r' {
		n--
	}
	return span{uint32(off), uint32(n)}, off + i + 1
}
