package gitserver

import (
	"cmp"
	"errors"
	"io"
	"sync"
)

// The bands of git's side-band-64k.
const (
	bandData     = 1
	bandProgress = 2
	bandFatal    = 3
)

// maxBand is the most that one side-band packet carries: a pkt-line without its
// length and the band's number.
const maxBand = maxPacket - 5

// sideband sends several streams over one. It may be used from several
// goroutines; packets are never interleaved. After an error nothing is sent.
type sideband struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
	err error
}

// write sends p on a band, in as many packets as it takes.
func (s *sideband) write(band byte, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 && s.err == nil {
		n := min(len(p), maxBand)
		s.buf = append(appendLength(s.buf[:0], n+5), band)
		s.buf = append(s.buf, p[:n]...)
		_, s.err = s.w.Write(s.buf)
		p = p[n:]
	}
	return s.err
}

// keepalive sends an empty packet on the progress band, which git ignores. It
// finds out when a client is gone whose connection still stands.
func (s *sideband) keepalive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = io.WriteString(s.w, "0005\x02")
	}
	return s.err
}

var errEnded = errors.New("the conversation has ended")

// flush ends the conversation: nothing is sent after it.
func (s *sideband) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	_, err := io.WriteString(s.w, "0000")
	s.err = cmp.Or(err, errEnded)
	return err
}
