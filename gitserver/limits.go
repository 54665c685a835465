package gitserver

import "time"

// Limits bound what one client, one push and one repository may cost. A zero
// field means its default.
type Limits struct {
	Pack        int64         // bytes of a pack on the wire; 1 GiB
	Objects     int64         // objects in a pack; 2,000,000
	Object      int64         // bytes of one object, inflated; 256 MiB
	Refs        int           // commands in one push; 64
	PushOptions int           // 32, of at most 4 KiB each
	Request     int           // bytes of the update request before the pack; 256 KiB
	Stall       time.Duration // a client that has begun to send and sends less than 4 KiB in this time is cut, and a fetch that takes nothing; 60 s
	Receive     time.Duration // from the advertisement to the end of the pack; 10 min
	IndexPacks  int           // packs that are unpacked at once over all apps; 2. While others wait, a pusher must send 256 KiB within Stall.
	DiskFree    int64         // bytes that must be free before a pack is taken; 2 GiB

	Fetch   time.Duration // of one fetch or clone; 30 min
	Fetches int           // at once over all apps; 8

	Quiet time.Duration // without a push, before what nobody needs is removed from a repository; 10 min
	Clean time.Duration // for that to be done; 10 min

	GitMemory int64 // bytes of data segment of one git process; 1 GiB

	Entries   int   // files and directories of a tree that is built; 200,000
	TreeBytes int64 // bytes of its files together; 2 GiB
	Depth     int   // of its directories; 256

	Handshake              time.Duration // from accept to a verified key; 15 s
	Handshakes             int           // connections without a verified key; 64. The oldest is dropped for a new one.
	HandshakesPerAddress   int           // of those from one address (IPv6: one /64); 16
	Connections            int           // over all; 512. A new one is dropped.
	ConnectionsPerAddress  int           // from one address; 128
	SessionsPerConnection  int           // 2
	RequestsPerSession     int           // SSH requests (env, pty-req, …) on one session; 64
	Idle                   time.Duration // a connection in which no command runs is closed; 10 min
	Keepalive              time.Duration // between two SSH keepalives; 15 s. 45 s without an answer: cut.
	SidebandKeepalive      time.Duration // between two empty side-band packets; 5 s
	Shutdown               time.Duration // for sessions to end when the server stops; 5 s
	Patience               time.Duration // a pusher waits this long for the drain after the promotion; 5 s
	PenaltyThreshold       time.Duration // an address is refused while its failures add up to more; 30 s
	PenaltyPerFailedLogin  time.Duration // 2 s
	PenaltyPerStalledLogin time.Duration // 5 s
	PenaltyPerNoLogin      time.Duration // a client that spoke, and left or was dropped before it tried a key; 1 s
}

// fill sets a field to its default when it is zero.
func fill[T int | int64 | time.Duration](field *T, def T) {
	if *field == 0 {
		*field = def
	}
}

// filled gives the limits with every zero field at its default.
func (l Limits) filled() Limits {
	fill(&l.Pack, 1<<30)
	fill(&l.Objects, 2_000_000)
	fill(&l.Object, 256<<20)
	fill(&l.Refs, 64)
	fill(&l.PushOptions, 32)
	fill(&l.Request, 256<<10)
	fill(&l.Stall, time.Minute)
	fill(&l.Receive, 10*time.Minute)
	fill(&l.IndexPacks, 2)
	fill(&l.DiskFree, 2<<30)
	fill(&l.Fetch, 30*time.Minute)
	fill(&l.Fetches, 8)
	fill(&l.Quiet, 10*time.Minute)
	fill(&l.Clean, 10*time.Minute)
	fill(&l.GitMemory, 1<<30)
	fill(&l.Entries, 200_000)
	fill(&l.TreeBytes, 2<<30)
	fill(&l.Depth, 256)
	fill(&l.Handshake, 15*time.Second)
	fill(&l.Handshakes, 64)
	fill(&l.HandshakesPerAddress, 16)
	fill(&l.Connections, 512)
	fill(&l.ConnectionsPerAddress, 128)
	fill(&l.SessionsPerConnection, 2)
	fill(&l.RequestsPerSession, 64)
	fill(&l.Idle, 10*time.Minute)
	fill(&l.Keepalive, 15*time.Second)
	fill(&l.SidebandKeepalive, 5*time.Second)
	fill(&l.Shutdown, 5*time.Second)
	fill(&l.Patience, 5*time.Second)
	fill(&l.PenaltyThreshold, 30*time.Second)
	fill(&l.PenaltyPerFailedLogin, 2*time.Second)
	fill(&l.PenaltyPerStalledLogin, 5*time.Second)
	fill(&l.PenaltyPerNoLogin, time.Second)
	return l
}
