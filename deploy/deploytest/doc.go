// Package deploytest has what a test of the core needs around it: a World of
// in-memory adapters that outlives an engine, as the disk and the container
// engine outlive the daemon. Its Runtime starts a real HTTP server per instance;
// its store fails the test when the engine breaks the protocol.
//
// Faults are planned with World.Fail: a call fails before its effect, after it,
// or the "process" dies before or after it. After a death every call of that
// engine's generation fails without effect, and the test opens a new engine on
// the same World.
package deploytest
