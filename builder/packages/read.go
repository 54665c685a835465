package packages

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/docker/docker/client"

	"teal/deploy"
)

const (
	statusFile  = "/var/lib/dpkg/status"
	statusDir   = "/var/lib/dpkg/status.d"
	maxDatabase = 64 << 20
	maxSmall    = 64 << 10
)

// apkFiles: since version 3 apk keeps its database below /usr.
var apkFiles = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// Reader reads package lists out of images.
type Reader struct {
	Engine    *client.Client
	Namespace string // label of the containers that are made for it
}

// Read lists what the image holds. Nothing of it is run. The error is the
// Engine's; what can't be told of the image stands in Inventory.Unknown.
func (r Reader) Read(ctx context.Context, image string) (_ deploy.Inventory, err error) {
	b, err := open(ctx, r.Engine, r.Namespace, image)
	if err != nil {
		return deploy.Inventory{}, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	var list deploy.Inventory
	switch err := b.system(ctx, &list); {
	case errors.Is(err, ErrTooLarge):
		list.Unknown = append(list.Unknown, deploy.Clean(err.Error(), 200))
	case err != nil:
		return deploy.Inventory{}, err
	}
	beside := func(read func(context.Context, []deploy.Package) ([]deploy.Package, error)) func(context.Context) ([]deploy.Package, error) {
		return func(ctx context.Context) ([]deploy.Package, error) { return read(ctx, list.Packages) }
	}
	for _, read := range []func(context.Context) ([]deploy.Package, error){
		b.debian, b.alpine, b.rpm, beside(b.runtimes),
		b.programs, b.npm, beside(b.python), beside(b.gems), b.composer, beside(b.jars),
	} {
		found, err := read(ctx)
		list.Packages = append(list.Packages, found...)
		switch {
		case ctx.Err() != nil:
			return deploy.Inventory{}, context.Cause(ctx)
		case client.IsErrConnectionFailed(err):
			return deploy.Inventory{}, err
		case err != nil:
			list.Unknown = append(list.Unknown, lines(err)...)
		}
	}
	list.Unknown = append(list.Unknown, b.silent(ctx, list)...)
	for i := range list.Packages {
		clean(&list.Packages[i])
	}
	list.Sort()
	if list.System != "" && !list.HasSystem() {
		list.Unknown = append(list.Unknown, list.System+" has no package database that Teal can read")
	}
	return list, nil
}

// lines are those of an error that joins several, not many.
func lines(err error) (all []string) {
	for line := range strings.Lines(err.Error()) {
		if len(all) < 8 {
			all = append(all, deploy.Clean(strings.TrimSpace(line), 200))
		}
	}
	return all
}

// Status gives the image's dpkg database, the files of status.d put together; nil
// when it has none. ErrTooLarge when it has more than is read.
func (r Reader) Status(ctx context.Context, image string) (_ []byte, err error) {
	b, err := open(ctx, r.Engine, r.Namespace, image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	return b.status(ctx)
}

// File gives a small file of the image; fs.ErrNotExist when there is none,
// ErrTooLarge when it is none that is small.
func (r Reader) File(ctx context.Context, image, name string) (_ []byte, err error) {
	b, err := open(ctx, r.Engine, r.Namespace, image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	return b.read(ctx, name, maxSmall)
}

// clean takes out what no package manager puts there: the image may be hostile,
// and its words come to terminals and pages.
func clean(p *deploy.Package) {
	p.Name, p.Version, p.Arch = deploy.Clean(p.Name, 200), deploy.Clean(p.Version, 200), deploy.Clean(p.Arch, 40)
	p.Source, p.SourceVersion = deploy.Clean(p.Source, 200), deploy.Clean(p.SourceVersion, 200)
}

// system says what the image is.
func (b *box) system(ctx context.Context, list *deploy.Inventory) error {
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		text, err := b.read(ctx, name, maxSmall)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		fields := OSRelease(text)
		list.System, list.Distro, list.Codename = fields["PRETTY_NAME"], fields["ID"], fields["VERSION_CODENAME"]
		list.Edition = fields["VERSION_ID"]
		return nil
	}
	return nil
}

func (b *box) debian(ctx context.Context) ([]deploy.Package, error) {
	status, err := b.status(ctx)
	return dpkg(status), err
}

func (b *box) status(ctx context.Context) ([]byte, error) {
	status, err := b.read(ctx, statusFile, maxDatabase)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = b.walk(ctx, statusDir, maxDatabase, func(name string, in io.Reader) error {
		if strings.HasSuffix(name, ".md5sums") {
			return nil
		}
		text, err := io.ReadAll(in)
		status = append(append(append(status, '\n'), text...), '\n')
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return status, err
}

func (b *box) alpine(ctx context.Context) ([]deploy.Package, error) {
	for _, name := range apkFiles {
		text, err := b.read(ctx, name, maxDatabase)
		if !errors.Is(err, fs.ErrNotExist) {
			return apk(text), err
		}
	}
	return nil, nil
}
