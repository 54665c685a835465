package http1

// Chunks undoes the chunked coding (RFC 9112 §7.1), in whatever pieces it
// comes. A size is hexadecimal digits and nothing else; extensions are stepped
// over, and trailers collected.
type Chunks struct {
	state    chunkState
	left     int64 // of the chunk's data
	digits   int
	ext      int    // bytes of extensions so far
	trailers []byte // field lines so far, and the empty one at the end
	line     int    // where the trailer line begins that is being read
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExt
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
	chunkTrailerLF
	chunkDone
)

const (
	maxDigits    = 15 // of a chunk size: 2^60
	maxExtension = 4 << 10
	maxTrailers  = 16 << 10
)

// Reset makes it ready for the next body, keeping its memory.
func (c *Chunks) Reset() { *c = Chunks{trailers: c.trailers[:0]} }

// Done tells whether the body and its trailers have come whole.
func (c *Chunks) Done() bool { return c.state == chunkDone }

// Left is how many bytes of the chunk that has begun are still to come.
func (c *Chunks) Left() int64 {
	if c.state == chunkData {
		return c.left
	}
	return 0
}

// Trailers gives the lines after the last chunk, with the empty one.
func (c *Chunks) Trailers() []byte { return c.trailers }

// Next takes in the beginning of p: it gives the data that it found there, a
// part of p, and how many bytes it took. It ends after each piece of data;
// once Done, it takes nothing more.
func (c *Chunks) Next(p []byte) (data []byte, n int, err *Error) {
	for n < len(p) && c.state != chunkDone {
		if c.state == chunkData {
			k := min(int64(len(p)-n), c.left)
			data = p[n : n+int(k)]
			n += int(k)
			if c.left -= k; c.left == 0 {
				c.state = chunkDataCR
			}
			return data, n, nil
		}
		if err := c.step(p[n]); err != nil {
			return nil, n, err
		}
		n++
	}
	return nil, n, nil
}

// step takes in one byte that is not data.
func (c *Chunks) step(b byte) *Error {
	switch c.state {
	case chunkSize:
		return c.stepSize(b)
	case chunkExt:
		if b == '\r' {
			c.state = chunkSizeLF
			return nil
		}
		if c.ext++; c.ext > maxExtension || b < ' ' && b != '\t' || b == 0x7f {
			return errExtension
		}
	case chunkSizeLF:
		if b != '\n' {
			return errBareCR
		}
		c.digits = 0
		if c.state = chunkData; c.left == 0 {
			c.state = chunkTrailer
			c.line = len(c.trailers)
		}
	case chunkDataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state = chunkSize
	case chunkTrailer, chunkTrailerLF:
		return c.stepTrailer(b)
	}
	return nil
}

func (c *Chunks) stepSize(b byte) *Error {
	d := int64(-1)
	switch {
	case '0' <= b && b <= '9':
		d = int64(b - '0')
	case 'a' <= b && b <= 'f':
		d = int64(b-'a') + 10
	case 'A' <= b && b <= 'F':
		d = int64(b-'A') + 10
	}
	switch {
	case d >= 0 && c.digits < maxDigits:
		c.left = c.left<<4 | d
		c.digits++
	case c.digits == 0:
		return errChunkSize
	case b == '\r':
		c.state = chunkSizeLF
	case b == ';':
		c.state = chunkExt
	default:
		return errChunkSize
	}
	return nil
}

func (c *Chunks) stepTrailer(b byte) *Error {
	if len(c.trailers) >= maxTrailers {
		return errTrailerLong
	}
	if c.state == chunkTrailer {
		switch b {
		case '\n':
			return errBareLF
		case '\r':
			c.state = chunkTrailerLF
		}
		c.trailers = append(c.trailers, b)
		return nil
	}
	if b != '\n' {
		return errBareCR
	}
	length := len(c.trailers) - 1 - c.line // without the CR
	if length > 0 {
		if _, err := parseField(c.trailers, span{uint32(c.line), uint32(length)}); err != nil {
			return errTrailer
		}
	}
	c.trailers = append(c.trailers, b)
	c.line = len(c.trailers)
	c.state = chunkTrailer
	if length == 0 {
		c.state = chunkDone
	}
	return nil
}
