package router

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// writeRest is how long an instance may take to read the end of a small request.
const writeRest = time.Minute

var (
	errFull  = errors.New("the buffer is full")
	errStale = errors.New("the connection was closed, or spoke, while it was idle")
)

// source reads from a connection. It holds a buffer only while something is at
// hand: ten thousand connections that wait cost no memory for it. On a plain
// socket the buffer is taken when the kernel has something to read; what else
// is read through (TLS) is waited for with one byte.
type source struct {
	conn net.Conn
	raw  syscall.RawConn // nil: not a plain socket
	pool *sync.Pool      // of *[]byte, all of one size
	room int             // left free at the begin of a buffer

	buf  *[]byte // nil: nothing is at hand
	r, w int     // buf[r:w] is at hand
	hold bool    // what was taken is still looked at: the buffer stays
	one  [1]byte

	// readBy is the deadline that is set, by Router.now; 0: unknown.
	readBy int64

	// What attempt and asking leave behind.
	attempt, asking func(fd uintptr) bool
	n               int
	err             error
	question        []byte // what asking has yet to write
	look            bool   // asking looks first whether the connection is silent
	wrote           int
}

func (s *source) init(c net.Conn, pool *sync.Pool, room int) {
	s.conn, s.pool, s.room = c, pool, room
	switch c := c.(type) {
	case *tcpConn:
		s.raw = c.raw
	case *net.TCPConn:
		if raw, err := c.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	if s.raw != nil {
		s.attempt, s.asking = s.read, s.pose
	}
}

// atHand gives what was read and not taken yet.
func (s *source) atHand() []byte {
	if s.buf == nil {
		return nil
	}
	return (*s.buf)[s.r:s.w]
}

func (s *source) empty() bool { return s.r == s.w }

// skip takes the next n bytes.
func (s *source) skip(n int) { s.r += n }

// free gives the buffer back; what was at hand is lost.
func (s *source) free() {
	if s.buf != nil {
		if len(*s.buf) == s.size() {
			s.pool.Put(s.buf)
		}
		s.buf = nil
	}
	s.r, s.w = 0, 0
}

func (s *source) size() int {
	if s.pool == &requestBuffers {
		return requestBuffer
	}
	return largeBuffer
}

func (s *source) take() {
	s.buf = s.pool.Get().(*[]byte)
	s.r, s.w = s.room, s.room
}

// space is where the next bytes go.
func (s *source) space() []byte { return (*s.buf)[s.w : len(*s.buf)-tailRoom] }

// grow makes room for more behind what is at hand, in a buffer of at most
// limit bytes.
func (s *source) grow(limit int) bool {
	old := *s.buf
	size := min(2*len(old), limit+s.room+tailRoom)
	if size <= len(old) {
		return false
	}
	b := make([]byte, size)
	n := copy(b[s.room:], old[s.r:s.w])
	s.free()
	s.buf, s.r, s.w = &b, s.room, s.room+n
	return true
}

// rewind makes an empty buffer be filled from its begin.
func (s *source) rewind() {
	if s.r == s.w {
		s.r, s.w = s.room, s.room
	}
}

// fill waits for more bytes and puts them behind those at hand.
func (s *source) fill() error {
	if s.buf != nil && len(s.space()) == 0 {
		return errFull
	}
	s.n, s.err = 0, nil
	if s.raw == nil {
		return s.fillThrough()
	}
	if err := s.raw.Read(s.attempt); err != nil {
		return err
	}
	s.w += s.n
	return s.err
}

// read is one attempt on the socket; false: there is nothing yet.
func (s *source) read(fd uintptr) bool {
	if s.buf == nil {
		s.take()
	}
	s.n, s.err = readSocket(fd, s.space())
	switch {
	case s.err == syscall.EAGAIN:
		s.err = nil
		if s.r == s.w && !s.hold {
			s.free()
		}
		return false
	case s.err == nil && s.n == 0:
		s.err = io.EOF
	}
	return true
}

// fillThrough reads by way of the connection.
func (s *source) fillThrough() error {
	if s.buf == nil {
		n, err := s.conn.Read(s.one[:])
		if n == 0 {
			return orEOF(err)
		}
		s.take()
		(*s.buf)[s.w] = s.one[0]
		s.w++
		return nil
	}
	n, err := s.conn.Read(s.space())
	s.w += n
	if n > 0 {
		return nil
	}
	return orEOF(err)
}

func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// ask writes the question and waits for the first bytes of the answer. With
// look, a connection that is not open and silent gives errStale, and nothing
// was written. wrote tells how much was.
//
// The look is the attempt to read that waiting for the answer begins with in
// any case, so it costs nothing; and it comes right before the write.
func (s *source) ask(question []byte, look bool) error {
	s.question, s.look, s.wrote, s.n, s.err = question, look, 0, 0, nil
	if err := s.raw.Read(s.asking); err != nil {
		return err
	}
	if rest := s.question; rest != nil && s.err == nil {
		s.question = nil
		s.conn.SetWriteDeadline(time.Now().Add(writeRest))
		n, err := s.conn.Write(rest) // waits for room
		s.wrote += n
		if err != nil {
			return err
		}
		return s.fill()
	}
	s.w += s.n
	return s.err
}

func (s *source) pose(fd uintptr) bool {
	if s.question == nil {
		return s.read(fd)
	}
	if s.look && !silent(fd, &s.one) {
		s.err = errStale
		return true
	}
	n, err := writeSocket(fd, s.question)
	if err != nil && err != syscall.EAGAIN {
		s.err = err
		return true
	}
	s.wrote += n
	if n < len(s.question) {
		s.question = s.question[n:]
		return true
	}
	s.question = nil
	return false
}

// within sets a read deadline of about d from now on: no less, and at most a
// quarter more, so that it need not be set again for every request.
func (s *source) within(r *Router, now int64, d time.Duration) {
	if left := time.Duration(s.readBy - now); s.readBy != 0 && d <= left && left <= d+d/4 {
		return
	}
	s.readBy = now + int64(d+d/4)
	s.conn.SetReadDeadline(r.born.Add(time.Duration(s.readBy)))
}

// exactly sets a read deadline d from now; d 0: none.
func (s *source) exactly(d time.Duration) {
	s.readBy = 0
	var by time.Time
	if d > 0 {
		by = time.Now().Add(d)
	}
	s.conn.SetReadDeadline(by)
}
