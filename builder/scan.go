package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"teal/deploy"
)

const (
	scanLimit     = 10 * time.Minute // of one scan, over all images
	simulateLimit = 2 * time.Minute  // of that, for one image
	scanMemory    = 1 << 30
	scanOutput    = 16 << 20
	scanProcess   = 100
)

// scanned is the package database of one image.
type scanned struct {
	status   []byte // dpkg's
	codename string // "bookworm"
}

// scanResult is what is out of date in it.
type scanResult struct {
	changes []deploy.Change
	foreign []string // packages of which the archives do not have that version, nor a newer one
	unknown string   // why that can't be told
}

// scan asks apt, in one container for all, what it would upgrade in images with
// these package databases. It fetches the archives' lists once for each release
// of Debian, and checks their signatures; the images themselves are not touched.
func (s *Stack) scan(ctx context.Context, asked []scanned) ([]scanResult, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, scanLimit, fmt.Errorf("looking for updates took longer than %s", scanLimit))
	defer cancel()
	if err := s.Ensure(ctx, io.Discard, scanImage); err != nil {
		return nil, err
	}
	return s.scanReady(ctx, asked)
}

// scanReady is scan when the scanner's image is there. What was asked a moment
// ago is not asked again: an image and the stack image below it often hold the same.
func (s *Stack) scanReady(ctx context.Context, asked []scanned) ([]scanResult, error) {
	s.forgetScans()
	results := make([]scanResult, len(asked))
	var open []scanned
	var at []int // where their results go
	for i, a := range asked {
		if known, ok := s.remembered(a); ok {
			results[i] = known
		} else {
			open, at = append(open, a), append(at, i)
		}
	}
	if len(open) == 0 {
		return results, nil
	}
	found, err := s.scanNow(ctx, open)
	if err != nil {
		return nil, err
	}
	s.remember(open, found)
	for i, r := range found {
		results[at[i]] = r
	}
	return results, nil
}

// scanFresh is how long the archives' answer counts.
const scanFresh = 10 * time.Minute

// archived is what the archives said of a package database.
type archived struct {
	scanResult
	at time.Time
}

func (a scanned) key() string { return hashOf(a.codename, string(a.status)) }

func (s *Stack) remembered(a scanned) (scanResult, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.archived[a.key()]
	return known.scanResult, ok
}

func (s *Stack) remember(asked []scanned, found []scanResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range asked {
		s.archived[a.key()] = archived{found[i], s.now()}
	}
}

// forgetScans lets go of answers that are no news any more.
func (s *Stack) forgetScans() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.archived, func(_ string, a archived) bool { return s.now().Sub(a.at).Abs() > scanFresh })
}

func (s *Stack) scanNow(ctx context.Context, asked []scanned) (_ []scanResult, err error) {
	c, err := s.openScanner(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	var names []string
	for _, a := range asked {
		if !slices.Contains(names, a.codename) {
			names = append(names, a.codename)
		}
	}
	broken := map[string]string{}
	for _, name := range names {
		if broken[name], err = c.update(ctx, name); err != nil {
			return nil, err
		}
	}
	results := make([]scanResult, len(asked))
	for i, a := range asked {
		if why := broken[a.codename]; why != "" {
			results[i].unknown = why
			continue
		}
		if results[i], err = c.simulate(ctx, i, a); ends(ctx, err) != nil {
			return nil, ends(ctx, err)
		}
		if err != nil { // of one image: the others are looked at
			results[i].unknown = "what is out of date in it: " + deploy.Clean(err.Error(), 200)
		}
	}
	return results, nil
}

// scanner is the container. Its own process is a sleep: when Teal dies the
// container ends with that, and the Engine removes it.
type scanner struct {
	stack *Stack
	id    string
}

func (s *Stack) openScanner(ctx context.Context) (*scanner, error) {
	ticket := rand.Text()[:10]
	pids, yes := int64(scanProcess), true
	made, err := s.engine.ContainerCreate(ctx, &container.Config{
		Image: s.prefix + scanImage, User: "0", Entrypoint: []string{"sleep"}, Cmd: []string{fmt.Sprint(int(scanLimit.Seconds()) + 60)},
		Labels: map[string]string{labelNamespace: s.namespace, "teal.once": ticket},
	}, &container.HostConfig{
		AutoRemove: true, Init: &yes, CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"},
		Resources: container.Resources{Memory: scanMemory, MemorySwap: scanMemory, PidsLimit: &pids, CPUShares: 128},
	}, nil, nil, "teal-"+s.namespace+"-scan-"+ticket)
	if err != nil {
		return nil, fmt.Errorf("make the scanner: %w", engineError(ctx, s.engine, err))
	}
	c := &scanner{stack: s, id: made.ID}
	if err := s.engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return nil, errors.Join(fmt.Errorf("start the scanner: %w", engineError(ctx, s.engine, err)), c.close(ctx))
	}
	return c, nil
}

func (c *scanner) close(ctx context.Context) error {
	return c.stack.removeContainer(ctx, c.id, "the scanner")
}

// removeContainer removes a throw-away container, which may be going by itself.
func (s *Stack) removeContainer(ctx context.Context, id, what string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := s.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	if err == nil || strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return fmt.Errorf("remove %s: %w", what, engineError(ctx, s.engine, err))
}

