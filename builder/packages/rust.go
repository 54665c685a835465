package packages

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"

	"teal/deploy"
)

const (
	maxSection = 16 << 20 // of a program that is looked through
	maxCrates  = 8 << 20  // of the list, unpacked
)

// crates lists what a program of Rust was made of; nothing when it is none of Rust.
// Only cargo auditable writes the list into it.
func crates(program io.ReaderAt, name string) ([]deploy.Package, error) {
	file, err := elf.NewFile(program)
	if err != nil {
		return nil, nil // whatever it is, it is not run by Linux
	}
	defer file.Close()
	if list := section(file, ".dep-v0"); len(list) > 0 {
		return auditable(list, name)
	}
	if bytes.Contains(section(file, ".comment"), []byte("rustc version")) || bytes.Contains(section(file, ".rodata"), []byte("/rustc/")) {
		return nil, fmt.Errorf("which crates %s was made of: it was not built with cargo auditable, and does not say", name)
	}
	return nil, nil
}

// section gives the bytes of a section, not more than are looked through.
func section(file *elf.File, name string) []byte {
	s := file.Section(name)
	if s == nil || s.Type == elf.SHT_NOBITS {
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(s.Open(), maxSection))
	return b
}

// auditable reads the list: JSON, packed by zlib. What was only needed for
// building it is no part of the program.
func auditable(list []byte, name string) ([]deploy.Package, error) {
	unpacked, err := zlib.NewReader(bytes.NewReader(list))
	if err != nil {
		return nil, fmt.Errorf("the list of crates in %s makes no sense: %w", name, err)
	}
	var says struct {
		Packages []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
			Root    bool   `json:"root"`
		} `json:"packages"`
	}
	if err := json.NewDecoder(io.LimitReader(unpacked, maxCrates)).Decode(&says); err != nil {
		return nil, fmt.Errorf("the list of crates in %s makes no sense: %w", name, err)
	}
	var all []deploy.Package
	for _, c := range says.Packages {
		if c.Kind != "build" && !c.Root && c.Name != "" && c.Version != "" {
			all = append(all, deploy.Package{Kind: deploy.PackageCargo, Name: c.Name, Version: c.Version})
		}
	}
	return all, nil
}
