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

	maxEntries = 0xffff // rpm's own limit
	maxWord    = 512
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
	if entries > maxEntries || 8+16*entries+length > int64(len(b)) {
		return deploy.Package{}, errRPM
	}
	values := b[8+16*entries:]
	// Nothing is copied before the end: all entries may have the same long value.
	found := map[uint32][]byte{}
	for i := range entries {
		e := b[8+16*i:]
		tag, kind, offset := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), int64(binary.BigEndian.Uint32(e[8:]))
		if offset > int64(len(values)) {
			return deploy.Package{}, errRPM
		}
		switch tag {
		case rpmName, rpmVersion, rpmRelease, rpmArch:
			if kind == rpmString {
				found[tag] = values[offset:]
			}
		case rpmEpoch:
			if kind == rpmInt32 {
				found[tag] = values[offset:]
			}
		}
	}
	word := func(tag uint32) string {
		value := found[tag]
		text, _, _ := bytes.Cut(value[:min(len(value), maxWord)], []byte{0})
		return string(text)
	}
	p := deploy.Package{Kind: deploy.PackageRPM, Name: word(rpmName), Version: word(rpmVersion) + "-" + word(rpmRelease), Arch: word(rpmArch)}
	if epoch := found[rpmEpoch]; len(epoch) >= 4 {
		p.Version = fmt.Sprintf("%d:%s", binary.BigEndian.Uint32(epoch), p.Version)
	}
	if p.Name == "" {
		return p, errRPM
	}
	return p, nil
}
