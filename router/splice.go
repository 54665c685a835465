package router

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// spliceFrom is from how many bytes on a body is worth a pipe.
	spliceFrom = 256 << 10
	// pipeSize is how much the kernel moves at a time.
	pipeSize = 256 << 10
)

// splice passes the rest of a large body on inside the kernel, if both sides
// are plain sockets; done tells whether it did.
func (x *exchange) splice(c *conn, left int64) (done bool, err error) {
	to, ok := x.client.(*clientConn)
	if left < spliceFrom || !ok || to.framed || c.src.raw == nil {
		return false, nil
	}
	socket, ok := to.net.(*tcpConn)
	if !ok {
		return false, nil
	}
	if err := to.flush(); err != nil {
		return true, x.toClient(err)
	}
	var p pipe
	if p.open() != nil {
		return false, nil // no more descriptors
	}
	defer p.close()
	c.src.free()
	c.src.exactly(0) // a body may pause as long as it likes
	for left > 0 {
		if err := p.fill(c.src.raw, left); err != nil {
			return true, err
		}
		left -= int64(p.held)
		for p.held > 0 {
			before := p.held
			to.armWrite()
			if err := p.drain(socket.raw); err != nil {
				return true, x.toClient(err)
			}
			x.sent += int64(before - p.held)
		}
	}
	return true, nil
}

// pipe is where the kernel keeps what it moves between two sockets.
type pipe struct {
	ends [2]int // to read from, to write to
	held int    // bytes in it
}

func (p *pipe) open() error {
	if err := unix.Pipe2(p.ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	unix.FcntlInt(uintptr(p.ends[0]), unix.F_SETPIPE_SZ, pipeSize) // or it is smaller
	return nil
}

func (p *pipe) close() {
	unix.Close(p.ends[0])
	unix.Close(p.ends[1])
}

// fill waits for bytes of a socket, at most limit, for a pipe that is empty.
func (p *pipe) fill(from syscall.RawConn, limit int64) error {
	var n int64
	var err error
	if waited := from.Read(func(fd uintptr) bool {
		n, err = move(int(fd), p.ends[1], int(min(limit, pipeSize)))
		return err != unix.EAGAIN
	}); waited != nil {
		return waited
	}
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	p.held = int(n)
	return err
}

// drain moves what the socket takes at once, and waits until it takes anything.
func (p *pipe) drain(to syscall.RawConn) error {
	var n int64
	var err error
	if waited := to.Write(func(fd uintptr) bool {
		n, err = move(p.ends[0], int(fd), p.held)
		return err != unix.EAGAIN
	}); waited != nil {
		return waited
	}
	p.held -= int(n)
	return err
}

func move(from, to, most int) (n int64, err error) {
	for {
		n, err = unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
