package deploy

// Push is what a person sent: immutable input. Its objects are in the app's
// repository already when the engine gets it; the ref has not moved.
type Push struct {
	App    AppName
	Ref    string // full name, "refs/heads/main"
	Old    string // 40 hex digits; all zeros when the ref did not exist
	New    string // 40 hex digits
	Commit Commit // of New
	By     string // user name, from the verified key
	Options
}

// Options are the push options that change what a deployment does.
type Options struct {
	NoPromote bool // -o no-promote: stop after the probe, on the preview front-end
	NoCache   bool // -o no-cache: build from scratch
	// CancelOnDisconnect and Detach are the edge's business: whether it waits,
	// and whether it cancels when the pusher goes away.
	CancelOnDisconnect bool
	Detach             bool
}
