package gitserver

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// still makes the server's clock stand until it is moved, so that no penalty
// wears off in between.
func still(ahead *atomic.Int64) option {
	began := time.Now()
	return func(c *Config, _ *ReposConfig) {
		c.Now = func() time.Time { return began.Add(time.Duration(ahead.Load())) }
	}
}

// login opens a connection from an address of this machine, and gives how it went.
func (w *world) login(from string, config *gossh.ClientConfig) (*gossh.Client, error) {
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}).Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, chans, reqs, err := gossh.NewClientConn(nc, w.addr, config)
	if err != nil {
		nc.Close()
		return nil, err
	}
	client := gossh.NewClient(conn, chans, reqs)
	w.t.Cleanup(func() { client.Close() })
	return client, nil
}

// refuses fails the test unless the server refuses the address.
func (w *world) refuses(from string) {
	w.t.Helper()
	if _, err := w.login(from, w.clientConfig("anna")); err == nil {
		w.t.Errorf("%s is let in", from)
	}
}

// admits fails the test unless the server lets the address in before long.
func (w *world) admits(from string) (client *gossh.Client) {
	w.t.Helper()
	eventually(w.t, from+" gets in", func() bool {
		var err error
		client, err = w.login(from, w.clientConfig("anna"))
		return err == nil
	})
	return client
}

func TestKeyExchangesWithoutALoginAreRefusedAfterAWhile(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := newWorld(t, still(&ahead))
	enough := errors.New("enough")
	config := w.clientConfig("anna")
	config.HostKeyCallback = func(string, net.Addr, gossh.PublicKey) error { return enough } // the key exchange is done
	heard := 0
	for ; heard < 100; heard++ {
		if _, err := w.login("127.0.0.1", config); !errors.Is(err, enough) {
			break
		}
	}
	if heard < 25 || heard > 50 {
		t.Errorf("%d key exchanges were had from one address, want about 30", heard)
	}
	w.refuses("127.0.0.1")
	w.admits("127.0.0.2")
	ahead.Store(int64(3 * time.Minute))
	w.admits("127.0.0.1")
}

func TestConnectionsThatMakeRoomForOthersArePunishedToo(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := newWorld(t, still(&ahead), limits(func(l *Limits) { l.HandshakesPerAddress = 1 }))
	eventually(t, "the address is refused", func() bool {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			return false
		}
		t.Cleanup(func() { c.Close() }) // until then it is the server's to end it
		fmt.Fprint(c, "SSH-2.0-x\r\n")
		w.server.gate.mu.Lock()
		defer w.server.gate.mu.Unlock()
		return w.server.gate.penalty(sourceOf(c.LocalAddr())) > w.server.limits.PenaltyThreshold
	})
	w.refuses("127.0.0.1")
	w.admits("127.0.0.2")
}

func TestMonitorsAndKeyscansDoNotLockTheirAddressOut(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := newWorld(t, still(&ahead))
	for range 200 { // is the port open?
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Read(make([]byte, 8))
		c.Close()
	}
	_, port, _ := net.SplitHostPort(w.addr)
	for range 3 {
		has(t, w.finish(exec.Command("ssh-keyscan", "-T", "60", "-p", port, "127.0.0.1")).out, "ssh-ed25519 AAAA", "ssh-rsa AAAA")
	}
	if _, err := w.login("127.0.0.1", w.clientConfig("anna")); err != nil {
		t.Error(err)
	}
}

func TestKeysAreExchangedOnceBeforeTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, commands(func(_ context.Context, s Session) int {
		_, _ = s.Stdout.Write(make([]byte, 64<<10))
		return 0
	}))
	private, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := w.clientConfig("anna")
	config.RekeyThreshold = 256 // bytes: less than it takes to name a key
	config.Auth = []gossh.AuthMethod{gossh.PublicKeys(stranger, w.keys["anna"])}
	if _, err := w.login("127.0.0.1", config); err == nil {
		t.Error("a client that has no login yet exchanged keys again")
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(w.log.String(), errKeyedAgain.Error()) })
	// With a login it may, as every client does after a gigabyte or an hour.
	config = w.clientConfig("anna")
	config.RekeyThreshold = 4 << 10
	client, err := w.login("127.0.0.1", config)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := session.Output("pour"); err != nil || len(out) != 64<<10 {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	}
}

func TestConnectionsAreCappedOverAllAndPerAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, limits(func(l *Limits) { l.Connections, l.ConnectionsPerAddress = 3, 2 }))
	first := w.admits("127.0.0.1")
	w.admits("127.0.0.1")
	w.refuses("127.0.0.1")
	w.admits("127.0.0.2")
	w.refuses("127.0.0.3")
	has(t, w.log.String(), "too many connections from this address", `error="too many connections"`)
	first.Close()
	w.admits("127.0.0.3")
}

func TestWhatIsRememberedOfAddressesIsBounded(t *testing.T) {
	t.Parallel()
	g := newGate(Limits{}.filled(), time.Now)
	for i := range 3 * maxSources {
		g.punish(sourceOf(&net.TCPAddr{IP: net.IPv4(10, byte(i>>16), byte(i>>8), byte(i))}), time.Hour)
	}
	if len(g.sources) > maxSources {
		t.Errorf("%d addresses are remembered, want at most %d", len(g.sources), maxSources)
	}
	at := func(ip string) any { return sourceOf(&net.TCPAddr{IP: net.ParseIP(ip), Port: 1}) }
	if at("2001:db8::1") != at("2001:db8::ffff:1") || at("2001:db8::1") == at("2001:db8:0:1::1") {
		t.Error("an IPv6 address is not counted by its /64")
	}
	if at("192.0.2.1") == at("192.0.2.2") || at("192.0.2.1") != at("::ffff:192.0.2.1") {
		t.Error("an IPv4 address is not counted by itself")
	}
}
