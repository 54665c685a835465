package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"teal/builder/packages"
)

const (
	dpkgStatus    = "var/lib/dpkg/status"
	maxDpkgStatus = 64 << 20
)

// dpkgList gives one sorted line for each package that dpkg's database says is
// installed: name, architecture, version. Equal lists mean that nothing was
// patched, whatever the address of the image says.
func dpkgList(status []byte) string {
	var lines []string
	for _, p := range packages.Dpkg(status) {
		lines = append(lines, p.Name+" "+p.Arch+" "+p.Version+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// hashOf is one value for several parts.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}
