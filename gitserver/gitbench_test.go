package gitserver

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"teal/deploy"
)

// sample is one measurement: seconds of processor time.
type sample struct {
	ours  float64
	own   float64   // the part of ours that the server's own process used: SSH and the protocol
	peers []float64 // as in bench.peers
}

// figure is one thing that was measured, several times.
type figure struct {
	what    string
	peers   []string
	samples []sample
}

func (f figure) median(of func(sample) float64) float64 {
	var all []float64
	for _, s := range f.samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// print writes a line for each peer.
func (f figure) print(w io.Writer) {
	ours, own := f.median(func(s sample) float64 { return s.ours }), f.median(func(s sample) float64 { return s.own })
	for i, name := range f.peers {
		peer := f.median(func(s sample) float64 { return s.peers[i] })
		ratio := f.median(func(s sample) float64 { return s.ours / s.peers[i] })
		fmt.Fprintf(w, "%s\t%.2f s\t%.2f s\t%s\t%.2f s\t%.2f\n", f.what, ours, own, name, peer, ratio)
	}
}

// bench is a daemon, a repository to push to it, and git's own servers beside it.
type bench struct {
	b     *testing.B
	w     *world
	c     *clone
	cmd   *exec.Cmd
	peers []peer
	runs  int
}

// BenchmarkGit measures pushes and exports against git's own, in the same run
// and in turns. It prints a table of medians. CPU is user and system time of the
// server and of all that it started.
func BenchmarkGit(b *testing.B) {
	w := newWorld(b)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=gc.auto", "GIT_CONFIG_VALUE_0=0"}
	w.stop()
	m := &bench{b: b, w: w, c: c, runs: 7}
	m.history()
	m.cmd = w.startDaemon(c)
	behind := startSSHD(b, w)
	m.peers = []peer{
		{name: "git behind sshd, same checks", checked: true, sshd: behind},
		{name: "git behind sshd, as installed", sshd: behind},
		{name: "git on a pipe, same checks", checked: true},
		{name: "git on a pipe, as installed"},
	}
	before := m.peak()
	figures := []figure{m.firstPush(), m.incremental(), m.export()}
	after := m.peak()
	m.large()
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(table, "\nCPU, medians of %d runs\tTeal\tits SSH and protocol\tpeer\tits CPU\tratio\n", m.runs)
	for _, f := range figures {
		f.print(table)
	}
	fmt.Fprintf(table, "\nserver's peak memory\tat the start %d MB\tafter the pushes above %d MB\tafter a push of %d MB %d MB\n", before>>20, after>>20, largePush>>20, m.peak()>>20)
	fmt.Fprintf(table, "log to a client that reads\t%.0f MB/s\n", m.log())
	table.Flush()
	for range b.N {
		continue // the table is the result
	}
}

const largePush = 256 << 20

// history makes a repository out of the Go distribution's own sources: real
// files, with thirty commits on top that change twenty of them each.
func (m *bench) history() {
	m.b.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		m.b.Fatal(err)
	}
	sources := filepath.Join(strings.TrimSpace(string(out)), "src")
	var files []string
	for _, dir := range []string{"cmd/compile", "net", "crypto", "runtime", "encoding", "go"} {
		root := filepath.Join(sources, dir)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			m.w.write(filepath.Join(m.c.dir, dir, name), string(text), 0o644)
			files = append(files, filepath.Join(dir, name))
			return err
		})
		if err != nil {
			m.b.Fatal(err)
		}
	}
	m.c.git("add", "-A")
	m.c.git("commit", "-q", "-m", "sources")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		m.edit(files, random, i)
	}
	m.c.git("repack", "-a", "-d", "-q")
	m.b.Logf("%d files, %s", len(files), m.c.git("count-objects", "-vH"))
}

func (m *bench) edit(files []string, random *rand.Rand, i int) {
	for range 20 {
		path := filepath.Join(m.c.dir, files[random.IntN(len(files))])
		text, err := os.ReadFile(path)
		if err != nil {
			m.b.Fatal(err)
		}
		m.w.write(path, string(text)+fmt.Sprintf("// change %d\n", i), 0o644)
	}
	m.c.git("commit", "-qam", fmt.Sprint("change ", i))
}

// peak is the most memory that the daemon held at once.
func (m *bench) peak() int64 { return residentPeak(m.b, m.cmd.Process.Pid) }

