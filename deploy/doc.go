// Package deploy is Teal's core: what an app, a release and a deployment are,
// and how a release gets from a push to production without a dropped request.
//
// # Words
//
// An app has exactly two colors, blue and green, and one active color. A push
// is immutable input. A release is what to run: a commit's image with settings
// and environment, immutable, numbered per app. A deployment is one attempt to
// make a release live on a color: the only thing with a state machine. An
// instance is one running container of a release. A route says which instances
// an app's hosts lead to; replacing it is the switch. An event is something that
// happened, stored with the state change, then told. A failure is a step and a
// reason for a person.
//
// # The life of a push
//
//	queued ─▶ building ─▶ releasing ─▶ starting ─▶ probing ─▶ ║ promoting ─▶ draining ─▶ live
//	   │          │            │            │        │  ▲     ║                           │
//	   │          │            │            │        ▼  │     ║                           ▼
//	   │          │            │            │       staged ──▶║               warm ─▶ asleep ─▶ replaced
//	   │          │            │            │        │  │     ║
//	   │          │            │            │        ▼  ▼     ║
//	   │          │            │            │       shifting ▶║
//	   └──────────┴────────────┴────────────┴────────┴──▶ failed | canceled | superseded
//	                                                          ║ the commit: Store.Activate
//
// Left of the bar everything is undone on failure: what was started on the idle
// color is taken away, and the active color was never touched. Right of the bar
// there is only forward: what fails is tried again. The store is told first,
// then the router, whose table is memory and always made by the same function
// from what store and Engine say (route.go).
//
// Four states beyond the picture's main line: staged is a release that was
// probed but not promoted (push option no-promote); shifting is one that gets a
// growing part of the requests before it is promoted; warm is a replaced release
// in its grace period, still running, so that going back is a switch and nothing
// else; asleep is one that was stopped after it.
//
// # Three promotions that are not plain
//
// Gradual (gradual.go). Between the probe and the commit the candidate gets a
// share of the new requests, in steps, and is compared with what serves over the
// same time (judge.go). The share is memory: it is no commit, and whoever dies,
// cancels or is worse leaves production where the store says it is.
//
//	step                          if we die here
//	store "shifting"              interrupted; nothing was shared
//	share, dwell, compare         the share is gone with the router; interrupted, undone
//	worse: share 0, drain, undo   as above
//	Activate                      the commit, as in any promotion
//
// Watched (watch.go). After the commit the new release is compared with what the
// old one did in the ten minutes before. A regression makes an ordinary rollback
// deployment of cause "watch". The figures are memory: a watch ends with the
// process that began it, and the new release stays. The rollback's own commit
// stores the figures in its receipt, and every later write of it carries the
// mail, which is stored once: who dies after the commit owes no mail.
//
// Single writer (singlewriter.go). Two releases may not run at once, so the old
// one is stopped before the new one starts, and requests wait in the router.
//
//	step                          if we die here
//	store "starting", hold        the old one runs; interrupted
//	drain, stop the old one       the keeper starts it again
//	start the new one, probe      the keeper stops that and starts the old one
//	Activate                      the commit; the keeper starts the new one if need be
//	point, without hold           as at start: from the store
//
// Whatever fails before the commit ends with the old one started and probed,
// before anyone is told. The keeper starts a single writer only after everything
// else of the app was stopped, so that recovery keeps the rule, too.
//
// # Who does what
//
// One worker per app takes deployments from the queue to the bar, newest first
// (worker.go, pipeline.go, promote.go). Beyond the bar a goroutine of its own
// waits for the old color's requests, so that a drain delays nobody. One keeper
// per app makes instances, route and records what the store says (keeper.go);
// it is the recovery too (recover.go).
//
// # Imports
//
// This package imports the standard library alone. Adapters import it, never
// each other; cmd/teal wires them.
package deploy
