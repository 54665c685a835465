package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"time"
)

// own is an own certificate as it was last read.
type own struct {
	Pair
	cert *tls.Certificate
	read stamp
	// err is why what lies there now can't be used; the earlier one is served.
	err error
}

// stamp tells whether one of the two files has changed.
type stamp struct {
	cert, key         time.Time
	certSize, keySize int64
}

// load reads the files if they have changed, and tells whether there is
// something new to serve. What can't be used leaves everything as it was.
func (o *own) load() (news bool) {
	now, err := o.look()
	if err == nil && now == o.read {
		return false
	}
	var cert tls.Certificate
	if err == nil {
		cert, err = tls.LoadX509KeyPair(o.Cert, o.Key)
	}
	if err != nil {
		o.err = fmt.Errorf("cannot use certificate %s with key %s: %w", o.Cert, o.Key, err)
		return false
	}
	o.cert, o.read, o.err = &cert, now, nil
	return true
}

func (o *own) look() (stamp, error) {
	cert, err := os.Stat(o.Cert)
	if err != nil {
		return stamp{}, err
	}
	key, err := os.Stat(o.Key)
	if err != nil {
		return stamp{}, err
	}
	return stamp{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}

// names are those that a certificate is for. One without subject alternative
// names is for nothing that a browser of today accepts, but was set by a
// person: it is served for its common name.
func names(cert *tls.Certificate) []string {
	if len(cert.Leaf.DNSNames) == 0 && cert.Leaf.Subject.CommonName != "" {
		return []string{cert.Leaf.Subject.CommonName}
	}
	return cert.Leaf.DNSNames
}
