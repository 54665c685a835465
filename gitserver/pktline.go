package gitserver

import (
	"errors"
	"fmt"
	"io"
)

// maxPacket is the longest pkt-line, its four digits of length included
// (gitprotocol-common).
const maxPacket = 65520

const hexDigits = "0123456789abcdef"

var errPacket = errors.New("not a git packet")

// readPacket reads one pkt-line into buf, which must hold maxPacket bytes. A
// flush packet has no payload and flush true.
func readPacket(r io.Reader, buf []byte) (payload []byte, flush bool, err error) {
	if _, err := io.ReadFull(r, buf[:4]); err != nil {
		return nil, false, err
	}
	n := 0
	for _, c := range buf[:4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return nil, false, errPacket
		}
	}
	if n == 0 {
		return nil, true, nil
	}
	if n < 4 || n > maxPacket {
		return nil, false, errPacket
	}
	if _, err := io.ReadFull(r, buf[:n-4]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, false, err
	}
	return buf[:n-4], false, nil
}

// appendPacket appends a pkt-line. The payload is at most maxPacket-4 bytes long.
func appendPacket(to []byte, payload string) []byte {
	return append(appendLength(to, len(payload)+4), payload...)
}

func appendLength(to []byte, n int) []byte {
	return append(to, hexDigits[n>>12&15], hexDigits[n>>8&15], hexDigits[n>>4&15], hexDigits[n&15])
}

// writeError ends the conversation before the client has sent its request: git
// prints "fatal: remote error: <text>". It is no answer to a request that chose
// the side band, where git takes the E for the number of a band.
func writeError(w io.Writer, text string) {
	_, _ = fmt.Fprintf(w, "%04xERR %s", len(text)+8, text) // nothing is left to do for a client that is gone
}
