package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// listeners are the doors of the daemon.
type listeners struct {
	http, https, preview, ssh, console, metrics net.Listener
}

// fallback is where a front-end listens when its usual port is for root only.
var fallback = map[string]string{":80": ":8000", ":443": ":8443"}

// defaultMetrics is where the metrics are when nobody says.
const defaultMetrics = "127.0.0.1:9180"

// listen opens every address, or takes the sockets that systemd opened for us.
func listen(ctx context.Context, c config) (l listeners, notes []string, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return l, nil, fmt.Errorf("cannot take the sockets of systemd: %w", err)
	}
	given := handed(named)
	doors := []struct {
		name, addr, flag string
		into             *net.Listener
	}{
		{"http", c.HTTP, "--http", &l.http},
		{"https", c.HTTPS, "--https", &l.https},
		{"preview", c.Preview, "--preview", &l.preview},
		{"ssh", c.SSH, "--ssh", &l.ssh},
		{"console", c.Console, "--console", &l.console},
		{"metrics", c.Metrics, "--metrics", &l.metrics},
	}
	for _, d := range doors {
		if d.name == "https" && !c.secure() || d.addr == "off" {
			continue
		}
		if *d.into = given.take(d.name, d.addr); *d.into != nil {
			continue
		}
		var note string
		*d.into, note, err = open(ctx, d.addr, d.flag)
		if err != nil && d.name == "metrics" && c.Metrics == defaultMetrics {
			// Nobody asked for them: no reason not to serve the apps.
			notes = append(notes, "there are no metrics: "+err.Error())
			continue
		}
		if err != nil {
			l.close()
			return listeners{}, nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	if err := given.left(); err != nil {
		l.close()
		return listeners{}, nil, err
	}
	return l, notes, nil
}

// handed are the sockets that systemd opened for us, by FileDescriptorName=.
type handed map[string][]net.Listener

// take gives the socket for a door: the one that has its name, else the one at
// its port, since all sockets of one .socket unit have the same name.
func (h handed) take(door, addr string) net.Listener {
	if socks := h[door]; len(socks) > 0 {
		h[door] = socks[1:]
		return socks[0]
	}
	_, want, _ := net.SplitHostPort(addr)
	for name, socks := range h {
		for i, s := range socks {
			if fmt.Sprint(port(s)) == want {
				h[name] = slices.Delete(socks, i, i+1)
				return s
			}
		}
	}
	return nil
}

// left refuses sockets that no door took: whoever connected there would wait for ever.
func (h handed) left() error {
	for name, socks := range h {
		for _, s := range socks {
			return fmt.Errorf("systemd hands over a socket at %s (%s), but no address is set to its port: take its ListenStream out of the unit, or set the port (TEAL_HTTP, TEAL_HTTPS with TEAL_TLS_CERT or TEAL_ACME_EMAIL, TEAL_PREVIEW, TEAL_SSH, TEAL_CONSOLE, TEAL_METRICS)", s.Addr(), name)
		}
	}
	return nil
}

func open(ctx context.Context, addr, flag string) (net.Listener, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if other := fallback[addr]; errors.Is(err, syscall.EACCES) && other != "" {
		if l, err := lc.Listen(ctx, "tcp", other); err == nil {
			return l, fmt.Sprintf("port %s is for root only: using %s instead (set %s to choose)", strings.TrimPrefix(addr, ":"), other, flag), nil
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, "", fmt.Errorf("cannot listen on %s: another program does (a web server, or another teal?); stop it, or choose another address with %s", addr, flag)
	case errors.Is(err, os.ErrPermission):
		return nil, "", fmt.Errorf("cannot listen on %s: only root may; choose a port above 1023 with %s", addr, flag)
	case err != nil:
		return nil, "", fmt.Errorf("cannot listen on %s (%s): %w", addr, flag, err)
	}
	return l, "", nil
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.http, l.https, l.preview, l.ssh, l.console, l.metrics} {
		if one != nil {
			_ = one.Close()
		}
	}
}

// port gives the port of a listener.
func port(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// suffix is ":port" as it stands in a URL, "" for the scheme's own.
func suffix(l net.Listener, usual int) string {
	if p := port(l); p != usual {
		return fmt.Sprintf(":%d", p)
	}
	return ""
}
