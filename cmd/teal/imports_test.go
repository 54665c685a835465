package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNoAdapterImportsAnotherAndTheCoreImportsTheStandardLibraryOnly holds the
// arrows of docs/ARCHITECTURE.md.
func TestNoAdapterImportsAnotherAndTheCoreImportsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "teal/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	checked := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg, imports := strings.TrimPrefix(words[0], "teal/"), words[1:]
		room, _, _ := strings.Cut(pkg, "/")
		if room == "cmd" || strings.HasPrefix(pkg, "examples") {
			continue
		}
		checked++
		for _, imp := range imports {
			own, isOurs := strings.CutPrefix(imp, "teal/")
			other, _, _ := strings.Cut(own, "/")
			switch {
			case isOurs && other != room && other != "deploy":
				t.Errorf("%s imports %s: adapters don't know each other", pkg, own)
			case pkg == "deploy" && (isOurs || strings.Contains(imp, ".")):
				t.Errorf("deploy imports %s: the core needs the standard library only", imp)
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d packages were checked:\n%s", checked, out)
	}
}
