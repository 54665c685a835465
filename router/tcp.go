package router

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// The calls on sockets below never block, since the sockets are non-blocking.
// They are made without telling the scheduler, which would else take them for
// such that may, and have other threads waken and go to sleep around each. The
// race detector is told what the kernel reads and writes of our memory.

// readSocket reads; 0 without an error is the end.
func readSocket(fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			kernelWrote(p[:n])
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func writeSocket(fd uintptr, p []byte) (int, error) {
	kernelReads(p)
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// silent tells whether an idle connection is open and has said nothing. b is
// room for a byte, which stays where it is.
func silent(fd uintptr, b *[1]byte) bool {
	for {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(b)), 1,
			syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			kernelWrote(b[:])
		}
		if errno != syscall.EINTR {
			return errno == syscall.EAGAIN
		}
	}
}

// tcpConn is a client's socket, read and written by the calls above. One
// goroutine may read it while another writes.
type tcpConn struct {
	*net.TCPConn
	raw      syscall.RawConn
	in, out  transfer
	get, put func(fd uintptr) bool
}

// transfer is a read or a write under way.
type transfer struct {
	p   []byte
	n   int
	err error
}

// newTCPConn gives the connection as a tcpConn if it is a plain socket.
func newTCPConn(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	w := &tcpConn{TCPConn: tcp, raw: raw}
	w.get, w.put = w.in.read, w.out.write
	return w
}

func (w *tcpConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.in = transfer{p: p}
	if err := w.raw.Read(w.get); err != nil {
		return 0, err
	}
	return w.in.end()
}

func (w *tcpConn) Write(p []byte) (int, error) {
	w.out = transfer{p: p}
	if err := w.raw.Write(w.put); err != nil {
		return w.out.n, err
	}
	return w.out.end()
}

func (t *transfer) end() (int, error) {
	n, err := t.n, t.err
	t.p = nil
	return n, err
}

// read is one attempt; false: there is nothing yet.
func (t *transfer) read(fd uintptr) bool {
	t.n, t.err = readSocket(fd, t.p)
	if t.err == nil && t.n == 0 {
		t.err = io.EOF
	}
	return t.err != syscall.EAGAIN
}

// write writes what there is room for; false: there is more.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		var n int
		if n, t.err = writeSocket(fd, t.p[t.n:]); t.err != nil {
			return t.err != syscall.EAGAIN
		}
		t.n += n
	}
	return true
}
