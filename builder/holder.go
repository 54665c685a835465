package builder

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/stdcopy"
)

// Where Teal itself may not write control groups (its systemd unit is no root
// user, its container sees them read-only) a container does it that runs nothing
// but "teal hold-builds": Teal's own program alone in an image, the host's control
// groups bound to it, no network, no capabilities. It holds builds as long as its
// standard input is open, so it ends with the build, and with Teal.

const (
	holderImage  = "hold" // below stackPrefix; the tag says which program
	holderGroups = "/groups"
	holderStart  = 30 * time.Second // until it says that builds are held
	heldWord     = "held"
)

// outOfReach tells whether a failure to write control groups is one of Teal's
// own place, which a container does not have.
func outOfReach(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrNotExist)
}

// HoldBuilds is what that container runs: it holds builds until in ends. Its first
// line on out is "held", or what keeps builds from being held; further lines are
// trouble.
func HoldBuilds(ctx context.Context, h Hold, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the input, which is the process's own
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	begun, ended := make(chan error, 1), make(chan error, 1)
	go func() { ended <- h.group().hold(ctx, room{h.Free, h.Most}, begun) }()
	first := heldWord
	if err := <-begun; err != nil {
		first = oneLine(err)
	}
	_, said := fmt.Fprintln(out, first)
	if err := <-ended; err != nil && oneLine(err) != first {
		fmt.Fprintln(out, oneLine(err))
	}
	return said
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// Hold says how builds are held; it travels as arguments.
type Hold struct {
	Root    string // where the host's control groups are
	Unified bool   // cgroup v2
	Systemd bool   // see buildGroup
	Free    int64  // bytes that builds may take more than they have
	Most    int64  // bytes that they may have in all; 0: that is not bounded

	Patience time.Duration // see hunger
}

func (h Hold) group() buildGroup {
	return buildGroup{root: h.Root, unified: h.Unified, systemd: h.Systemd, patience: h.Patience}
}

// Args are the command line of the container.
func (h Hold) Args() []string {
	args := []string{"hold-builds", "--root=" + h.Root, fmt.Sprintf("--free=%d", h.Free), fmt.Sprintf("--most=%d", h.Most), "--patience=" + h.Patience.String()}
	if h.Unified {
		args = append(args, "--unified")
	}
	if h.Systemd {
		args = append(args, "--systemd")
	}
	return args
}

// holder is the container that holds builds.
type holder struct {
	stack *Stack
	id    string
	conn  types.HijackedResponse
	said  *bufio.Reader
}

// openHolder has a container hold builds. trouble is what it could not do; it
// holds them in all other ways then.
func (b *Builder) openHolder(ctx context.Context, h Hold) (_ *holder, trouble, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, holderStart, fmt.Errorf("it did not begin within %s", holderStart))
	defer cancel()
	name, err := b.holderImage(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("make its image: %w", err)
	}
	ticket, pids := rand.Text()[:10], int64(64)
	engine := b.config.Engine
	made, err := engine.ContainerCreate(ctx, &container.Config{
		Image: name, User: "0", Cmd: h.Args(), NetworkDisabled: true, OpenStdin: true, StdinOnce: true,
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Labels: map[string]string{labelNamespace: b.config.Namespace, "teal.once": ticket},
	}, &container.HostConfig{
		AutoRemove: true, ReadonlyRootfs: true, NetworkMode: "none", CapDrop: []string{"ALL"},
		// Root of the host, under SELinux and userns-remap too: the groups are root's.
		SecurityOpt: []string{"no-new-privileges", "label=disable"}, UsernsMode: "host", CgroupnsMode: "host", PidMode: pidMode(h),
		Binds:     []string{cgroupRoot + ":" + holderGroups},
		Resources: container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20, PidsLimit: &pids},
	}, nil, nil, "teal-"+b.config.Namespace+"-hold-"+ticket)
	if err != nil {
		return nil, nil, engineError(ctx, engine, err)
	}
	c := &holder{stack: b.stack, id: made.ID}
	if trouble, err = c.begin(ctx); err != nil {
		return nil, nil, errors.Join(err, c.close(ctx))
	}
	return c, trouble, nil
}

