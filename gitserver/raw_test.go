package gitserver

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// raw is an SSH client that does what no git would.
type raw struct {
	t      testing.TB
	client *gossh.Client
}

func (w *world) clientConfig(user string) *gossh.ClientConfig {
	return &gossh.ClientConfig{
		User: "git", Auth: []gossh.AuthMethod{gossh.PublicKeys(w.keys[user])}, Timeout: time.Minute,
		HostKeyCallback: gossh.InsecureIgnoreHostKey(), //nolint:gosec // it is the test's own server
	}
}

func (w *world) dial(user string) *raw {
	w.t.Helper()
	client, err := gossh.Dial("tcp", w.addr, w.clientConfig(user))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	return &raw{w.t, client}
}

// conversation is one receive-pack that is spoken by hand.
type conversation struct {
	t       testing.TB
	session *gossh.Session
	in      io.WriteCloser
	out     io.Reader
	first   bool
}

// receivePack begins a push and reads the advertisement away.
func (r *raw) receivePack(app string) *conversation {
	r.t.Helper()
	s, err := r.client.NewSession()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	c := &conversation{t: r.t, session: s, first: true}
	c.in, _ = s.StdinPipe()
	c.out, _ = s.StdoutPipe()
	if err := s.Start("git-receive-pack '" + app + "'"); err != nil {
		r.t.Fatal(err)
	}
	buf := make([]byte, maxPacket)
	for {
		_, flush, err := readPacket(c.out, buf)
		if err != nil {
			r.t.Fatal(err)
		}
		if flush {
			return c
		}
	}
}

func (c *conversation) command(before, after, ref, caps string) {
	line := before + " " + after + " " + ref
	if c.first {
		line += "\x00 " + caps
		c.first = false
	}
	c.send(appendPacket(nil, line))
}

func (c *conversation) send(b []byte) { _, _ = c.in.Write(b) }

// finish ends the request, sends the pack, and returns all that the server said.
func (c *conversation) finish(pack []byte) string {
	c.t.Helper()
	c.send([]byte("0000"))
	c.send(pack)
	c.in.Close()
	return c.answer()
}

// answer reads to the end and takes the side band apart.
func (c *conversation) answer() string {
	c.t.Helper()
	all := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(c.out)
		all <- b
	}()
	select {
	case b := <-all:
		return unband(b)
	case <-time.After(time.Minute):
		c.t.Fatal("the server did not finish")
		return ""
	}
}

// unband joins what was sent on all bands, and packets without one.
func unband(b []byte) string {
	var out strings.Builder
	r, buf := bytes.NewReader(b), make([]byte, maxPacket)
	for {
		p, flush, err := readPacket(r, buf)
		if err != nil {
			return out.String()
		}
		if !flush && len(p) > 0 {
			if p[0] <= bandFatal {
				p = p[1:]
			}
			out.Write(p)
			out.WriteByte('\n')
		}
	}
}

const usualCaps = "report-status side-band-64k object-format=sha1"

// packOf makes a pack of what is given already compressed.
func packOf(count uint32, objects ...[]byte) []byte {
	b := append([]byte("PACK"), 0, 0, 0, 2)
	b = binary.BigEndian.AppendUint32(b, count)
	for _, o := range objects {
		b = append(b, o...)
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func emptyPack() []byte { return packOf(0) }

// packFor is the pack that git would send for the revisions.
func (c *clone) packFor(revisions ...string) []byte {
	c.w.t.Helper()
	cmd := c.command("pack-objects", "--stdout", "--revs", "-q")
	cmd.Stdin = strings.NewReader(strings.Join(revisions, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		c.w.t.Fatal(err)
	}
	return out
}

func (w *world) stillWorks(c *clone, app string) {
	w.t.Helper()
	c.commit("works", fmt.Sprint(time.Now().UnixNano()))
	if r := c.try("push", "-q", "teal", "main"); r.exit != 0 {
		w.t.Errorf("the next push fails with exit %d:\n%s\nserver log:\n%s", r.exit, r.out, w.log)
	}
}
