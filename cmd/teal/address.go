package main

import (
	"fmt"
	"net"
	"strings"

	"teal/deploy"
	"teal/gitserver/commands"
)

// sshHost is the name that people reach the SSH address by.
func (c config) sshHost() string {
	if c.SSHHost != "" {
		return c.SSHHost
	}
	return c.Domain
}

// hint is how this Teal is reached, for texts.
func (d *daemonParts) hint() commands.Hint {
	return commands.Hint{SSHHost: d.sshHost(), SSHPort: port(d.doors.ssh), ConsoleURL: d.consoleURL()}
}

// productionURL is where an app is served.
func (d *daemonParts) productionURL(app deploy.AppName) string {
	if host := string(app) + "." + d.Domain; d.secured(host) {
		return "https://" + host + suffix(d.doors.https, 443)
	}
	return fmt.Sprintf("http://%s.%s%s", app, d.Domain, suffix(d.doors.http, 80))
}

// secured tells whether the host is served over TLS now. A new app's is not
// until its certificate has come.
func (d *daemonParts) secured(host string) bool { return d.doors.https != nil && d.certs.Covers(host) }

// previewURL is where the color that is not active is shown, with the
// credential that opens it: only logged-in people get to see it.
func (d *daemonParts) previewURL(app deploy.AppName) string {
	host, scheme, usual := string(app)+"."+d.Domain, "http", 80
	if d.secured(host) {
		scheme, usual = "https", 443
	}
	return fmt.Sprintf("%s://%s:%s@%s%s", scheme, previewUser, d.gate.password, host, suffix(d.doors.preview, usual))
}

// consoleURL is where the console is.
func (d *daemonParts) consoleURL() string {
	if d.ConsoleURL != "" {
		return strings.TrimRight(d.ConsoleURL, "/")
	}
	host, _, err := net.SplitHostPort(d.doors.console.Addr().String())
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
		if ip != nil && ip.IsUnspecified() {
			host = d.sshHost()
		}
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(port(d.doors.console)))
}

func isHTTPS(url string) bool { return strings.HasPrefix(url, "https://") }
