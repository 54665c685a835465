package router

import "sync"

const (
	// headRoom is left free in front of what is read from an instance, for the
	// head of the answer to be rewritten in place; tailRoom behind it, for the
	// end of a chunk.
	headRoom = 1 << 10
	tailRoom = 16
	// requestBuffer is what a request is read into: a head and a small body.
	requestBuffer = 20 << 10
	// largeBuffer is what an answer is read into, and what a body that flows is
	// copied with.
	largeBuffer = headRoom + 64<<10 + tailRoom
	// quietBuffer is what a peer that says little is waited for with: ten
	// thousand of them must not cost a large buffer each.
	quietBuffer = 2 << 10
)

var (
	requestBuffers = sync.Pool{New: func() any { b := make([]byte, requestBuffer); return &b }}
	largeBuffers   = sync.Pool{New: func() any { b := make([]byte, largeBuffer); return &b }}
)

// sizedBuffer is small while little comes at a time, and large while much does.
type sizedBuffer struct {
	quiet []byte
	large *[]byte
}

func (b *sizedBuffer) next() []byte {
	if b.large != nil {
		return *b.large
	}
	if b.quiet == nil {
		b.quiet = make([]byte, quietBuffer)
	}
	return b.quiet
}

// used chooses the next buffer after n bytes came in the one before, which
// must not be looked at any more.
func (b *sizedBuffer) used(n int) {
	switch {
	case b.large == nil && n > quietBuffer*3/4:
		b.large = largeBuffers.Get().(*[]byte)
	case b.large != nil && n <= quietBuffer*3/4:
		b.release()
	}
}

func (b *sizedBuffer) release() {
	if b.large != nil {
		largeBuffers.Put(b.large)
		b.large = nil
	}
}
