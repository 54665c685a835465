package gitserver

import (
	"fmt"
	"io"

	gitref "github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// agent is how this server calls itself, to git and to SSH clients.
const agent = "teal"

// advertise tells the client the refs and what this server can do. no-thin is
// not among it: index-pack completes thin packs.
func advertise(w io.Writer, r refs) error {
	adv := packp.NewAdvRefs()
	for _, c := range []struct{ name, value string }{
		{"report-status", ""},
		{"side-band-64k", ""},
		{"push-options", ""},
		{"atomic", ""},
		{"delete-refs", ""},
		{"quiet", ""},
		{"ofs-delta", ""},
		{"object-format", "sha1"},
		{"agent", agent},
	} {
		var values []string
		if c.value != "" {
			values = []string{c.value}
		}
		if err := adv.Capabilities.Add(capability.Capability(c.name), values...); err != nil {
			return fmt.Errorf("cannot advertise %s: %w", c.name, err)
		}
	}
	for name, hash := range r.heads {
		adv.References[name] = gitref.NewHash(hash)
	}
	for _, hash := range r.shallows {
		adv.Shallows = append(adv.Shallows, gitref.NewHash(hash))
	}
	return adv.Encode(w)
}
