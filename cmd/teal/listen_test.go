package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSocketsOfOneUnitAreTakenByTheirPorts starts the real binary as systemd
// does with teal.socket.
func TestSocketsOfOneUnitAreTakenByTheirPorts(t *testing.T) {
	t.Parallel()
	cmd, at := underSystemd(t, "TEAL_CONSOLE", "TEAL_SSH", "TEAL_PREVIEW", "TEAL_HTTP")
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	teal := startProc(t, cmd)
	for name, want := range map[string][]int{"TEAL_HTTP": {404}, "TEAL_PREVIEW": {401}, "TEAL_CONSOLE": {401}} {
		// No second try: the socket takes connections before teal runs.
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at[name]+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, teal.out)
		}
		_ = resp.Body.Close()
		if !slices.Contains(want, resp.StatusCode) {
			t.Errorf("%s answers %s, want one of %v", name, resp.Status, want)
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at["TEAL_SSH"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if hello, err := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(hello, "SSH-2.0-") {
		t.Errorf("TEAL_SSH says %q (%v), want SSH's hello", hello, err)
	}
	teal.signal(syscall.SIGTERM)
	select {
	case <-teal.done:
	case <-time.After(patience):
		t.Fatalf("teal did not end\n%s", teal.out)
	}
	if code := teal.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("teal ended with %d\n%s", code, teal.out)
	}
}

func TestASocketThatNothingIsSetToIsRefused(t *testing.T) {
	t.Parallel()
	cmd, at := underSystemd(t, "TEAL_HTTP", "TEAL_PREVIEW", "TEAL_SSH", "TEAL_CONSOLE", "TEAL_HTTPS") // and no certificate
	teal := startProc(t, cmd)
	select {
	case <-teal.done:
	case <-time.After(patience):
		t.Fatalf("teal runs with a socket that nobody serves\n%s", teal.out)
	}
	if !strings.Contains(teal.out.String(), "hands over a socket at "+at["TEAL_HTTPS"]) {
		t.Errorf("teal did not name the socket at %s:\n%s", at["TEAL_HTTPS"], teal.out)
	}
}

// underSystemd prepares a start with one unit that has a socket for each of the
// settings, and gives their addresses.
func underSystemd(t *testing.T, settings ...string) (cmd *exec.Cmd, at map[string]string) {
	t.Helper()
	systemd := filepath.Join(t.TempDir(), "systemd")
	if err := goBuild(systemd, "./testdata/systemd"); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(systemd, tealBin, "serve", "--data", t.TempDir())
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+fmt.Sprint(len(settings)), "LISTEN_FDNAMES="+strings.Repeat(":teal.socket", len(settings))[1:])
	at = map[string]string{}
	for _, name := range settings {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		at[name] = l.Addr().String()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		cmd.Env = append(cmd.Env, name+"="+at[name])
	}
	return cmd, at
}
