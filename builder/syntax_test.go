package builder

import (
	"strings"
	"testing"
)

func TestSyntaxLineIsFoundWhereTheReaderOfDockerfilesFindsIt(t *testing.T) {
	for text, want := range map[string]string{
		"FROM scratch\n": "",
		"# syntax=docker/dockerfile:1\nFROM scratch\n":             "docker/dockerfile:1",
		"#syntax = docker/dockerfile:1 \r\nFROM scratch\n":         "docker/dockerfile:1",
		"\ufeff# Syntax=evil.example/x\nFROM scratch\n":            "evil.example/x",
		"# escape=`\n# syntax=evil.example/x\nFROM scratch\n":      "evil.example/x",
		"#!/usr/bin/env x\n# syntax=evil.example/x\nFROM scratch":  "evil.example/x",
		"// syntax=evil.example/x\nFROM scratch":                   "evil.example/x",
		"# a comment\n# syntax=evil.example/x\nFROM scratch\n":     "",
		"\n# syntax=evil.example/x\nFROM scratch\n":                "",
		"FROM scratch\n# syntax=evil.example/x\n":                  "",
		"# check=skip=all\n# syntax=docker/dockerfile:1-labs\nF\n": "docker/dockerfile:1-labs",
	} {
		if got, _, _ := syntaxLine([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestReaderOfADockerfileIsPinnedOrNotUsed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, log := b.build(request(files("Dockerfile", "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a /a\n", "a", "a")))
	contains(t, log, "# syntax=docker/dockerfile:1 is not pinned by a digest: the Engine's own reader is used")

	f, _ := b.refused(request(files("Dockerfile", "# syntax=docker/dockerfile:1\nFROM scratch\nCOPPY a /a\n", "a", "a")))
	if !strings.HasPrefix(f.Reason, "Dockerfile line 3: ") || !strings.Contains(f.Hint, "docker/dockerfile:1@sha256:…") {
		t.Errorf("failure is %+v", f)
	}
	f, _ = b.refused(request(files("Dockerfile", "# syntax=evil.example/reader\nFROM scratch\nCOPY a /a\n", "a", "a")))
	if f.Reason != "Dockerfile wants to be read by evil.example/reader, which is not pinned by its digest" {
		t.Errorf("reason is %q", f.Reason)
	}
	pinned := "docker/dockerfile@sha256:" + strings.Repeat("ab", 32)
	f, _ = b.refused(request(files("Dockerfile", "# syntax="+pinned+"\nFROM scratch\nCOPY a /a\n", "a", "a")))
	if !strings.Contains(f.Reason, `"# syntax=" line wants docker/dockerfile@sha256`) {
		t.Errorf("a pinned reader was not asked for: %q", f.Reason)
	}
	f, _ = b.refused(request(files("Dockerfile", `{"syntax": "evil.example/reader"}`, "a", "a")))
	if f.Reason != "Dockerfile is JSON, not a Dockerfile" {
		t.Errorf("reason is %q", f.Reason)
	}
}
