package store

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"teal/deploy"
)

// Names of RFC 1035, section 2.3.1, and RFC 1123, section 2.1; the last label is
// not all digits, so that an IP address is no host.
var (
	hostPattern = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	allDigits   = regexp.MustCompile(`(^|\.)[0-9]+$`)
)

// AddDomain gives the app a host to serve: a lower case DNS name, which may
// begin with "*.". ErrExists when any app has it, ErrBadName, ErrNotFound.
func (db *DB) AddDomain(ctx context.Context, app deploy.AppName, host string) error {
	return db.write(ctx, durable, func(t tx) error { return t.addDomain(app, host) })
}

func (t tx) addDomain(app deploy.AppName, host string) error {
	if err := checkHost(host); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO domains (host, app) VALUES (?, ?)`, host, app)
	switch {
	case taken(err):
		// Whose it is stays unsaid: names of apps do not leak.
		return fmt.Errorf("domain %s: %w on this server", host, deploy.ErrExists)
	case dangling(err):
		return noApp(app)
	}
	return err
}

// RemoveDomain takes a host from the app; ErrNotFound when it does not have it.
func (db *DB) RemoveDomain(ctx context.Context, app deploy.AppName, host string) error {
	return db.write(ctx, durable, func(t tx) error {
		n, err := t.exec(`DELETE FROM domains WHERE host = ? AND app = ?`, host, app)
		if err == nil && n == 0 {
			return fmt.Errorf("domain %s of app %s: %w", deploy.Clean(host, 80), app, deploy.ErrNotFound)
		}
		return err
	})
}

func checkHost(host string) error {
	if len(host) > 253 || strings.HasPrefix(host, "*") && !strings.HasPrefix(host, "*.") ||
		!hostPattern.MatchString(host) || allDigits.MatchString(host) {
		return fmt.Errorf("%w: %q is not a domain: use a lower case DNS name such as shop.example.com, or *.example.com for all names below it", deploy.ErrBadName, deploy.Clean(host, 80))
	}
	return nil
}
