package router

import (
	"sync/atomic"
	"time"
)

// trust is what is known of how an instance treats idle connections.
//
// A connection that the app closes at the moment a request is written to it
// loses that request: the router can't know whether the app had read it, so
// one that must not be delivered twice can't be tried again. Looking at the
// socket first leaves a window of microseconds. It is closed by never using a
// connection for such a request at an age at which the app might be closing
// it: an instance is trusted with young connections only after one of them was
// seen alive when it was older than that, and loses the trust for ten minutes
// when one died early. Until then these requests get a fresh connection.
type trust struct {
	proven    atomic.Bool
	waryUntil atomic.Int64
}

const (
	provenAfter = time.Second            // an idle connection that lives this long is proof
	youngEnough = 500 * time.Millisecond // to carry what can't be repeated
	diedEarly   = 2 * time.Second        // gunicorn's is the shortest common keep-alive time
	waryFor     = 10 * time.Minute
)

// allows tells whether a request that can't be repeated may go over a
// connection that was idle for so long.
func (t *trust) allows(now int64, idle time.Duration) bool {
	return idle < youngEnough && t.proven.Load() && now >= t.waryUntil.Load()
}

// lived notes that a connection is open after having been idle for so long.
func (t *trust) lived(idle time.Duration) {
	if idle >= provenAfter {
		t.proven.Store(true)
	}
}

// died notes that a connection was found closed after having been idle for so long.
func (t *trust) died(now int64, idle time.Duration) {
	if idle < diedEarly {
		t.waryUntil.Store(now + int64(waryFor))
	}
}
