//go:build race

package router

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what the kernel does. Package syscall tells
// it of its own reads and writes, but also that every write happens before
// every read after it, of whatever socket, which hides races; these don't.

func kernelWrote(p []byte) {
	if len(p) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}

func kernelReads(p []byte) {
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}
