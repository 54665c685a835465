package packages

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// box is a container that was made from an image and is never started.
type box struct {
	engine *client.Client
	id     string
	config *container.Config // of the image

	homesFound bool     // whether homesThere was asked for
	homesThere []string // of homes
}

// open makes the box. The label teal.once has a later daemon remove it, should
// this one die.
func open(ctx context.Context, engine *client.Client, namespace, image string) (*box, error) {
	found, err := engine.ImageInspect(ctx, image)
	if err != nil {
		return nil, err
	}
	config := &container.Config{}
	if found.Config != nil {
		config.Env, config.User, config.WorkingDir = found.Config.Env, found.Config.User, found.Config.WorkingDir
		config.Entrypoint, config.Cmd = found.Config.Entrypoint, found.Config.Cmd
	}
	ticket := rand.Text()[:10]
	made, err := engine.ContainerCreate(ctx, &container.Config{
		Image: found.ID, Entrypoint: []string{"/nothing"}, NetworkDisabled: true,
		Labels: map[string]string{"teal.namespace": namespace, "teal.once": ticket},
	}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "teal-"+namespace+"-packages-"+ticket)
	if err != nil {
		return nil, err
	}
	return &box{engine: engine, id: made.ID, config: config}, nil
}

// close removes the box, also when ctx has ended.
func (b *box) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := b.engine.ContainerRemove(ctx, b.id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// maxLinks is how many symbolic links one after the other are followed.
const maxLinks = 5

// stream opens what lies at the path as a tar stream, following symbolic links
// (inside of the image: the Engine resolves them there). fs.ErrNotExist when
// nothing does.
func (b *box) stream(ctx context.Context, name string) (io.ReadCloser, container.PathStat, error) {
	for range maxLinks {
		r, stat, err := b.engine.CopyFromContainer(ctx, b.id, name)
		switch {
		case errdefs.IsNotFound(err), err != nil && noWay(err):
			return nil, stat, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		case err != nil:
			return nil, stat, err
		case stat.Mode&fs.ModeSymlink == 0:
			return r, stat, nil
		}
		_ = r.Close()
		if stat.LinkTarget == "" || stat.LinkTarget == name {
			return nil, stat, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		name = stat.LinkTarget
	}
	return nil, container.PathStat{}, fmt.Errorf("%s: too many symbolic links", name)
}

// noWay tells of a path that leads through a file or round in circles: nothing is
// there, though the Engine calls it an error of its own.
func noWay(err error) bool {
	return strings.Contains(err.Error(), "not a directory") || strings.Contains(err.Error(), "too many links")
}

// file hands a file's bytes to use; fs.ErrNotExist when there is none.
func (b *box) file(ctx context.Context, name string, limit int64, use func(in io.Reader) error) error {
	r, stat, err := b.stream(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if !stat.Mode.IsRegular() {
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if stat.Size > limit {
		return tooLarge(name, stat.Size, limit)
	}
	in := tar.NewReader(r)
	if _, err = in.Next(); err == nil {
		err = use(io.LimitReader(in, limit))
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// read gives a file's bytes, as file does.
func (b *box) read(ctx context.Context, name string, limit int64) (data []byte, err error) {
	err = b.file(ctx, name, limit, func(in io.Reader) (err error) {
		data, err = io.ReadAll(in)
		return err
	})
	return data, err
}

// ErrTooLarge says that a file or a directory of the image has more than is read.
// It is the image's, and not the Engine's.
var ErrTooLarge = errors.New("too large")

func tooLarge(name string, size, limit int64) error {
	return fmt.Errorf("%s has %s, more than the %s that are read: %w", name, bytesText(size), bytesText(limit), ErrTooLarge)
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// walk gives every regular file below a directory to visit, by its path below
// it, until limit bytes of the stream were read (ErrTooLarge).
func (b *box) walk(ctx context.Context, dir string, limit int64, visit func(name string, in io.Reader) error) error {
	r, _, err := b.stream(ctx, dir)
	if err != nil {
		return err
	}
	defer r.Close()
	counted := &counter{r: r, left: limit}
	in := tar.NewReader(counted)
	for {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case counted.left <= 0:
			return fmt.Errorf("%s holds more than the %s that are read: %w", dir, bytesText(limit), ErrTooLarge)
		case err != nil:
			return fmt.Errorf("read %s: %w", dir, err)
		case header.Typeflag != tar.TypeReg:
			continue
		}
		_, name, _ := strings.Cut(path.Clean(header.Name), "/")
		if err := visit(name, in); err != nil {
			return err
		}
	}
}

// counter ends a stream after so many bytes.
type counter struct {
	r    io.Reader
	left int64
}

func (c *counter) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
