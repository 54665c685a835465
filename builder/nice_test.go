package builder

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestCommandsOfTheHostRunWithTheLowestNiceness(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "nice")
	cmd.Stdout = &said
	if err := runNicely(cmd); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(said.String()); got != "19" {
		t.Errorf("niceness is %q", got)
	}
	// The thread went with it: whatever runs next is as nice as before.
	for range 20 {
		out, err := exec.CommandContext(t.Context(), "nice").Output()
		if got := strings.TrimSpace(string(out)); err != nil || got == "19" {
			t.Fatalf("afterwards it is %q, %v", got, err)
		}
	}
}
