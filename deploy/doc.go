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
//	   └──────────┴────────────┴────────────┴────────┴──▶ failed | canceled | superseded
//	                                                          ║ the commit: Store.Activate
//
// Left of the bar everything is undone on failure: what was started on the idle
// color is taken away, and the active color was never touched. Right of the bar
// there is only forward: what fails is tried again. The store is told first,
// then the router, whose table is memory and always made by the same function
// from what store and Engine say (route.go).
//
// Three states beyond the picture's main line: staged is a release that was
// probed but not promoted (push option no-promote); warm is a replaced release
// in its grace period, still running, so that going back is a switch and nothing
// else; asleep is one that was stopped after it.
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
