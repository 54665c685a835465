package router

import "encoding/binary"

// frames follows the WebSocket frames (RFC 6455 §5.2) in one direction of a
// tunnel, to know where one ends and another could be put in. It looks at
// their heads and steps over their payloads.
type frames struct {
	head    [14]byte
	have    int    // bytes of the head so far
	payload uint64 // bytes of the payload still to come
}

// atBoundary tells whether the next byte begins a frame.
func (f *frames) atBoundary() bool { return f.have == 0 && f.payload == 0 }

// advance takes the bytes in. With stop it takes them only up to the first
// boundary, and returns how many that were.
func (f *frames) advance(p []byte, stop bool) int {
	for i := 0; i < len(p); {
		if stop && f.atBoundary() {
			return i
		}
		if f.payload > 0 {
			n := min(f.payload, uint64(len(p)-i))
			f.payload -= n
			i += int(n)
			continue
		}
		f.head[f.have] = p[i]
		f.have++
		i++
		if f.have == f.headLen() {
			f.payload = f.payloadLen()
			f.have = 0
		}
	}
	return len(p)
}

// headLen is how long the head is, as far as it is known.
func (f *frames) headLen() int {
	if f.have < 2 {
		return 2
	}
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

func (f *frames) payloadLen() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}
