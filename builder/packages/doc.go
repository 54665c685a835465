// Package packages tells which packages an image holds without running it: a
// container is made from the image, never started, and the package managers'
// own databases are copied out of it.
//
// It reads dpkg (with distroless' status.d), apk, and rpm in its three formats; for
// languages that no package brings Teal's note of the version or the variable that
// official images set; and the app's own packages: the module list in a Go program,
// the crates that cargo auditable writes into one of Rust, what npm, pnpm and yarn
// note in node_modules, the metadata that pip and RubyGems leave, Composer's
// installed.json, and Maven's notes in jars. An app whose packages are not found,
// though it names some, is said to be so.
//
// It writes lists as SPDX 2.3 and CycloneDX 1.5 documents. What it can't tell it
// says in Inventory.Unknown. An image is not trusted: whatever is read of it has a
// bound, and the words that it gives are cleaned.
package packages
