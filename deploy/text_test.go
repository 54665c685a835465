package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCleanLetsNoControlCharacterThrough(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"tab\there", "tab here"},
		{"\x1b]0;title\x07", "?]0;title?"},
		{"a\u202eb", "a?b"},
		{"\xff\xfe", "??"},
		{"grün", "grün"},
		{"0123456789abc", "0123456789…"},
	} {
		if got := Clean(c.in, 10); got != c.want {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestEveryMoveInTheTableIsBetweenKnownStatesAndNoOtherIsAllowed(t *testing.T) {
	states := States()
	for _, from := range states {
		for _, to := range states {
			d := Deployment{State: from}
			err := d.to(to, time.Unix(1, 0))
			if allowed := slices.Contains(moves[from], to); allowed != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
		}
		if from.Ended() && len(moves[from]) > 0 {
			t.Errorf("%s is an end and has moves", from)
		}
	}
	for from, next := range moves {
		for _, to := range next {
			if !slices.Contains(states, from) || !slices.Contains(states, to) {
				t.Errorf("unknown state in the table: %s to %s", from, to)
			}
			if from.Committed() && !to.Committed() {
				t.Errorf("%s lies right of the bar and may become %s", from, to)
			}
		}
	}
}

func TestAppNames(t *testing.T) {
	for _, ok := range []string{"ab", "shop", "my-app-2", "a123456789012345678901234567890123456789"} {
		if _, err := ParseAppName(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "a", "1a", "-a", "a-", "A", "a_b", "a b", "../x", "a/b", "a--b", "$(id)", "a\nb", "a1234567890123456789012345678901234567890"} {
		if _, err := ParseAppName(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestACounterThatBeganAnewDoesNotUnderflow(t *testing.T) {
	if got := grown(100, 130); got != 30 {
		t.Errorf("from 100 to 130: %d", got)
	}
	if got := grown(100, 7); got != 7 {
		t.Errorf("from 100 to 7, begun anew: %d", got)
	}
}

func TestASecretThatTheLineLimitCutsIsRedacted(t *testing.T) {
	j := newJournal(0, time.Now)
	j.hide(map[string]string{"TOKEN": "hunter2222"})
	line := strings.Repeat("hunter2222 ", partialLimit/11) + "hunter2222"
	if _, err := j.Write([]byte(line + "\n\n")); err != nil {
		t.Fatal(err)
	}
	j.say("done")
	lines := j.tail(3)
	if strings.Contains(lines[0], "hun") || lines[1] != "" || lines[2] != "done" {
		t.Errorf("lines: %q", lines)
	}
}

func TestTealsOwnLastLinesAreKeptBehindALogThatIsTooLong(t *testing.T) {
	j := newJournal(0, time.Now)
	for range pendingLimit + 10 {
		_, _ = j.Write([]byte("\n"))
	}
	j.say("==> Build failed")
	if n := len(j.pending); n != pendingLimit+2 || j.pending[n-1].Text != "==> Build failed" {
		t.Errorf("%d lines wait to be stored, the last is %q", n, j.pending[n-1].Text)
	}
}