// ours measures pushes to Teal.
func (m *bench) ours(app string, revisions ...string) sample {
	m.b.Helper()
	pid := m.cmd.Process.Pid
	own, all := cpuOf(m.b, pid)
	for _, r := range revisions {
		m.c.git("push", "-q", m.w.url(app), r+":refs/heads/main")
	}
	ownAfter, allAfter := cpuOf(m.b, pid)
	return sample{own: ownAfter - own, ours: allAfter - all}
}

// push measures the same pushes to Teal and to every peer.
func (m *bench) push(run int, revisions ...string) sample {
	name := fmt.Sprintf("first-%d", run)
	one := m.ours(name, revisions...)
	for i, p := range m.peers {
		one.peers = append(one.peers, p.push(m, fmt.Sprintf("%s-%d", name, i), revisions...))
	}
	return one
}

func (m *bench) names() (names []string) {
	for _, p := range m.peers {
		names = append(names, p.name)
	}
	return names
}

func (m *bench) firstPush() figure {
	f := figure{what: "first push", peers: m.names()}
	for i := range m.runs {
		f.samples = append(f.samples, m.push(i, "main~20"))
	}
	return f
}

// incremental pushes twenty commits one by one onto what firstPush has pushed.
func (m *bench) incremental() figure {
	f := figure{what: "incremental push, 20 times", peers: m.names()}
	var revisions []string
	for i := 19; i >= 0; i-- {
		revisions = append(revisions, fmt.Sprintf("main~%d", i))
	}
	for i := range m.runs {
		f.samples = append(f.samples, m.push(i, revisions...))
	}
	return f
}

// export writes the tree as a tar: Teal's from objects, git's by git archive.
func (m *bench) export() figure {
	f := figure{what: "context export, 5 times", peers: []string{"git archive"}}
	app := deploy.AppName("first-0")
	both := func() time.Duration { return spent(syscall.RUSAGE_SELF) + spent(syscall.RUSAGE_CHILDREN) }
	measure := func(once func() error) float64 {
		before := both()
		for range 5 {
			if err := once(); err != nil {
				m.b.Fatal(err)
			}
		}
		return (both() - before).Seconds()
	}
	for range m.runs {
		ours := measure(func() error {
			src, err := m.w.repos.Source(m.b.Context(), app, m.c.head())
			if err != nil {
				return err
			}
			return src.Tar(m.b.Context(), io.Discard, nil)
		})
		git := measure(func() error {
			cmd := exec.Command("git", "archive", "--format=tar", m.c.head())
			cmd.Dir = m.w.repos.path(app)
			cmd.Stdout = struct{ io.Writer }{io.Discard} // a pipe, as ours
			return cmd.Run()
		})
		f.samples = append(f.samples, sample{ours: ours, peers: []float64{git}})
	}
	return f
}

// large pushes what no compression makes smaller.
func (m *bench) large() {
	random := rand.NewChaCha8([32]byte{1})
	part := make([]byte, 16<<20)
	for i := range largePush / len(part) {
		_, _ = random.Read(part)
		m.w.write(filepath.Join(m.c.dir, "large", fmt.Sprint(i)), string(part), 0o644)
	}
	for _, setting := range []string{"core.compression=0", "pack.compression=0", "core.bigFileThreshold=1m"} {
		name, value, _ := strings.Cut(setting, "=")
		m.c.git("config", name, value)
	}
	m.c.commit("large.txt", "x")
	m.ours("first-0", "main")
}

// log is how many MB of a build's log per second reach a client that reads.
func (m *bench) log() float64 {
	lines := make(chan deploy.LogLine, 4096)
	w := newWorld(m.b, commands(func(_ context.Context, s Session) int {
		p := &push{talk: &talk{band: &sideband{w: s.Stdout}}}
		for l := range lines {
			p.relay(l, lines)
		}
		return 0
	}))
	session, err := w.dial("anna").client.NewSession()
	if err != nil {
		m.b.Fatal(err)
	}
	session.Stdout = io.Discard
	if err := session.Start("log"); err != nil {
		m.b.Fatal(err)
	}
	line := deploy.LogLine{Text: strings.Repeat("compiling x.go ", 6)}
	const total = 200 << 20
	began := time.Now()
	for range total / (len(line.Text) + 1) {
		lines <- line
	}
	close(lines)
	if err := session.Wait(); err != nil {
		m.b.Fatal(err)
	}
	return total / 1e6 / cmp.Or(time.Since(began).Seconds(), 1)
}
