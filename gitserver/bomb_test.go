package gitserver

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// deltaBomb is a pack of a few KB whose one delta makes 300 MB: it copies its
// base of 1 MB over and over.
func deltaBomb() []byte {
	base := objectOf(3, make([]byte, 1<<20), -1)
	delta := []byte{0x80, 0x80, 0x40} // size of the base: 1 MiB
	size := uint64(0x0fffff * 300)
	for ; size >= 0x80; size >>= 7 {
		delta = append(delta, byte(size&0x7f|0x80))
	}
	delta = append(delta, byte(size))
	for range 300 {
		delta = append(delta, 0xf0, 0xff, 0xff, 0x0f) // copy 0x0fffff bytes from 0
	}
	bomb := bytes.Clone(objectOf(3, delta, -1).pack)
	bomb[0] = bomb[0]&0x8f | 7<<4 // a delta against an object that is named
	head := 1
	for bomb[head-1]&0x80 != 0 {
		head++
	}
	id, _ := hex.DecodeString(base.id)
	entry := append(append(bytes.Clone(bomb[:head]), id...), bomb[head:]...)
	return packOf(2, base.pack, entry)
}

// explodingTree is a commit of a dozen objects with 10^10 paths, and its pack.
func explodingTree() (tip string, pack []byte) {
	tree := objectOf(3, []byte("x"), -1)
	objects := [][]byte{tree.pack}
	for level := range 10 {
		mode := "40000"
		if level == 0 {
			mode = "100644"
		}
		var entries []any
		for i := range 10 {
			entries = append(entries, fmt.Sprintf("%s d%d", mode, i), tree.id)
		}
		tree = treeOf(entries...)
		objects = append(objects, tree.pack)
	}
	commit := commitOf(tree.id)
	objects = append(objects, commit.pack)
	return commit.id, packOf(uint32(len(objects)), objects...)
}

// longPaths is a commit of 100,000 files below 20 directories with long names.
func longPaths() (tip string, pack []byte) {
	blob := objectOf(3, []byte("x"), -1)
	objects := [][]byte{blob.pack}
	var entries []any
	for i := range 100_000 {
		entries = append(entries, fmt.Sprintf("100644 f%06d", i), blob.id)
	}
	tree := treeOf(entries...)
	for range 20 {
		objects = append(objects, tree.pack)
		tree = treeOf("40000 "+strings.Repeat("d", 198), tree.id)
	}
	commit := commitOf(tree.id)
	objects = append(objects, tree.pack, commit.pack)
	return commit.id, packOf(uint32(len(objects)), objects...)
}

// giantName is a commit of one file whose name has that many bytes.
func giantName(n int) (tip string, pack []byte) {
	blob := objectOf(3, []byte("x"), -1)
	tree := treeOf("100644 "+strings.Repeat("n", n), blob.id)
	commit := commitOf(tree.id)
	return commit.id, packOf(3, blob.pack, tree.pack, commit.pack)
}
