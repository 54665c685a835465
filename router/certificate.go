package router

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// reloadEvery is how often the files of an own certificate are looked at.
const reloadEvery = 10 * time.Second

// OwnCertificate gives the TLS configuration for a certificate (with its
// chain) and key in PEM files. When the files change, new connections get the
// new certificate; when the new ones can't be read, the old one stays.
func OwnCertificate(certFile, keyFile string) (*tls.Config, error) {
	o := &ownCertificate{certFile: certFile, keyFile: keyFile}
	if err := o.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: o.get}, nil
}

type ownCertificate struct {
	certFile, keyFile string

	mu      sync.Mutex // guards what follows; taken once per handshake
	current *tls.Certificate
	changed time.Time
	looked  time.Time
}

func (o *ownCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.looked) > reloadEvery {
		o.looked = time.Now()
		if info, err := os.Stat(o.certFile); err == nil && !info.ModTime().Equal(o.changed) {
			o.load()
		}
	}
	return o.current, nil
}

func (o *ownCertificate) load() error {
	info, err := os.Stat(o.certFile)
	if err != nil {
		return fmt.Errorf("cannot read certificate: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
	if err != nil {
		return fmt.Errorf("cannot use certificate %s with key %s: %w", o.certFile, o.keyFile, err)
	}
	o.current, o.changed = &cert, info.ModTime()
	return nil
}
