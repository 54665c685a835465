package builder

import "time"

// vertex is one step of a build as BuildKit tells of it. The same vertex is
// told several times as it goes on.
type vertex struct {
	digest    string
	inputs    []string // digests of the steps that it goes on from
	name      string   // "[build 2/4] RUN go build"
	cached    bool
	started   time.Time // zero: not yet
	completed time.Time // zero: not yet
	err       string
}

// output is a piece of what a step wrote: not a line, and the order between
// standard output and standard error is not kept.
type output struct {
	vertex string // digest
	stream int    // 1 or 2
	data   []byte
}

// trace is one message of progress: moby.buildkit.v1.StatusResponse.
type trace struct {
	vertices []vertex
	outputs  []output
}

// decodeTrace reads a StatusResponse (buildkit, api/services/control/control.proto).
func decodeTrace(msg []byte) (trace, error) {
	var t trace
	err := eachField(msg, func(field int, _ uint64, b []byte) error {
		switch field {
		case 1:
			v, err := decodeVertex(b)
			t.vertices = append(t.vertices, v)
			return err
		case 3:
			o, err := decodeOutput(b)
			t.outputs = append(t.outputs, o)
			return err
		}
		return nil
	})
	return t, err
}

func decodeVertex(msg []byte) (v vertex, err error) {
	err = eachField(msg, func(field int, n uint64, b []byte) (err error) {
		switch field {
		case 1:
			v.digest = string(b)
		case 2:
			v.inputs = append(v.inputs, string(b))
		case 3:
			v.name = string(b)
		case 4:
			v.cached = n != 0
		case 5:
			v.started, err = decodeTime(b)
		case 6:
			v.completed, err = decodeTime(b)
		case 7:
			v.err = string(b)
		}
		return err
	})
	return v, err
}

func decodeOutput(msg []byte) (o output, err error) {
	err = eachField(msg, func(field int, n uint64, b []byte) error {
		switch field {
		case 1:
			o.vertex = string(b)
		case 3:
			o.stream = int(n)
		case 4:
			o.data = b
		}
		return nil
	})
	return o, err
}

// decodeTime reads a google.protobuf.Timestamp.
func decodeTime(msg []byte) (time.Time, error) {
	var sec, nsec int64
	err := eachField(msg, func(field int, n uint64, _ []byte) error {
		switch field {
		case 1:
			sec = int64(n)
		case 2:
			nsec = int64(n)
		}
		return nil
	})
	return time.Unix(sec, nsec), err
}
