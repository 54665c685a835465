package packages

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// maxProgram is the largest program that is looked into.
const maxProgram = 200 << 20

// interpreters are programs of a hundred megabytes that are not the app's.
var interpreters = []string{"node", "bun", "deno", "java", "go", "cargo"}

// programs lists what the programs of the image's command consist of, where those
// are of Go or Rust: the command may start with another that only passes it on, as
// tini does.
func (b *box) programs(ctx context.Context) (all []deploy.Package, err error) {
	var seen []string
	for _, word := range b.words() {
		if slices.Contains(interpreters, path.Base(word)) {
			continue
		}
		name := b.lookup(ctx, word)
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		found, e := b.program(ctx, name)
		all, err = append(all, found...), errors.Join(err, e)
	}
	return all, err
}

// lookup finds the file that a word of the command means: a path, or else a name
// that is looked up in PATH. "" when it is none.
func (b *box) lookup(ctx context.Context, word string) string {
	if strings.Contains(word, "/") {
		return b.within(word)
	}
	if !programName.MatchString(word) || interpreted.MatchString(word) {
		return ""
	}
	dirs := b.variable("PATH")
	if dirs == "" { // what the Engine sets
		dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	for i, dir := range strings.Split(dirs, ":") {
		if i == maxWords {
			break
		}
		if name := path.Join(b.within(dir), word); b.exists(ctx, name) {
			return name
		}
	}
	return ""
}

// programName matches what a program in PATH may be called.
var programName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// program lists the modules or crates of one program; nothing when it is neither
// of Go nor of Rust.
func (b *box) program(ctx context.Context, name string) ([]deploy.Package, error) {
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
	var magic [len(elf.ELFMAG)]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil || string(magic[:]) != elf.ELFMAG {
		return nil, nil
	}
	if stat.Size > maxProgram {
		return nil, tooLarge(name, stat.Size, maxProgram)
	}
	file, err := keep(io.MultiReader(bytes.NewReader(magic[:]), in))
	if err != nil {
		return nil, err
	}
	defer file.drop()
	if modules := goModules(file); modules != nil {
		return modules, nil
	}
	return crates(file, name)
}

// goModules lists what a program of Go was made of; nil when it is none. The list
// is in the program itself, whatever flags it was linked with.
func goModules(program io.ReaderAt) []deploy.Package {
	info, err := buildinfo.Read(program)
	if err != nil {
		return nil
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
	return all
}
