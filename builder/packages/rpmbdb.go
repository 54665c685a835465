package packages

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// Berkeley DB's hash files (its dbinc/db_page.h) consist of pages of one size. The
// first says which; each has a head of 26 bytes with its type. Pages of type hash
// have offsets of entries, a key and a value in turn. A value that is too long for
// a page is an entry that names the first of a chain of overflow pages.
const (
	bdbMagic = 0x061561
	bdbHead  = 26

	bdbHashUnsorted, bdbOverflow, bdbMeta, bdbHash = 2, 7, 8, 13 // types of pages

	bdbInline, bdbOffPage = 1, 3 // types of entries
)

// bdbFile is an open file of which the first page was read.
type bdbFile struct {
	*os.File
	order binary.ByteOrder // of the machine that wrote it
	page  int64            // size
	last  int64            // number of the last page
	left  budget
}

// rpmBDB reads Packages of rpm before 4.16: package headers by number.
func rpmBDB(ctx context.Context, file *os.File, each func([]byte) error) error {
	f := &bdbFile{File: file, left: maxRPM}
	if err := f.meta(); err != nil {
		return err
	}
	for number := int64(1); number <= f.last; number++ {
		page, err := piece(f, number*f.page, f.page)
		if err != nil {
			return err
		}
		if kind := page[25]; kind != bdbHash && kind != bdbHashUnsorted {
			continue
		}
		if err := f.values(page, each); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// meta reads the first page.
func (f *bdbFile) meta() error {
	meta, err := piece(f, 0, 72)
	if err != nil {
		return err
	}
	switch {
	case binary.LittleEndian.Uint32(meta[12:]) == bdbMagic:
		f.order = binary.LittleEndian
	case binary.BigEndian.Uint32(meta[12:]) == bdbMagic:
		f.order = binary.BigEndian
	default:
		return errors.New("it is no hash of Berkeley DB")
	}
	f.page, f.last = int64(f.order.Uint32(meta[20:])), int64(f.order.Uint32(meta[32:]))
	if meta[24] != 0 || meta[25] != bdbMeta || f.page < 512 || f.page > 64<<10 || f.page&(f.page-1) != 0 {
		return fmt.Errorf("its first page of %d bytes is wrong", f.page)
	}
	return nil
}

// values gives the values of a page of entries to each. The first entry of all,
// under number 0, is a counter.
func (f *bdbFile) values(page []byte, each func([]byte) error) error {
	entries := int(f.order.Uint16(page[20:]))
	if bdbHead+2*entries > len(page) {
		return errors.New("a page has more entries than fit")
	}
	at := func(entry int) int { return int(f.order.Uint16(page[bdbHead+2*entry:])) }
	for entry := 1; entry < entries; entry += 2 {
		from, to := at(entry), at(entry-1) // they are laid down from the page's end
		if from >= to || to > len(page) {
			return errors.New("an entry lies beyond its page")
		}
		value := page[from:to]
		switch {
		case value[0] == bdbOffPage && len(value) >= 12:
			chain, err := f.chain(int64(f.order.Uint32(value[4:])), int64(f.order.Uint32(value[8:])))
			if err != nil {
				return err
			}
			value = chain
		case value[0] == bdbInline && len(value) > 5:
			// Entries may lie over one another, and have more in all than the page.
			if err := f.left.take(int64(len(value))); err != nil {
				return err
			}
			value = value[1:]
		default:
			continue
		}
		if err := each(value); err != nil {
			return err
		}
	}
	return nil
}

// chain puts the pages of a long value together. What counts is what is read: a page
// that names itself as the next may add one byte each time.
func (f *bdbFile) chain(number, length int64) ([]byte, error) {
	if length > maxRPM {
		return nil, fmt.Errorf("a header has more than %d MB", maxRPM>>20)
	}
	var value []byte
	for int64(len(value)) < length {
		if err := f.left.take(f.page); err != nil {
			return nil, err
		}
		page, err := piece(f, number*f.page, f.page)
		if err != nil {
			return nil, err
		}
		n := min(int64(f.order.Uint16(page[22:])), f.page-bdbHead)
		if number == 0 || page[25] != bdbOverflow || n == 0 {
			return nil, errors.New("a long value breaks off")
		}
		value = append(value, page[bdbHead:bdbHead+n]...)
		number = int64(f.order.Uint32(page[16:]))
	}
	return value[:length], nil
}
