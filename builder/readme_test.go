package builder

import (
	"os"
	"strings"
	"testing"
)

func TestTealTomlOfTheReadmeIsValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```toml\n")
	toml, _, ended := strings.Cut(rest, "```")
	if !ended || strings.Count(toml, "\n") < 20 {
		t.Fatalf("the README has no teal.toml: %q", toml)
	}
	if _, err := parseManifest([]byte(toml), Manifest{}); err != nil {
		t.Error(err)
	}
}