// begin starts the container and waits for its first line.
func (c *holder) begin(ctx context.Context) (trouble, err error) {
	engine := c.stack.engine
	c.conn, err = engine.ContainerAttach(ctx, c.id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, engineError(ctx, engine, err)
	}
	r, w := io.Pipe()
	c.said = bufio.NewReader(io.LimitReader(r, 64<<10))
	go func() { // ends when the container does, or close closes the connection
		_, err := stdcopy.StdCopy(w, w, c.conn.Reader)
		_ = w.CloseWithError(err)
	}()
	if err := engine.ContainerStart(ctx, c.id, container.StartOptions{}); err != nil {
		return nil, engineError(ctx, engine, err)
	}
	defer context.AfterFunc(ctx, c.conn.Close)()
	line, err := c.said.ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("it ended at once: %s", strings.TrimSpace(line))
	case strings.TrimSpace(line) != heldWord:
		return errors.New(strings.TrimSpace(line)), nil
	}
	return nil, nil
}

// end lets go of builds, and gives the trouble that there was.
func (c *holder) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, c.conn.Close)()
	_ = c.conn.CloseWrite()
	rest, _ := io.ReadAll(c.said)
	err := c.close(ctx)
	if text := strings.TrimSpace(string(rest)); text != "" {
		err = errors.Join(errors.New(text), err)
	}
	return err
}

// pidMode: processes of builds are seen under the host's numbers, where they
// are moved by them.
func pidMode(h Hold) container.PidMode {
	if h.group().aside("cpu") == "" {
		return ""
	}
	return "host"
}

func (c *holder) close(ctx context.Context) error {
	if c.conn.Conn != nil {
		c.conn.Close()
	}
	return c.stack.removeContainer(ctx, c.id, "the container that holds builds")
}

// holderImage makes the image of Teal's own program when it is not there, and
// removes those of earlier ones.
func (b *Builder) holderImage(ctx context.Context) (string, error) {
	b.holding.Lock()
	defer b.holding.Unlock()
	program, err := os.Open(b.config.program)
	if err != nil {
		return "", err
	}
	defer program.Close()
	if b.programHash == "" {
		sum := sha256.New()
		if _, err := io.Copy(sum, program); err != nil {
			return "", err
		}
		b.programHash = hex.EncodeToString(sum.Sum(nil))[:12]
	}
	name := stackPrefix + holderImage + ":" + b.programHash
	_, err = b.config.Engine.ImageInspect(ctx, name)
	if !errdefs.IsNotFound(err) {
		return name, err
	}
	info, err := program.Stat()
	if err != nil {
		return "", err
	}
	changes := []string{`ENTRYPOINT ["/teal"]`, "LABEL " + labelStack + "=" + holderImage}
	err = b.stack.importTar(ctx, name, changes, func(w io.Writer) error {
		if _, err := program.Seek(0, io.SeekStart); err != nil {
			return err
		}
		out := tar.NewWriter(w)
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "teal", Mode: 0o755, Size: info.Size(), ModTime: goTime}); err != nil {
			return err
		}
		if _, err := io.Copy(out, program); err != nil {
			return err
		}
		return out.Close()
	})
	if err == nil {
		b.pruneHolders(ctx, name)
	}
	return name, err
}

// pruneHolders removes the images of earlier programs; one that is in use stays.
func (b *Builder) pruneHolders(ctx context.Context, current string) {
	images, err := b.config.Engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+holderImage))})
	if err != nil {
		b.config.Log.Warn("cannot look for images of earlier programs", "error", err)
		return
	}
	for _, i := range images {
		if !slices.Contains(i.RepoTags, current) {
			for _, name := range i.RepoTags {
				b.stack.discard(ctx, name)
			}
		}
	}
}
