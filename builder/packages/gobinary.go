package packages

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"teal/deploy"
)

// maxProgram is the largest program that is looked into.
const maxProgram = 200 << 20

// program is the path of what the image runs; "" when that is a name to be
// looked up, as an interpreter's is.
func (b *box) program() string {
	argv := append(append([]string(nil), b.config.Entrypoint...), b.config.Cmd...)
	if len(argv) == 0 || !strings.Contains(argv[0], "/") {
		return ""
	}
	if path.IsAbs(argv[0]) {
		return path.Clean(argv[0])
	}
	return path.Join("/", b.config.WorkingDir, argv[0])
}

// goProgram lists the modules of the image's program; nothing when it is none
// of Go. The list is in the program itself, whatever flags it was linked with.
func (b *box) goProgram(ctx context.Context) ([]deploy.Package, error) {
	name := b.program()
	if name == "" {
		return nil, nil
	}
	r, stat, err := b.stream(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !stat.Mode.IsRegular() {
		return nil, nil
	}
	in := tar.NewReader(r)
	if _, err := in.Next(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var magic [4]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil || string(magic[:]) != "\x7fELF" {
		return nil, nil
	}
	if stat.Size > maxProgram {
		return nil, fmt.Errorf("%s has %d MB, more than the %d that are looked into", name, stat.Size>>20, maxProgram>>20)
	}
	return goModules(io.MultiReader(bytes.NewReader(magic[:]), in))
}

// goModules reads a program through a temporary file, as debug/buildinfo jumps
// about in it.
func goModules(program io.Reader) ([]deploy.Package, error) {
	file, err := os.CreateTemp("", "teal-program-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}()
	if _, err := io.Copy(file, program); err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(file)
	if err != nil {
		return nil, nil // a program, but none of Go
	}
	version, _, _ := strings.Cut(info.GoVersion, " ")
	all := []deploy.Package{{Kind: deploy.PackageGo, Name: "stdlib", Version: strings.TrimPrefix(version, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != "" {
			all = append(all, deploy.Package{Kind: deploy.PackageGo, Name: m.Path, Version: m.Version})
		}
	}
	return all, nil
}
