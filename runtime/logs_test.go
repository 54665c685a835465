package runtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

// startHeard starts an instance and waits until the Engine has read what it
// writes at its start: the Engine reads the two outputs as two pipes, so that
// "ready" may otherwise come after lines that the app wrote later.
func startHeard(t *testing.T, d *Docker, r deploy.Release, c deploy.Color) deploy.Instance {
	t.Helper()
	in := start(t, d, r, c)[0]
	eventually(t, 30*time.Second, "what it writes at its start", func() bool {
		lines, err := d.Tail(t.Context(), in, 50)
		return err == nil && slices.Contains(lines, "ready") && slices.Contains(lines, "listening on :8080")
	})
	return in
}

func TestTailGivesTheLastLinesOfBothOutputsClean(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	in := startHeard(t, d, release("shop", 1, ""), deploy.Blue)
	get(t, in.Addr, "/say?line=one")
	get(t, in.Addr, "/say?line=two")
	var all []string
	eventually(t, 30*time.Second, "four lines are written", func() bool {
		var err error
		if all, err = d.Tail(t.Context(), in, 50); err != nil {
			t.Fatal(err)
		}
		return len(all) == 4
	})
	if !slices.Equal(all[2:], []string{"one", "two"}) || !slices.Contains(all, "ready") || !slices.Contains(all, "listening on :8080") {
		t.Errorf("it wrote %q", all)
	}
	for n := range 5 {
		if got, err := d.Tail(t.Context(), in, n); err != nil || !slices.Equal(got, all[4-n:]) {
			t.Errorf("the last %d are %q, %v", n, got, err)
		}
	}
	if err := d.Remove(t.Context(), "shop", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tail(t.Context(), in, 5); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("of a removed instance Tail says %v", err)
	}
}

func TestLogsMergeTheRunningInstancesInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	var log journal
	if err := d.Logs(t.Context(), "shop", false, 10, &log); !errors.Is(err, deploy.ErrNothing) {
		t.Errorf("with nothing running Logs says %v", err)
	}
	blue := startHeard(t, d, release("shop", 1, ""), deploy.Blue)
	green := startHeard(t, d, release("shop", 2, ""), deploy.Green)
	for i, line := range []string{"one", "two", "three"} {
		in := []deploy.Instance{green, blue}[i%2]
		get(t, in.Addr, "/say?line="+line)
		// The time of a line is when the Engine read it.
		eventually(t, 30*time.Second, "the line is written", func() bool {
			last, err := d.Tail(t.Context(), in, 1)
			return err == nil && slices.Equal(last, []string{line})
		})
	}
	want := []string{"green v2.1 | one\n", "blue v1.1 | two\n", "green v2.1 | three\n"}
	eventually(t, 30*time.Second, "three lines in order", func() bool {
		log = journal{}
		if err := d.Logs(t.Context(), "shop", false, 3, &log); err != nil {
			t.Fatal(err)
		}
		return slices.Equal(log.lines(), want)
	})
}

func TestFollowedLogsGoOnWithInstancesThatStartLater(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	stopped := running(t, d)
	defer stopped()
	blue := startHeard(t, d, release("shop", 1, ""), deploy.Blue)
	get(t, blue.Addr, "/say?line=before")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log journal
	done := make(chan error, 1)
	go func() { done <- d.Logs(ctx, "shop", true, 1, &log) }()
	eventually(t, 30*time.Second, "the history", func() bool { return log.has("blue v1.1 | before\n") })
	get(t, blue.Addr, "/say?line=now")
	eventually(t, 30*time.Second, "a new line", func() bool { return log.has("blue v1.1 | now\n") })
	green := start(t, d, release("shop", 2, ""), deploy.Green)[0]
	get(t, green.Addr, "/say?line=hello")
	eventually(t, 30*time.Second, "a line of a new instance", func() bool { return log.has("green v2.1 | hello\n") })
	if err := d.Stop(t.Context(), "shop", 1, time.Second); err != nil {
		t.Fatal(err)
	}
	start(t, d, release("shop", 1, ""), deploy.Blue)
	get(t, blue.Addr, "/say?line=back")
	eventually(t, 30*time.Second, "a line after a restart", func() bool { return log.has("blue v1.1 | back\n") })
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it did not end")
	}
	lines := log.lines()
	slices.Sort(lines)
	for i, line := range lines[1:] {
		if line == lines[i] && !strings.Contains(line, "ready") && !strings.Contains(line, "listening") {
			t.Errorf("%q was written twice", line)
		}
	}
}

func TestFollowEndsWhenItsReaderHasGone(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	start(t, d, release("shop", 1, "chatty"), deploy.Blue)
	if err := d.Logs(t.Context(), "shop", true, 0, hungUp{}); !errors.Is(err, errHungUp) {
		t.Errorf("Logs says %v", err)
	}
}

var errHungUp = errors.New("hung up")

type hungUp struct{}

func (hungUp) Write([]byte) (int, error) { return 0, errHungUp }

func TestLinesAreCleanedAndCut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                               "plain",
		"\x1b[1;31mred\x1b[0m text":           "red text",
		"10%\r50%\r100%":                      "100%",
		"windows\r":                           "windows",
		"\x1b]0;title\x07ok":                  "ok",
		"bad \xff byte and \x07 bell":         "bad ? byte and ? bell",
		"tab\there":                           "tab here",
		"\x1b[2K\x1b[1Gspinner\x1b[?25h done": "spinner done",
	} {
		if got := cleanLine(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	var got []string
	s := splitter{emit: func(l string) { got = append(got, l) }}
	s.write([]byte("a\nb"))
	s.write([]byte("c\n\n" + strings.Repeat("é", 5000) + "\nend"))
	s.flush()
	if len(got) != 5 || got[1] != "bc" || got[2] != "" || got[4] != "end" || len(got[3]) > 4096 || !strings.HasSuffix(got[3], "é…") {
		t.Errorf("it gives %.60q", got)
	}
}

func TestBrokenStreamsAreErrorsNotMemory(t *testing.T) {
	t.Parallel()
	head := func(stream byte, n uint32) []byte {
		return append([]byte{stream, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, n)...)
	}
	ignore := func(byte, []byte) {}
	if err := demux(bytes.NewReader(head(1, 1<<31)), ignore); err == nil {
		t.Error("a frame of 2 GiB is believed")
	}
	if err := demux(bytes.NewReader(append(head(1, 10), "short"...)), ignore); err == nil {
		t.Error("half a frame is no error")
	}
	if err := demux(bytes.NewReader(append(head(3, 4), "oops"...)), ignore); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("the Engine's own error is %v", err)
	}
}
