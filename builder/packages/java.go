package packages

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"teal/deploy"
)

const (
	maxJar       = 200 << 20
	maxJars      = 768 << 20 // of the stream of an app's directory that is read through
	maxDirectory = 16 << 20  // of what a jar says to hold
	maxInnerJar  = 48 << 20  // which is held in memory
	maxUnpacked  = 512 << 20 // of the jars in one jar
	maxBroken    = 8         // jars that are told of; joined one by one, the text of many takes for ever
)

// jars lists the libraries of Java: in the app's jars, in the jars within those,
// and in the jars beside them.
func (b *box) jars(ctx context.Context, there []deploy.Package) (all []deploy.Package, err error) {
	if !b.speaks("java", there) {
		return nil, nil
	}
	seen, broken := map[string]bool{}, 0
	look := func(name string, in io.Reader) {
		found, e := readJar(name, in)
		all, seen[name] = append(all, found...), true
		if e != nil && broken < maxBroken {
			err = errors.Join(err, e)
			broken++
		}
	}
	for _, home := range b.homes(ctx) {
		e := b.walk(ctx, home, maxJars, func(name string, in io.Reader) error {
			if name = path.Join(home, name); isJar(name) && !seen[name] && len(seen) < maxPackages {
				look(name, in)
			}
			return nil
		})
		err = errors.Join(err, e)
	}
	for _, word := range b.words() {
		name := b.within(word)
		if !isJar(word) || seen[name] {
			continue
		}
		file, e := b.fetch(ctx, name, maxJar)
		switch {
		case e == nil:
			look(name, file)
			file.drop()
		case !errors.Is(e, fs.ErrNotExist):
			err = errors.Join(err, e)
		}
	}
	if len(seen) == 0 && err == nil && b.callsJava() {
		err = errors.New("which libraries of Java the app has: no jar was found where its command works")
	}
	return all, err
}

func (b *box) callsJava() bool {
	for _, word := range b.words() {
		if runtimes["java"].command.MatchString(path.Base(word)) {
			return true
		}
	}
	return false
}

func isJar(name string) bool {
	return strings.HasSuffix(name, ".jar") || strings.HasSuffix(name, ".war")
}

// readJar lists what a jar is and has within.
func readJar(name string, in io.Reader) ([]deploy.Package, error) {
	file, err := keep(io.LimitReader(in, maxJar+1))
	if err != nil {
		return nil, err
	}
	defer file.drop()
	if file.size > maxJar {
		return nil, tooLarge(name, file.size, maxJar)
	}
	left := int64(maxUnpacked)
	all, err := jar(name, file, file.size, &left)
	if err != nil {
		err = fmt.Errorf("what is in %s: %w", name, err)
	}
	return all, err
}

// jar lists what a jar is by the notes that Maven left, or else by its name; and
// what the jars in it are. left is what may be unpacked in all; a jar in a jar has
// none in it (nil).
func jar(name string, file io.ReaderAt, size int64, left *int64) ([]deploy.Package, error) {
	limited := &limitedAt{ReaderAt: file, left: maxDirectory}
	index, err := zip.NewReader(limited, size)
	if err != nil {
		return nil, err
	}
	limited.left = size + maxDirectory
	var own, inner []deploy.Package
	broken := 0
	for _, entry := range index.File {
		switch {
		case strings.HasPrefix(entry.Name, "META-INF/maven/") && path.Base(entry.Name) == "pom.properties" && len(own) < maxPackages:
			if p, ok := pomProperties(entry); ok {
				own = append(own, p)
			}
		case isJar(entry.Name) && left != nil && len(inner) < maxPackages:
			found, e := innerJar(entry, left)
			inner = append(inner, found...)
			if e != nil && broken < maxBroken {
				err = errors.Join(err, e)
				broken++
			}
		}
	}
	if named := jarName.FindStringSubmatch(path.Base(name)); len(own) == 0 && named != nil {
		own = []deploy.Package{{Kind: deploy.PackageMaven, Name: named[1], Version: named[2]}}
	}
	return append(own, inner...), err
}

// jarName matches "spring-core-6.1.14.jar".
var jarName = regexp.MustCompile(`^(.+?)-(\d[0-9A-Za-z.+_-]*)\.[jw]ar$`)

// innerJar unpacks a jar in a jar. What can't be read is listed by its name.
func innerJar(entry *zip.File, left *int64) ([]deploy.Package, error) {
	byName := func(why error) ([]deploy.Package, error) {
		if named := jarName.FindStringSubmatch(path.Base(entry.Name)); named != nil {
			return []deploy.Package{{Kind: deploy.PackageMaven, Name: named[1], Version: named[2]}}, nil
		}
		return nil, fmt.Errorf("%s: %w", entry.Name, why)
	}
	r, err := entry.Open()
	if err != nil {
		return byName(err)
	}
	defer r.Close()
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(r, min(maxInnerJar, *left)+1))
	*left -= n
	switch {
	case err != nil:
		return byName(err)
	case n > maxInnerJar || *left < 0:
		return byName(ErrTooLarge)
	}
	found, err := jar(entry.Name, bytes.NewReader(data.Bytes()), n, nil)
	if err != nil {
		return byName(err)
	}
	return found, nil
}

// pomProperties reads what Maven notes of the coordinates of a library.
func pomProperties(entry *zip.File) (deploy.Package, bool) {
	r, err := entry.Open()
	if err != nil {
		return deploy.Package{}, false
	}
	defer r.Close()
	says := map[string]string{}
	for lines := bufio.NewScanner(io.LimitReader(r, maxSmall)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		says[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	p := deploy.Package{Kind: deploy.PackageMaven, Name: says["groupId"] + ":" + says["artifactId"], Version: says["version"]}
	return p, says["groupId"] != "" && says["artifactId"] != "" && p.Version != ""
}

// limitedAt ends after so many bytes were read in all: a jar's own count of what it
// holds can't be trusted.
type limitedAt struct {
	io.ReaderAt
	left int64
}

func (l *limitedAt) ReadAt(p []byte, at int64) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, ErrTooLarge
	}
	return l.ReaderAt.ReadAt(p, at)
}
