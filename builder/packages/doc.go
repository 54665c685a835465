// Package packages tells which packages an image holds without running it: a
// container is made from the image, never started, and the package managers'
// own databases are copied out of it.
//
// It reads dpkg (with distroless' status.d), apk, rpm in its three formats, the
// module list in a Go program, npm's hidden lock file, Python's dist-info, and
// for languages that no package brings Teal's note of the version or the variable
// that official images set. It writes lists as SPDX 2.3 and
// CycloneDX 1.5 documents. What it can't tell it says in Inventory.Unknown.
package packages
