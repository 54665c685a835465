package commands

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"teal/deploy"
)

// Hint is how this Teal is reached from outside, for texts that say what to
// type next.
type Hint struct {
	SSHHost    string // "teal.example.com"
	SSHPort    int    // 0: 22
	ConsoleURL string // without a slash at the end: "https://teal.example.com:3000"
}

// Command writes how words are typed: "ssh -p 2222 host apps".
func (h Hint) Command(words ...string) string {
	to := []string{"ssh"}
	if h.SSHPort != 0 && h.SSHPort != 22 {
		to = append(to, "-p", strconv.Itoa(h.SSHPort))
	}
	host := h.SSHHost
	if host == "" {
		host = "localhost"
	}
	return strings.Join(append(append(to, host), words...), " ")
}

// Remote writes the URL of the app's git remote.
func (h Hint) Remote(app deploy.AppName) string {
	host := h.SSHHost
	if host == "" {
		host = "localhost"
	}
	if h.SSHPort != 0 && h.SSHPort != 22 {
		host = net.JoinHostPort(host, strconv.Itoa(h.SSHPort))
	}
	return fmt.Sprintf("ssh://git@%s/%s", host, app)
}
