package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"teal/deploy"
)

// maxLine is how much of a line is kept, in bytes.
const maxLine = 4000

// splitter cuts what an app wrote into lines that are safe to show.
type splitter struct {
	emit func(line string)
	buf  []byte
	over bool // the line is longer than maxLine: its rest is dropped
}

func (s *splitter) write(p []byte) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.keep(p)
			return
		}
		s.keep(p[:i])
		s.end()
		p = p[i+1:]
	}
}

func (s *splitter) keep(p []byte) {
	if room := maxLine - len(s.buf); len(p) > room {
		p, s.over = p[:room], true
	}
	s.buf = append(s.buf, p...)
}

func (s *splitter) end() {
	line := string(s.buf)
	if s.over {
		line = strings.ToValidUTF8(line, "") + "…"
	}
	s.buf, s.over = s.buf[:0], false
	s.emit(cleanLine(line))
}

// flush emits a last line that had no end.
func (s *splitter) flush() {
	if len(s.buf) > 0 {
		s.end()
	}
}

var escapes = regexp.MustCompile(`\x1b(\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-Za-z]|[=>78cDEHM])`)

// cleanLine takes colors and cursor movements out, keeps of a progress bar what
// a terminal would show last, and makes the rest safe to print.
func cleanLine(s string) string {
	s = strings.TrimRight(escapes.ReplaceAllString(s, ""), "\r ")
	if i := strings.LastIndexByte(s, '\r'); i >= 0 {
		s = s[i+1:]
	}
	return deploy.Clean(s, maxLine)
}

// maxFrame bounds what the Engine may announce; its own frames end at 16 or 32 KiB.
const maxFrame = 1 << 20

// demux reads the Engine's stream of frames, which carries standard output (1)
// and standard error (2) in the order in which they were written: a byte for the stream,
// three zero bytes, the length as a big-endian uint32, then the bytes. frame
// must not keep p.
func demux(r io.Reader, frame func(stream byte, p []byte)) error {
	var head [8]byte
	var buf []byte
	for {
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head[4:]))
		if n > maxFrame {
			return fmt.Errorf("the Engine's output stream is broken: a frame of %d bytes", n)
		}
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return err
		}
		switch head[0] {
		case 1, 2:
			frame(head[0], buf[:n])
		case 3:
			return fmt.Errorf("the Engine broke the output off: %s", deploy.Clean(string(buf[:n]), 200))
		}
	}
}

// split reads a stream of frames as lines of both outputs, each in one piece.
func split(r io.Reader, emit func(line string)) error {
	var both [3]splitter
	for i := range both {
		both[i].emit = emit
	}
	err := demux(r, func(stream byte, p []byte) { both[stream].write(p) })
	both[1].flush()
	both[2].flush()
	return err
}
