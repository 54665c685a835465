package runtime

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"os"
	"strings"
)

// hostRoutes gives the IPv4 networks inside the pool that the host has a route
// to, which no app's network may hide. Routes as wide as the pool or wider (a
// VPN's 10.0.0.0/8) don't count: the narrower one wins, and with them counted
// no subnet would be left.
func hostRoutes(pool netip.Prefix) []netip.Prefix {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil // no such table here: the Engine refuses what overlaps
	}
	var inside []netip.Prefix
	for _, r := range parseRoutes(table) {
		if r.Bits() > pool.Bits() && pool.Overlaps(r) {
			inside = append(inside, r)
		}
	}
	return inside
}

// parseRoutes reads the kernel's table: interface, destination and gateway in
// the first columns, the mask in the eighth, numbers in hexadecimal of the
// host's (little-endian) order.
func parseRoutes(table []byte) []netip.Prefix {
	var routes []netip.Prefix
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 {
			continue
		}
		to, err := hex.DecodeString(fields[1])
		mask, err2 := hex.DecodeString(fields[7])
		if err != nil || err2 != nil || len(to) != 4 || len(mask) != 4 {
			continue // the heading
		}
		addr := netip.AddrFrom4([4]byte{to[3], to[2], to[1], to[0]})
		routes = append(routes, netip.PrefixFrom(addr, bits.OnesCount32(binary.BigEndian.Uint32(mask))).Masked())
	}
	return routes
}
