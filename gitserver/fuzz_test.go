package gitserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func FuzzDecodeRequest(f *testing.F) {
	tip := strings.Repeat("ab", 20)
	line := func(s string) string { return string(appendPacket(nil, s)) }
	for _, seed := range []string{
		"", "0000", "0", "zzzz", "0004", "0001", "ffff", "00000000",
		line(noHash+" "+tip+" refs/heads/main\x00 report-status side-band-64k push-options") + "0000" + line("no-cache") + "0000PACK",
		line("shallow "+tip) + line(noHash+" "+tip+" refs/heads/a b\n\x00quiet") + line(tip+" "+noHash+" refs/tags/v1\n") + "0000",
		line("shallow "+tip+"\n") + "0000", line("push-cert\x00x") + "0000",
		line(noHash+" "+tip+" refs/heads/x\nng refs/heads/main") + "0000",
	} {
		f.Add([]byte(seed))
	}
	l := Limits{Request: 4096, Refs: 4, PushOptions: 4}.filled()
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		q, err := decodeRequest(r, l)
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) {
				t.Fatalf("an error that the client is not told: %v", err)
			}
			return
		}
		if len(q.commands) > l.Refs || len(q.options) > l.PushOptions {
			t.Fatalf("beyond the limits: %d refs, %d options", len(q.commands), len(q.options))
		}
		for _, c := range q.commands {
			if !isHash(c.old) || !isHash(c.new) || c.ref == "" || !bytes.Contains(data, []byte(c.ref)) {
				t.Fatalf("a command that nobody sent: %+v", c)
			}
		}
		for _, s := range q.shallows {
			if !isHash(s) {
				t.Fatalf("a shallow %q", s)
			}
		}
		// What was decoded, encoded again, means the same.
		if len(q.commands) == 0 {
			return
		}
		var again []byte
		for _, s := range q.shallows {
			again = appendPacket(again, "shallow "+s)
		}
		for i, c := range q.commands {
			text := c.old + " " + c.new + " " + c.ref
			if i == 0 {
				text += "\x00" + strings.Join(q.caps, " ")
			}
			again = appendPacket(again, text)
		}
		again = append(again, "0000"...)
		if q.has("push-options") {
			for _, o := range q.options {
				again = appendPacket(again, o)
			}
			again = append(again, "0000"...)
		}
		p, err := decodeRequest(bytes.NewReader(again), l.with(1<<20))
		if err != nil || !slices.Equal(p.commands, q.commands) || !slices.Equal(p.shallows, q.shallows) || !slices.Equal(p.options, q.options) {
			t.Fatalf("%+v became %+v, %v", q, p, err)
		}
	})
}

func (l Limits) with(request int) Limits { l.Request = request; return l }

func FuzzParseCommandLine(f *testing.F) {
	for _, seed := range []string{
		"", " ", "apps", "git-receive-pack '/shop.git'", `config set shop "A=b c" 'it''s' x\ y`, `"\"\\\n"`, "'", `\`, "''", "a\nb", "'a\nb'",
		"$(id) `id` | ; & > < * ? ~ ! #", "ü\u202e", "\x00", "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := ParseCommandLine(line)
		if err != nil {
			return
		}
		if len(words) > maxWords {
			t.Fatalf("%d words", len(words))
		}
		var quoted []string
		for _, w := range words {
			if strings.ContainsAny(w, "\x00\x1b\x7f\r") {
				t.Fatalf("a control character in %q", w)
			}
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := ParseCommandLine(strings.Join(quoted, " "))
		if err != nil && len(line) < maxLine/4 || err == nil && !slices.Equal(again, words) {
			t.Fatalf("%q became %q, %v", words, again, err)
		}
	})
}

func FuzzSideband(f *testing.F) {
	f.Add([]byte("hello"), 3)
	f.Add([]byte{}, 0)
	f.Add(bytes.Repeat([]byte("x"), 200_000), 65515)
	f.Add(bytes.Repeat([]byte("x"), 65516), 65516)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var out bytes.Buffer
		s := &sideband{w: &out}
		cut = min(max(cut, 0), len(data))
		for _, part := range [][]byte{data[:cut], data[cut:]} {
			if err := s.write(bandData, part); err != nil {
				t.Fatal(err)
			}
			if err := s.keepalive(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		var got []byte
		buf := make([]byte, maxPacket)
		for {
			p, flush, err := readPacket(&out, buf)
			if err != nil {
				t.Fatal(err)
			}
			if flush {
				break
			}
			switch {
			case p[0] == bandData && len(p) > 1:
				got = append(got, p[1:]...)
			case p[0] == bandProgress && len(p) == 1:
			default:
				t.Fatalf("packet %q", p)
			}
		}
		if !bytes.Equal(got, data) || out.Len() != 0 {
			t.Fatalf("%d bytes became %d, %d are left", len(data), len(got), out.Len())
		}
	})
}

func FuzzReadPacket(f *testing.F) {
	for _, seed := range []string{"", "0000", "0005a", "0004", "000", "fff0", "fff1", "FFF0", "-001", "0x10"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, buf := bytes.NewReader(data), make([]byte, maxPacket)
		for {
			p, flush, err := readPacket(r, buf)
			if err != nil {
				return
			}
			if flush && p != nil || len(p) > maxPacket-4 {
				t.Fatalf("%q, %v", p, flush)
			}
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add("ok", "refs/heads/main", "deploy failed: x\nok refs/heads/main")
	f.Add("index-pack\x00", "refs/heads/\nok y", "")
	f.Add("ok", strings.Repeat("x", 70000), strings.Repeat("y", 70000))
	f.Fuzz(func(t *testing.T, unpack, ref, reason string) {
		r, buf := bytes.NewReader(encodeReport(unpack, []verdict{{ref, reason}})), make([]byte, maxPacket)
		for i := 0; ; i++ {
			p, flush, err := readPacket(r, buf)
			if err != nil {
				t.Fatal(err)
			}
			if flush {
				if i != 2 || r.Len() != 0 {
					t.Fatalf("%d lines, %d bytes are left", i, r.Len())
				}
				return
			}
			if strings.Count(string(p), "\n") != 1 || p[len(p)-1] != '\n' {
				t.Fatalf("line %q", p)
			}
		}
	})
}

func FuzzCleanLine(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[32mgreen\x1b[0m", "\x1b[", "\x1b[1;2", "\x1b]0;title\x07", "a\rb", "\x1b[31", "ü \u202e", "\xff", "\x1b[\x1b[m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range cleanLine(s) {
			if r < ' ' || r == 0x7f {
				t.Fatalf("%q became %q", s, cleanLine(s))
			}
		}
	})
}

func TestIntakeGivesAllThatWasSent(t *testing.T) {
	t.Parallel()
	in := newIntake(context.Background(), time.Second)
	text := noise(300_000, 1)
	ended := make(chan struct{})
	go func() { defer close(ended); in.pump(strings.NewReader(text)) }()
	got, err := io.ReadAll(in)
	if err != nil || string(got) != text {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
	in.close()
	<-ended
}
