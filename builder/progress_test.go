package builder

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

func at(s int) time.Time { return time.Unix(int64(s), 0) }

func shown(limit int64, traces ...trace) (*progress, string) {
	var out bytes.Buffer
	p := newProgress(&out, limit)
	for _, t := range traces {
		p.take(t)
	}
	return p, out.String()
}

func TestStepsThatInterleaveAreToldApart(t *testing.T) {
	a := vertex{digest: "a", name: "[a 1/1] RUN one", started: at(1)}
	b := vertex{digest: "b", name: "[b 1/1] RUN two", started: at(1)}
	aEnd, bEnd := a, b
	aEnd.completed, bEnd.completed = at(3), at(4)
	bEnd.err = "exit code: 1"
	_, log := shown(
		1<<20,
		trace{vertices: []vertex{{digest: "x", name: "[internal] load build definition", started: at(1), completed: at(1)}, a}},
		trace{outputs: []output{{vertex: "a", stream: 1, data: []byte("first\nsec")}}},
		trace{vertices: []vertex{b}},
		trace{outputs: []output{{vertex: "b", stream: 1, data: []byte("other\n")}}},
		trace{outputs: []output{{vertex: "a", stream: 1, data: []byte("ond\n")}}},
		trace{vertices: []vertex{aEnd, aEnd}}, // told twice
		trace{vertices: []vertex{bEnd}, outputs: []output{{vertex: "b", stream: 2, data: []byte("no end of line")}}},
	)
	want := `#1 [a 1/1] RUN one
   | first
#2 [b 1/1] RUN two
   | other
#1 [a 1/1] RUN one
   | second
#1 done in 2.0s
#2 [b 1/1] RUN two
   | no end of line
#2 failed after 3.0s
`
	if log != want {
		t.Errorf("got\n%s\nwant\n%s", log, want)
	}
}

func TestStepIsToldWhenItRunsAndNotWhenItIsLookedUp(t *testing.T) {
	copied := vertex{digest: "c", name: "[1/2] COPY . .", started: at(1)}
	run := vertex{digest: "r", name: "[2/2] RUN go build", inputs: []string{"c"}, started: at(1)}
	done := copied
	done.completed = at(2)
	_, log := shown(1<<20, trace{vertices: []vertex{run, copied}}, trace{vertices: []vertex{done}})
	if log != "#1 [1/2] COPY . .  done in 1.0s\n#2 [2/2] RUN go build\n" {
		t.Errorf("got\n%s", log)
	}
}

func TestOutputIsCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m text":            "red text",
		"10%\r50%\r100%\r":                     "100%",
		"\x1b]8;;http://x\x07link\x1b]8;;\x07": "link",
		"\x1b]0;title\x1b\\after":              "after",
		"bell\x07 and \xff byte":               "bell? and ? byte",
		"tab\tbed   ":                          "tab bed",
		"cut \x1b[3":                           "cut",
		"\x1b":                                 "",
		"right\u202eleft":                      "right?left",
	} {
		if got := tidy(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

func TestLineWithoutAnEndTakesBoundedMemory(t *testing.T) {
	v := vertex{digest: "a", name: "[1/1] RUN x", started: at(1)}
	var out bytes.Buffer
	p := newProgress(&out, 10_000)
	p.take(trace{vertices: []vertex{v}})
	for range 1000 {
		p.take(trace{outputs: []output{{vertex: "a", stream: 1, data: bytes.Repeat([]byte("x"), 5000)}}})
	}
	if n := len(p.steps["a"].partial[1]); n > maxLine {
		t.Errorf("%d bytes are held", n)
	}
	if out.Len() > 11_000 || !strings.Contains(out.String(), "… log cut") {
		t.Errorf("the log has %d bytes", out.Len())
	}
}

func TestFailuresOfNewerEnginesAreUnderstood(t *testing.T) {
	for message, want := range map[string]string{
		"process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3":                                                             "'RUN x' ended with exit code 3",
		"process \"/app\" did not complete successfully: exit code: 137":                                                                        "'RUN x' was killed (exit code 137): it probably ran out of memory",
		"dockerfile parse error on line 7: unknown instruction: RUNN (did you mean RUN?)":                                                       "Dockerfile line 7: unknown instruction: RUNN (did you mean RUN?)",
		"failed to compute cache key: failed to calculate checksum of ref abc::def: \"/nope.txt\": not found":                                   "a COPY or ADD wants nope.txt, which is not in the commit",
		"failed to solve with frontend dockerfile.v0: failed to solve with frontend gateway.v0: rpc error: code = Unknown desc = something new": "something new",
	} {
		p, _ := shown(0, trace{vertices: []vertex{{digest: "a", name: "[1/1] RUN x", started: at(1), completed: at(2), err: message}}})
		if f := explain(&solveError{message}, p, happened{}); f.Reason != want {
			t.Errorf("%q became %q, not %q", message, f.Reason, want)
		}
	}
}

// encodeVertex writes what decodeVertex reads.
func encodeVertex(v vertex) []byte {
	stamp := func(field int, t time.Time) []byte {
		return bytesField(field, binary.AppendUvarint([]byte{1<<3 | wireVarint}, uint64(t.Unix())))
	}
	msg := append(bytesField(1, []byte(v.digest)), bytesField(3, []byte(v.name))...)
	msg = append(msg, 4<<3|wireVarint, 1)
	msg = append(msg, stamp(5, v.started)...)
	return append(append(msg, stamp(6, v.completed)...), bytesField(7, []byte(v.err))...)
}

func TestTraceIsDecoded(t *testing.T) {
	want := vertex{digest: "sha256:a", name: "[1/1] RUN x", started: at(5), completed: at(7), err: "bad"}
	msg := bytesField(1, encodeVertex(want))
	msg = append(msg, bytesField(3, append(bytesField(1, []byte("sha256:a")), append([]byte{3<<3 | wireVarint, 2}, bytesField(4, []byte("hi"))...)...))...)
	got, err := decodeTrace(msg)
	if err != nil || len(got.vertices) != 1 || len(got.outputs) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	v := got.vertices[0]
	if v.digest != want.digest || v.name != want.name || !v.cached || v.err != "bad" || !v.started.Equal(at(5)) || !v.completed.Equal(at(7)) {
		t.Errorf("%+v", v)
	}
	if o := got.outputs[0]; o.stream != 2 || string(o.data) != "hi" {
		t.Errorf("%+v", o)
	}
}

func FuzzDecodeTrace(f *testing.F) {
	f.Add(bytesField(1, encodeVertex(vertex{digest: "a", name: "[1/1] RUN x", started: at(1), completed: at(2)})))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, msg []byte) {
		if tr, err := decodeTrace(msg); err == nil {
			shown(1000, tr, tr)
		}
	})
}

func TestStepOfTheCacheIsToldAsSuch(t *testing.T) {
	v := vertex{digest: "c", name: "[1/2] COPY . .", cached: true, started: at(1), completed: at(1)}
	if _, log := shown(1<<20, trace{vertices: []vertex{v}}); log != "#1 [1/2] COPY . .  cached\n" {
		t.Errorf("got\n%s", log)
	}
}
