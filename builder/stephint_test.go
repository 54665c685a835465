package builder

import (
	"strings"
	"testing"
)

func TestWhatTheToolsOfLanguagesSayIsUnderstood(t *testing.T) {
	for _, c := range []struct{ line, reason string }{
		{"go: download go1.99.0: golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64: reading https://x/@v/y.zip: 403 Forbidden", "go.mod asks for go1.99.0, which cannot be fetched"},
		{"go: github.com/a/private@v1.2.3: reading https://x/@v/v1.2.3.mod: 404 Not Found", "the module github.com/a/private@v1.2.3 cannot be fetched"},
		{"main.go:2:8: missing go.sum entry for module providing package x", "go.sum does not go with go.mod"},
		{"npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.", "package-lock.json does not go with package.json"},
		{" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\"", "pnpm-lock.yaml does not go with package.json"},
		{"error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.", "yarn.lock does not go with package.json"},
		{"➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.", "yarn.lock does not go with package.json"},
		{"npm error 404  '@ours/thing@^1.0.0' is not in this registry.", "npm does not get @ours/thing@^1.0.0"},
		{"ERROR: No matching distribution found for flask==99", "pip does not find flask==99"},
		{"Could not find gem 'nosuch' in locally installed gems.", "bundler does not find the gem nosuch"},
		{"error: the lock file /app/Cargo.lock needs to be updated but --locked was passed to prevent this", "Cargo.lock does not go with Cargo.toml"},
		{"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "Node's own limit of memory was reached"},
		{"sh: 1: tsc: not found", "the command tsc is not there"},
		{"bash: line 1: tsc: command not found", "the command tsc is not there"},
		{"all is well", ""},
	} {
		reason, hint, found := troubleIn([]string{"before", c.line, "npm error a complete log can be found"})
		if reason != c.reason || found != (c.reason != "") || found && hint == "" {
			t.Errorf("%q is %q, hint %q", c.line, reason, hint)
		}
		if strings.Contains(reason+hint, "$") {
			t.Errorf("%q is %q %q", c.line, reason, hint)
		}
	}
}
