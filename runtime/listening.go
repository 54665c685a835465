package runtime

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"teal/deploy"
)

// ListeningPorts gives the addresses on which an instance accepts TCP
// connections, as the app sees them ("127.0.0.1:3000", "[::]:8080"), sorted.
// It is for telling why a probe fails, and works only where the Engine's
// processes can be seen: on the same host.
func (d *Docker) ListeningPorts(ctx context.Context, in deploy.Instance) ([]string, error) {
	c, err := d.inspect(ctx, in.ID)
	if err != nil {
		return nil, fmt.Errorf("cannot look at the ports of %s %s.%d: %w", in.App, deploy.ReleaseName(in.Release), in.Index, err)
	}
	if !ours(c.State.Pid, c.ID) {
		return nil, fmt.Errorf("the processes of %s %s.%d can't be seen from here: %w", in.App, deploy.ReleaseName(in.Release), in.Index, deploy.ErrNotFound)
	}
	var all []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", c.State.Pid, table))
		if err == nil { // a host without IPv6 has no tcp6
			all = append(all, parseListening(text)...)
		}
	}
	slices.SortFunc(all, func(a, b netip.AddrPort) int { return a.Compare(b) })
	var ports []string
	for _, a := range slices.Compact(all) {
		ports = append(ports, a.String())
	}
	return ports, nil
}

// engineDNS is where the Engine itself listens inside each container.
var engineDNS = netip.MustParseAddr("127.0.0.11")

// parseListening reads the kernel's table of sockets: the local address in the
// second column, the state in the fourth, 0A for a listening one. Addresses
// are 32-bit words in the host's (little-endian) order.
func parseListening(table []byte) []netip.AddrPort {
	var found []netip.AddrPort
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != "0A" {
			continue
		}
		ip, port, _ := strings.Cut(fields[1], ":")
		raw, err := hex.DecodeString(ip)
		n, err2 := strconv.ParseUint(port, 16, 16)
		if err != nil || err2 != nil || len(raw)%4 != 0 {
			continue
		}
		for word := range slices.Chunk(raw, 4) {
			slices.Reverse(word)
		}
		if addr, ok := netip.AddrFromSlice(raw); ok && addr != engineDNS {
			found = append(found, netip.AddrPortFrom(addr, uint16(n)))
		}
	}
	return found
}
