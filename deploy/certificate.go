package deploy

import "time"

// Certificate is what is known of the TLS certificate that production shows
// for a host. The zero Certificate: TLS is not served for it, and nobody is asked to.
type Certificate struct {
	Host string
	App  AppName
	// Own: somebody else renews the files; else an ACME authority is asked.
	Own    bool
	Issuer string // who signed it; "" while there is none
	// NotBefore and NotAfter are the ends of its life; zero while there is none.
	NotBefore, NotAfter time.Time
	// Error is why it could not be had, renewed or read the last time; "" when it could.
	Error string
	// Since is when that failed first, of tries in a row, and Next when it is
	// tried again. Zero when nothing failed.
	Since, Next time.Time
	// Asking: an authority is being asked at the moment.
	Asking bool
}

// Has tells whether there is a certificate, valid or not.
func (c Certificate) Has() bool { return !c.NotAfter.IsZero() }

// ValidAt tells whether clients take it at the time.
func (c Certificate) ValidAt(t time.Time) bool {
	return c.Has() && !t.Before(c.NotBefore) && t.Before(c.NotAfter)
}

// Scarce tells whether so little of its life is left that a person should
// know: two weeks, or less for one that lives shortly. One that an authority
// renews has been due for longer than that.
func (c Certificate) Scarce(t time.Time) bool {
	if !c.Has() {
		return false
	}
	part := time.Duration(6)
	if c.Own {
		part = 3
	}
	return c.NotAfter.Sub(t) <= min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/part)
}

// Text says it in one line, for lists.
func (c Certificate) Text(now time.Time) string {
	until := c.NotAfter.UTC().Format("2 Jan 2006 15:04 MST")
	why := ""
	if c.Error != "" {
		why = ": " + Clean(c.Error, 300)
	}
	whose := "certificate"
	if c.Own {
		whose = "own certificate"
	}
	switch {
	case c == Certificate{}:
		return ""
	case c.Has() && !now.Before(c.NotAfter):
		return whose + " expired " + until + why
	case c.Has() && (c.Error != "" || c.Scarce(now)):
		return whose + " valid until " + until + " only, not renewed yet" + why
	case c.Has():
		return whose + " valid until " + until
	case c.Error != "":
		return "no certificate" + why
	default:
		return "certificate is being asked for"
	}
}
