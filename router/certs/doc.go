// Package certs gets, keeps and shows the certificates that the router serves
// TLS with, and tells when one nears its end.
//
// There are two kinds. Own certificates are PEM files that somebody else
// renews; they are looked at every few seconds and taken as soon as they
// change, and they win for every name they cover. For the other hosts that
// production serves, certificates are asked of an ACME authority (RFC 8555) by
// certmagic, if the server has one set: that is its consent. A handshake never
// asks for one. Hosts come from the routing table alone, so a stranger who
// points a name at this server, or sends names in handshakes, gets nothing.
//
// # The life of a certificate
//
//	wanted     its host is in the routing table (Wake, then Config.Hosts)
//	load       from <dir>/acme, so that a restart asks nobody
//	obtain     HTTP-01 (Answer) or TLS-ALPN-01 (in the handshake); a few at once
//	serve      from an immutable set behind one atomic pointer
//	check      a few hundred times in its life: due for renewal? (also as the CA says, RFC 9773)
//	renew      the old one is served until the new one is there
//	watch      little time left, or none to be had: people are told, once
//	drop       its host left the table; the files stay
//
// What fails is tried again, after a minute at first and six hours at most.
// Wildcard hosts can have own certificates only: they take DNS-01, which would
// need credentials for the domain's DNS.
package certs
