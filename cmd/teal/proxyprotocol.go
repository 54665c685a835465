package main

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// headerTime is what a load balancer has for its PROXY protocol header: it
// sends it first, in one piece.
const headerTime = 5 * time.Second

// proxied has connections from the networks begin with a PROXY protocol header
// (v1 or v2), whose source becomes their remote address. One without is closed.
// Whoever else sends one sends no HTTP, and is answered so.
func proxied(l net.Listener, from []netip.Prefix) net.Listener {
	if len(from) == 0 || l == nil {
		return l
	}
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: headerTime, ValidateHeader: checkHeader,
		ConnPolicy: func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			tcp, ok := c.Upstream.(*net.TCPAddr)
			if !ok {
				return proxyproto.SKIP, nil
			}
			peer := tcp.AddrPort().Addr().Unmap()
			if slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(peer) }) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

// checkHeader refuses what names no client: a health check of the balancer's
// own (LOCAL, UNKNOWN) is from the balancer.
func checkHeader(h *proxyproto.Header) error {
	if h.Command.IsLocal() || h.TransportProtocol == proxyproto.UNSPEC {
		return nil
	}
	if _, ok := h.SourceAddr.(*net.TCPAddr); !ok {
		return errors.New("the PROXY protocol header names no TCP client")
	}
	return nil
}
