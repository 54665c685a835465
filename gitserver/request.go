package gitserver

import (
	"errors"
	"io"
	"strings"

	"teal/deploy"
)

// request is what a client asks of receive-pack (gitprotocol-pack, "Reference
// Update Request").
type request struct {
	shallows []string // commits at which the client's history is cut
	commands []command
	caps     []string
	options  []string // push options
}

// command asks for one ref to be moved.
type command struct {
	old, new string // 40 hex digits; all zeros: no such ref
	ref      string // as sent; not checked
}

func (c command) deletes() bool { return c.new == noHash }

// has tells whether the client chose the capability.
func (r request) has(name string) bool {
	for _, c := range r.caps {
		if c == name {
			return true
		}
	}
	return false
}

// hasPack tells whether a pack follows: always, but for mere deletions.
func (r request) hasPack() bool {
	for _, c := range r.commands {
		if !c.deletes() {
			return true
		}
	}
	return false
}

// decoder reads a request and counts what it costs.
type decoder struct {
	r     io.Reader
	left  int // bytes
	limit int
	ended int  // parts that were read up to their flush: the commands, the options
	cut   bool // nothing can be read any more
	buf   [maxPacket]byte
}

// readOn is how much of a refused request is read for its end.
const readOn = 16 << 20

// decodeRequest reads exactly up to the pack. A request without commands means
// that the client has nothing to push. One that is refused is read to its end
// where it has one, and comes with its capabilities: they say how to answer.
func decodeRequest(r io.Reader, l Limits) (request, error) {
	d := &decoder{r: r, left: l.Request, limit: l.Request}
	var q request
	err := d.request(&q, l)
	if err != nil {
		d.skip(&q)
	}
	return q, err
}

func (d *decoder) request(q *request, l Limits) error {
	for {
		line, flush, err := d.packet()
		if errors.Is(err, io.EOF) && len(q.commands) == 0 && len(q.shallows) == 0 {
			return nil // it hung up after it saw the refs, as ls-remote does
		}
		if err != nil {
			q.glean(line)
			return inputError(err, "the push ends in the middle of its request")
		}
		if flush {
			break
		}
		if err := q.line(line); err != nil {
			return err
		}
		if len(q.commands) > l.Refs {
			return refuse("more than %d refs in one push: push one branch: git push %s main", l.Refs, remoteName)
		}
	}
	if len(q.commands) > 0 && q.has("push-options") {
		return d.options(q, l)
	}
	return nil
}

// packet reads one pkt-line within the limit.
func (d *decoder) packet() (line string, flush bool, err error) {
	payload, flush, err := readPacket(d.r, d.buf[:])
	if err != nil {
		d.cut = true
		if errors.Is(err, errPacket) {
			err = refuse("this is not a git push")
		}
		return "", false, err
	}
	if flush {
		d.ended++
	}
	if d.left -= len(payload) + 4; d.left < 0 {
		return string(payload), flush, refuse("the push's request is longer than %s", byteSize(int64(d.limit)))
	}
	return string(payload), flush, nil
}

// skip reads away the rest of a refused request, as far as it goes and readOn
// lasts. git reads no answer while it writes one, and in the rest may stand what
// it can read: its commits come before its capabilities.
func (d *decoder) skip(q *request) {
	d.left = readOn
	for !d.cut && (d.ended == 0 || d.ended == 1 && q.has("push-options")) {
		line, _, err := d.packet()
		if err != nil {
			return
		}
		if d.ended == 0 {
			q.glean(line)
		}
	}
}

// glean takes the capabilities of a line that is not looked at otherwise.
func (q *request) glean(line string) {
	if _, caps, found := strings.Cut(line, "\x00"); found && q.caps == nil {
		q.caps = strings.Fields(caps)
	}
}

// line takes one line: a shallow commit or a command.
func (q *request) line(line string) error {
	if id, ok := strings.CutPrefix(line, "shallow "); ok {
		if id = strings.TrimSuffix(id, "\n"); !isHash(id) {
			return refuse("not a commit: %s", deploy.Clean(id, 60))
		}
		q.shallows = append(q.shallows, id)
		return nil
	}
	if strings.HasPrefix(line, "push-cert") {
		return refuse("signed pushes are not taken: push without --signed")
	}
	if len(q.commands) == 0 {
		var caps string
		line, caps, _ = strings.Cut(line, "\x00")
		if err := q.choose(caps); err != nil {
			return err
		}
	}
	c, err := parseCommand(strings.TrimSuffix(line, "\n"))
	if err != nil {
		return err
	}
	q.commands = append(q.commands, c)
	return nil
}

// choose reads the capabilities that the client wants.
func (q *request) choose(caps string) error {
	q.caps = strings.Fields(caps)
	for _, c := range q.caps {
		if format, ok := strings.CutPrefix(c, "object-format="); ok && format != "sha1" {
			return refuse("the repository has %s object names, and Teal takes sha1: make one with git init --object-format=sha1", deploy.Clean(format, 20))
		}
	}
	return nil
}

// parseCommand reads "<old> <new> <ref>". The name runs to the end of the line,
// whatever is in it: what is cut off here would be checked by nobody.
func parseCommand(line string) (command, error) {
	const name = 2 * (len(noHash) + 1)
	if len(line) <= name || line[len(noHash)] != ' ' || line[name-1] != ' ' {
		return command{}, refuse("not a ref update: %s", deploy.Clean(line, 60))
	}
	c := command{old: line[:len(noHash)], new: line[len(noHash)+1 : name-1], ref: line[name:]}
	if !isHash(c.old) || !isHash(c.new) {
		return command{}, refuse("not a ref update: %s", deploy.Clean(line, 60))
	}
	if c.old == noHash && c.new == noHash {
		return command{}, refuse("there is no %s to delete", deploy.Clean(c.ref, 60))
	}
	return c, nil
}

// options reads the push options up to their flush.
func (d *decoder) options(q *request, l Limits) error {
	for {
		line, flush, err := d.packet()
		if err != nil {
			return inputError(err, "the push ends in the middle of its options")
		}
		if flush {
			return nil
		}
		if len(q.options) >= l.PushOptions || len(line) > 4096 {
			return refuse("a push takes at most %d options of 4 KiB", l.PushOptions)
		}
		q.options = append(q.options, strings.TrimSuffix(line, "\n"))
	}
}
