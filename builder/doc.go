// Package builder turns the tree of a commit into an image, and owns images:
// those of apps and the stack images (teal/base, teal/go, teal/static) that
// apps are built on.
//
// A build runs in the Engine's own BuildKit, asked for through the Engine API:
// there is no docker command, no checkout and no shell on this side. The commit
// is streamed from git objects through a BuildKit session (session.go), because
// a tar in the request body fails on Engines with the containerd image store,
// and because mounted secrets need a session anyway.
//
// What is built is decided in this order: the Dockerfile that teal.toml names,
// a file named Dockerfile at the root, and last the table in detect.go, which
// writes a Dockerfile of its own and says what it found and why.
//
// Images of apps carry the labels teal.namespace, teal.app and teal.commit and
// at least one tag, so that "docker image prune" leaves them alone; only images
// with these labels are ever removed.
package builder
