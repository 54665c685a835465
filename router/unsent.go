package router

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes the kernel takes for a client beyond those on their
// way to it. Without a bound it takes up to 4 MB (net.ipv4.tcp_wmem): a thousand
// clients who don't read then hold gigabytes, the kernel runs short of memory
// for TCP (net.ipv4.tcp_mem), and the connections of all other apps stall.
const unsent = 128 << 10

// boundUnsent bounds it. What is on its way, and with it the speed over long
// distances, is as before.
func boundUnsent(c net.Conn) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	// A kernel that refuses serves as well as it did before.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	})
}
