package router

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"teal/deploy"
)

// Config is what a Router is made of. The zero Config works.
type Config struct {
	// Domain is the server's: apps are at <app>.<Domain>. It is used only to
	// name the missing app on the page for an unknown host.
	Domain string
	// TLS is used for the TLS listeners given to Serve (see router/certs);
	// without it they are refused. HTTP/2 is offered over it in any case.
	TLS *tls.Config
	// Secured tells whether production shows a certificate for the host: only
	// then are requests without TLS redirected, for apps that want it. It is
	// asked once per such request and must not wait. nil: none is.
	Secured func(host string) bool
	// SecurePort is the port of production with TLS as it stands in a URL:
	// "" for 443, else ":8443".
	SecurePort string
	// Challenge gives the answer to an ACME HTTP-01 question, asked before the
	// host is looked up; ok is false when it is none. nil: there is never one.
	Challenge func(host, path string) (answer string, ok bool)
	// Repointed is told that the table has changed, and must not wait; nil: nobody is.
	Repointed func()
	// TrustedProxies are the addresses whose X-Forwarded-*, Forwarded and
	// X-Request-Id are believed. From anybody else these are dropped.
	TrustedProxies []netip.Prefix
	// PreviewAllowed tells whether a request may see a preview; nil: everybody
	// may. It may take what the app shall not see out of the request's header.
	// A request that may not gets 401, and is asked for a name and a password
	// (HTTP Basic, RFC 7617).
	PreviewAllowed func(*http.Request) bool
	// DefaultApp answers the hosts that no app has; "": none does.
	DefaultApp deploy.AppName
	// CookieKey makes the cookies of sticky clients unguessable. With the same
	// key they hold over a restart; nil: a random one.
	CookieKey []byte
	// RequestID makes the id of a request; nil: 128 random bits in hex.
	RequestID func() string
	// Log gets what a person running the server should know; nil: slog.Default().
	Log *slog.Logger
	// AccessLog gets one JSON line per request; nil: none. Lines are dropped,
	// and counted in Log, when it does not keep up.
	AccessLog io.Writer
	// NetHTTP makes net/http's server read HTTP/1.1 too, instead of the router's
	// own parser: slower, and less strict. It is for comparing the two.
	NetHTTP bool

	Limits Limits
}

// Limits are the bounds of the router; a zero field means its default.
type Limits struct {
	// Client side.
	ReadHeader     time.Duration // for a request's head; 10 s
	Idle           time.Duration // between two requests on a connection; 90 s
	Body           time.Duration // without progress of a request's body; 1 min
	MinRate        int           // bytes per second of a request's body, over Body, until it is answered; 240
	Write          time.Duration // without progress of the client reading; 1 min
	MaxHeaderBytes int           // of a request's head, beyond: 431; 64 KiB
	Shutdown       time.Duration // for requests in flight when Serve ends; 10 s

	// Upstream side.
	Dial         time.Duration // one connection attempt; 2 s
	Retry        time.Duration // all tries of a request that finds no connection; 5 s
	AnswerHead   time.Duration // from the request's last byte to the answer's head, beyond: 504; 1 min
	UpstreamIdle time.Duration // before an idle connection is closed; 4 s (Node closes at 5 s)
	MaxIdle      int           // idle connections kept per instance; 256
	MaxHeadBytes int64         // of an answer's head; 256 KiB

	// Per release of an app.
	MaxInFlight int // requests, beyond: 503; 4096
	MaxSockets  int // upgraded connections, beyond: 503; 10,000

	// MaxWaiting is how many requests of an app may wait while it is on hold,
	// beyond: 503; 1024.
	MaxWaiting int

	// CloseSpread is the time over which the sockets of a release that is being
	// stopped are told to leave, so that they don't all come back at once; 2 s.
	CloseSpread time.Duration
}

func (l Limits) withDefaults() Limits {
	def(&l.ReadHeader, 10*time.Second)
	def(&l.Idle, 90*time.Second)
	def(&l.Body, time.Minute)
	def(&l.MinRate, 240)
	def(&l.Write, time.Minute)
	def(&l.MaxHeaderBytes, 64<<10)
	def(&l.Shutdown, 10*time.Second)
	def(&l.Dial, 2*time.Second)
	def(&l.Retry, 5*time.Second)
	def(&l.AnswerHead, time.Minute)
	def(&l.UpstreamIdle, 4*time.Second)
	def(&l.MaxIdle, 256)
	def(&l.MaxHeadBytes, 256<<10)
	def(&l.MaxInFlight, 4096)
	def(&l.MaxSockets, 10_000)
	def(&l.MaxWaiting, 1024)
	def(&l.CloseSpread, 2*time.Second)
	return l
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