// aptOptions keep the lists of releases apart.
func aptOptions(codename string) []string {
	return []string{
		"apt-get", "-o", "Dir::Etc::SourceList=/scan/" + codename + "/sources.list", "-o", "Dir::Etc::SourceParts=-",
		"-o", "Dir::State::Lists=/scan/" + codename + "/lists", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		"-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
	}
}

// update fetches the lists of a release; why says that the archives do not have it.
func (c *scanner) update(ctx context.Context, codename string) (why string, err error) {
	sources, err := c.stack.sources(ctx, codename)
	if err != nil {
		return "", err
	}
	if err := c.put(ctx, "scan/"+codename+"/sources.list", []byte(sources)); err != nil {
		return "", err
	}
	if err := c.put(ctx, "scan/"+codename+"/lists/partial/none", nil); err != nil {
		return "", err
	}
	_, said, code, err := c.run(ctx, append(aptOptions(codename), "-qq", "update"))
	if err != nil || code == 0 && !strings.Contains(said, "W: Failed to fetch") {
		return "", err
	}
	return "what Debian " + codename + " has: " + deploy.Clean(lastLine(said), 200), nil
}

// simulate has apt say what it would do. What it has said counts, also when what
// is asked next has no answer.
func (c *scanner) simulate(ctx context.Context, n int, a scanned) (scanResult, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, simulateLimit, fmt.Errorf("apt took longer than %s to think about its packages", simulateLimit))
	defer cancel()
	file := fmt.Sprintf("scan/%d.status", n)
	if err := c.put(ctx, file, a.status); err != nil {
		return scanResult{}, err
	}
	out, said, code, err := c.run(ctx, append(aptOptions(a.codename), "-s", "-o", "Dir::State::status=/"+file, "dist-upgrade"))
	if err != nil {
		return scanResult{}, err
	}
	if code != 0 {
		return scanResult{unknown: "apt makes no sense of its packages: " + deploy.Clean(lastLine(said), 200)}, nil
	}
	found := scanResult{changes: parseInst(out)}
	list := append([]string{"apt"}, aptOptions(a.codename)[1:]...)
	if out, said, code, err = c.run(ctx, append(list, "-o", "Dir::State::status=/"+file, "list", "--installed")); err != nil {
		return found, err
	}
	if code != 0 {
		found.unknown = "which of its packages come from elsewhere: " + deploy.Clean(lastLine(said), 200)
		return found, nil
	}
	found.foreign = parseLocal(out)
	return found, nil
}

// parseLocal reads what apt list says is installed and comes from none of the
// archives, in lines such as
//
//	nodejs/now 20.11.0-1nodesource1 amd64 [installed,local]
func parseLocal(out string) (names []string) {
	for line := range strings.Lines(out) {
		if name, rest, ok := strings.Cut(line, "/"); ok && strings.HasSuffix(strings.TrimSpace(rest), ",local]") {
			names = append(names, name)
		}
	}
	return names
}

func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return lines[len(lines)-1]
}

// inst is a line such as
//
//	Inst libssl3 [3.0.20-1] (3.0.22-1 Debian-Security:12/oldstable-security [amd64])
var inst = regexp.MustCompile(`^Inst (\S+) (?:\[(\S+)\] )?\((\S+) (.*?) ?\[(\w+)\]\)`)

// parseInst reads what apt-get -s would install.
func parseInst(out string) []deploy.Change {
	var all []deploy.Change
	for line := range strings.Lines(out) {
		m := inst.FindStringSubmatch(line)
		if m == nil || m[2] == "" {
			continue // apt wants itself to be there: what is new is no update
		}
		name, _, _ := strings.Cut(m[1], ":") // "libc6:i386"
		all = append(all, deploy.Change{
			Kind: deploy.PackageDeb, Name: name, Arch: m[5], Old: m[2], New: m[3],
			Security: strings.Contains(strings.ToLower(m[4]), "security"),
		})
	}
	slices.SortFunc(all, func(a, b deploy.Change) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// put lays a file into the container.
func (c *scanner) put(ctx context.Context, name string, data []byte) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := writeFile(w, name, 0o644, data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	err := c.stack.engine.CopyToContainer(ctx, c.id, "/", &archive, container.CopyToContainerOptions{})
	if err != nil {
		return fmt.Errorf("give the scanner %s: %w", name, engineError(ctx, c.stack.engine, err))
	}
	return nil
}

// run runs a command in the container, and gives what it said and its exit code.
func (c *scanner) run(ctx context.Context, argv []string) (stdout, stderr string, code int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("scan with %s: %w", argv[len(argv)-1], engineError(ctx, c.stack.engine, err))
		}
	}()
	engine := c.stack.engine
	made, err := engine.ContainerExecCreate(ctx, c.id, container.ExecOptions{
		Cmd: argv, AttachStdout: true, AttachStderr: true, Env: []string{"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"},
	})
	if err != nil {
		return "", "", 0, err
	}
	stream, err := engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", "", 0, err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)() // reading it can't be canceled otherwise
	var out, said bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &said, io.LimitReader(stream.Reader, scanOutput)); err != nil {
		return "", "", 0, err
	}
	ended, err := engine.ContainerExecInspect(ctx, made.ID)
	if err == nil && ended.Running {
		err = errors.New("it said too much")
	}
	return out.String(), said.String(), ended.ExitCode, err
}
