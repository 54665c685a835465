package builder

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
)

// systemBundles are where distributions keep the bundle of certificate
// authorities (crypto/x509, root_linux.go).
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// httpClient trusts whom builds trust. Requests need a deadline of their own.
func httpClient(caFile string) (*http.Client, error) {
	if caFile == "" {
		return http.DefaultClient, nil
	}
	bundle, err := caBundle(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("%s has no certificate in it", caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	transport.DisableKeepAlives = true // it is made for one request
	return &http.Client{Transport: transport}, nil
}

// caBundle gives the host's certificate authorities and, after them, those of
// caFile (the company's own, behind an intercepting proxy).
func caBundle(caFile string) ([]byte, error) {
	var bundle []byte
	for _, name := range systemBundles {
		data, err := os.ReadFile(name)
		if err == nil {
			bundle = data
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the certificate authorities: %w", err)
		}
	}
	if caFile != "" {
		extra, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read the extra certificate authorities: %w", err)
		}
		if !bytes.Contains(bundle, bytes.TrimSpace(extra)) {
			bundle = append(append(bundle, '\n'), extra...)
		}
	}
	if len(bundle) == 0 {
		return nil, errors.New("no certificate authorities on this host: install ca-certificates, or name a file with them")
	}
	return bundle, nil
}
