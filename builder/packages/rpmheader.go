package packages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"teal/deploy"
)

// The tags of a header that are read, and its types of values (rpm's "Package
// Header Format").
const (
	rpmName, rpmVersion, rpmRelease, rpmEpoch, rpmArch = 1000, 1001, 1002, 1003, 1022

	rpmInt32, rpmString = 4, 6
)

var errRPM = errors.New("a package header is broken")

// rpmHeader reads a header as the database keeps it: the number of entries, the
// length of the values, the entries {tag, type, offset, count}, the values; all
// numbers of 32 bits, big endian.
func rpmHeader(b []byte) (deploy.Package, error) {
	if len(b) < 8 {
		return deploy.Package{}, errRPM
	}
	entries, length := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if 8+16*entries+length > int64(len(b)) {
		return deploy.Package{}, errRPM
	}
	values := b[8+16*entries:]
	words := map[uint32]string{}
	for i := range entries {
		e := b[8+16*i:]
		tag, kind, offset := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), int64(binary.BigEndian.Uint32(e[8:]))
		if offset > int64(len(values)) {
			return deploy.Package{}, errRPM
		}
		switch value := values[offset:]; {
		case kind == rpmString:
			text, _, _ := bytes.Cut(value, []byte{0})
			words[tag] = string(text)
		case kind == rpmInt32 && tag == rpmEpoch && len(value) >= 4:
			words[tag] = fmt.Sprint(binary.BigEndian.Uint32(value))
		}
	}
	p := deploy.Package{Kind: deploy.PackageRPM, Name: words[rpmName], Version: words[rpmVersion] + "-" + words[rpmRelease], Arch: words[rpmArch]}
	if epoch := words[rpmEpoch]; epoch != "" {
		p.Version = epoch + ":" + p.Version
	}
	if p.Name == "" {
		return p, errRPM
	}
	return p, nil
}
