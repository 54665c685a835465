package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"
)

const (
	dpkgStatus    = "var/lib/dpkg/status"
	maxDpkgStatus = 64 << 20
)

// dpkgList reads dpkg's database and gives one sorted line for each installed
// package: name, architecture, version. Equal lists mean that nothing was
// patched, whatever the address of the image says.
func dpkgList(status []byte) string {
	var lines []string
	for _, paragraph := range strings.Split(string(status), "\n\n") {
		fields := map[string]string{}
		for _, line := range strings.Split(paragraph, "\n") {
			if key, value, ok := strings.Cut(line, ": "); ok && key != "" && key[0] != ' ' {
				fields[key] = value
			}
		}
		if fields["Package"] != "" && strings.HasSuffix(fields["Status"], " installed") {
			lines = append(lines, fields["Package"]+" "+fields["Architecture"]+" "+fields["Version"]+"\n")
		}
	}
	sort.Strings(lines)
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
