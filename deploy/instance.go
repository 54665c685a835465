package deploy

import (
	"net/netip"
	"time"
)

// Instance is one container of a release in a color. The labels on the
// container are the truth; an Instance is what was read from them.
type Instance struct {
	ID      string // the Engine's container ID
	App     AppName
	Color   Color
	Release int
	// Process is "" for web, which requests go to, else the name of a worker.
	Process string
	Index   int            // 1 to the number of instances of the process
	Addr    netip.AddrPort // where the app listens; valid while Running
	Running bool
	// Exit is how the container ended; meaningful while it is not Running.
	Exit Exit
}

// Exit is how a container ended.
type Exit struct {
	Code int
	OOM  bool // the kernel killed it for its memory limit
}

// Spec says what Runtime.Start shall have running.
type Spec struct {
	Release Release
	Color   Color
	// Workers: the release's workers shall run too. Without it those that are
	// there are left alone.
	Workers bool
}

// Route is where an app's requests go. It is a value: handing the router
// another one is the switch. Production and preview are swapped in one step.
type Route struct {
	App   AppName
	Hosts []string // lower case, without port; production serves all of them
	// Live is what production serves; Live.Release is 0 when nothing was ever
	// promoted, and Live.Instances may be empty when all of them are down.
	Live Backend
	// Preview is what the preview front-end serves: a staged release, one that
	// is being probed, or the previous one. Release 0: nothing to show.
	Preview Backend

	// Share is the part of new production requests, in percent, that goes to
	// Preview instead of Live while a promotion is gradual; 0: none. A client
	// stays on the side it was given for as long as Share does not fall.
	Share int
	// Hold has new production requests wait, in a bounded queue, until the app
	// is pointed at without it or HoldTime is over (503): the single writer is
	// being replaced. Requests in flight are not touched.
	Hold     bool
	HoldTime time.Duration

	Sticky   bool // a client stays on its instance while that is healthy (cookie)
	Redirect bool // production without TLS answers with a redirect to https
	Check    Check
}

// Check is how the router finds out by itself that an instance is well.
type Check struct {
	Path     string        // of the GET request; "" for no active checks
	Interval time.Duration // between two checks of an instance
	Timeout  time.Duration // of one
}

// Backend is the set of instances of one release that a front-end points at.
type Backend struct {
	Color     Color
	Release   int
	Instances []Instance
	Protocol  Protocol // that the release speaks
}

// Figures are what the router counted for one release of an app since the
// router first saw it. Requests and Failed only grow.
type Figures struct {
	Requests uint64
	// Failed counts the requests to which the router had to answer itself
	// because no answer of the app was to be had (502, 503, 504), and answers
	// that broke off.
	Failed uint64
	// Errors counts the answers with a status of 500 or more, whoever gave them,
	// and those that broke off: Failed is part of it.
	Errors   uint64
	InFlight int // requests that are being answered now
	Sockets  int // upgraded connections (WebSockets) and event streams that are open now
	// P99 is the 99th percentile of time to the end of the answer over the
	// requests of about the last minute; 0 when there were none.
	P99 float64 // milliseconds
	P50 float64 // milliseconds, likewise
}
