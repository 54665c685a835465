//go:build race

package router

// raceDetector: sync.Pool then forgets things on purpose.
const raceDetector = true
