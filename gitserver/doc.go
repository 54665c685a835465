// Package gitserver is Teal's SSH edge: it authenticates people by their keys,
// receives their pushes, hands out clones, and passes every other command line on.
//
// A push is spoken by this package (advertisement, update request, side band,
// report, refusals with reasons); its objects and refs are the business of
// git's own plumbing, run as limited child processes: index-pack into a
// quarantine, rev-list for connectivity, update-ref for the transaction. Packs
// from strangers are never parsed in the daemon's own process.
//
// The order of a push, each step a gate for the next one:
//
//	authenticate → authorize → advertise → decode → check the request → index-pack
//	into a quarantine → sizes, connectivity, tip is a commit → lock the app, check
//	the ref again → migrate → Engine.Receive → stream the log → report
//
// The ref is moved by the engine, through Repos.Advance, when the deployment is
// promoted. So a refused push leaves the ref where it was, and the ref always
// names what serves.
package gitserver
