package packages

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
)

// The layout of Packages.db (rpm, lib/backend/ndb/rpmpkg.c); numbers are of 32
// bits, little endian. A head of 32 bytes: "RpmP", version, generation, pages of
// slots, next package. The rest of those pages are slots of 16 bytes: "Slot",
// package (0: free), block, blocks. At the block a head of 16 bytes: "BlbS",
// package, generation, length; then the package's header.
const (
	ndbPage  = 4096
	ndbBlock = 16
)

// rpmNDB reads rpm's database of its own.
func rpmNDB(ctx context.Context, file *os.File, each func([]byte) error) error {
	head, err := piece(file, 0, 2*ndbBlock)
	if err != nil {
		return err
	}
	number := binary.LittleEndian.Uint32
	if string(head[:4]) != "RpmP" || number(head[4:]) != 0 {
		return errors.New("it is none, or one of an unknown version")
	}
	left, pages := budget(maxRPM), int64(number(head[12:]))
	for page := range pages {
		slots, err := piece(file, page*ndbPage, ndbPage)
		if err != nil {
			return err
		}
		if page == 0 {
			slots = slots[len(head):]
		}
		for ; len(slots) > 0; slots = slots[ndbBlock:] {
			if string(slots[:4]) != "Slot" {
				return errors.New("a slot is none")
			}
			if number(slots[4:]) == 0 {
				continue
			}
			header, err := ndbBlob(file, int64(number(slots[8:]))*ndbBlock, number(slots[4:]), &left)
			if err != nil {
				return err
			}
			if err := errors.Join(ctx.Err(), each(header)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ndbBlob reads the header of a package at its block.
func ndbBlob(file *os.File, at int64, owner uint32, left *budget) ([]byte, error) {
	head, err := piece(file, at, ndbBlock)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) != "BlbS" || binary.LittleEndian.Uint32(head[4:]) != owner {
		return nil, errors.New("a slot leads to no package")
	}
	length := int64(binary.LittleEndian.Uint32(head[12:]))
	if err := left.take(length); err != nil {
		return nil, err
	}
	return piece(file, at+ndbBlock, length)
}
