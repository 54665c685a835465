package gitserver

import (
	"bytes"
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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"teal/deploy"
)

// peerLog makes the test binary git's own receive-pack, whose cost is written there.
const peerLog = "TEAL_GITSERVER_TEST_PEER"

// peer runs git receive-pack and notes what it and its children cost.
func peer(log, repo string) error {
	cmd := exec.Command("git", "receive-pack", repo)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, spent(syscall.RUSAGE_CHILDREN).Nanoseconds())
	return err
}

// spent is the processor time, user and system, of this process or its children.
func spent(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sample is one measurement: ours and git's.
type sample struct {
	ours    float64
	own     float64 // the part of ours that the server's own process used: SSH and the protocol
	git     float64
	checked float64 // git's with receive.fsckObjects: it checks what Teal checks
}

// figure is one line of the table.
type figure struct {
	what    string
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

// bench is a daemon, a repository to push to it, and git's own server beside it.
type bench struct {
	b    *testing.B
	w    *world
	c    *clone
	cmd  *exec.Cmd
	runs int
}

// BenchmarkGit measures pushes and exports against git's own, in the same run.
// It prints a table of medians. CPU is user and system time of the server and
// of all it started; git's is without SSH.
func BenchmarkGit(b *testing.B) {
	w := newWorld(b)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	c.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=gc.auto", "GIT_CONFIG_VALUE_0=0"}
	w.stop()
	m := &bench{b: b, w: w, c: c, runs: 5}
	m.history()
	m.cmd = w.startDaemon(c)
	before := m.peak()
	figures := []figure{m.firstPush(), m.incremental(), m.export()}
	after := m.peak()
	m.large()
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(table, "\nCPU, medians of %d runs\tTeal\tits SSH and protocol\tgit, same checks\tratio\tratio without SSH\tgit as installed\tratio\n", m.runs)
	for _, f := range figures {
		ours, own := f.median(func(s sample) float64 { return s.ours }), f.median(func(s sample) float64 { return s.own })
		git, checked := f.median(func(s sample) float64 { return s.git }), f.median(func(s sample) float64 { return s.checked })
		fmt.Fprintf(table, "%s\t%.2f s\t%.2f s\t%.2f s\t%.2f\t%.2f\t%.2f s\t%.2f\n",
			f.what, ours, own, checked, ours/checked, (ours-own)/checked, git, ours/git)
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

// daemonSpent is what the daemon used itself, and with its children that ended.
func (m *bench) daemonSpent() (own, all float64) {
	m.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.cmd.Process.Pid))
	if err != nil {
		m.b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	for i, f := range bytes.Fields(rest)[11:15] { // utime stime cutime cstime
		ticks, _ := strconv.ParseFloat(string(f), 64) // a hundred of them in a second
		if all += ticks / 100; i < 2 {
			own += ticks / 100
		}
	}
	return own, all
}

// peak is the most memory that the daemon held at once.
func (m *bench) peak() int64 { return residentPeak(m.b, m.cmd.Process.Pid) }

// residentPeak is a process's VmHWM in bytes.
func residentPeak(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// ours measures pushes to Teal.
func (m *bench) ours(app string, revisions ...string) sample {
	own, all := m.daemonSpent()
	for _, r := range revisions {
		m.c.git("push", "-q", m.w.url(app), r+":refs/heads/main")
	}
	// A session's last children are waited for a moment after its report.
	time.Sleep(100 * time.Millisecond)
	ownAfter, allAfter := m.daemonSpent()
	return sample{own: ownAfter - own, ours: allAfter - all}
}

// git measures pushes to git's own receive-pack, over a pipe.
func (m *bench) git(repo string, revisions ...string) float64 {
	m.b.Helper()
	exe, err := os.Executable()
	if err != nil {
		m.b.Fatal(err)
	}
	log := filepath.Join(m.w.dir, "peer.log")
	_ = os.Remove(log)
	for _, r := range revisions {
		cmd := m.c.command("push", "-q", "--receive-pack="+exe, repo, r+":refs/heads/main")
		cmd.Env = append(cmd.Env, peerLog+"="+log)
		if out, err := cmd.CombinedOutput(); err != nil {
			m.b.Fatalf("%v\n%s", err, out)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		m.b.Fatal(err)
	}
	var sum float64
	for line := range strings.FieldsSeq(string(text)) {
		n, _ := strconv.ParseFloat(line, 64)
		sum += n / 1e9
	}
	return sum
}

// bare makes a repository for git's own server; checked: it checks what it gets as Teal does.
func (m *bench) bare(name string, checked bool) string {
	dir := filepath.Join(m.w.dir, "peers", name)
	m.c.git("init", "-q", "--bare", dir)
	m.c.git("-C", dir, "config", "receive.fsckObjects", strconv.FormatBool(checked))
	m.c.git("-C", dir, "config", "core.fsync", "all")
	return dir
}

func (m *bench) firstPush() figure {
	f := figure{what: "first push"}
	for i := range m.runs {
		name := fmt.Sprintf("first-%d", i)
		one := m.ours(name, "main~20")
		one.git, one.checked = m.git(m.bare(name, false), "main~20"), m.git(m.bare(name+"-checked", true), "main~20")
		f.samples = append(f.samples, one)
	}
	return f
}

// incremental pushes twenty commits one by one onto what firstPush has pushed.
func (m *bench) incremental() figure {
	f := figure{what: "incremental push, 20 times"}
	var revisions []string
	for i := 19; i >= 0; i-- {
		revisions = append(revisions, fmt.Sprintf("main~%d", i))
	}
	for i := range m.runs {
		name := fmt.Sprintf("first-%d", i)
		peer := filepath.Join(m.w.dir, "peers", name)
		one := m.ours(name, revisions...)
		one.git, one.checked = m.git(peer, revisions...), m.git(peer+"-checked", revisions...)
		f.samples = append(f.samples, one)
	}
	return f
}

// export writes the tree as a tar: Teal's from objects, git's by git archive.
func (m *bench) export() figure {
	f := figure{what: "context export, 5 times"}
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
		f.samples = append(f.samples, sample{ours: ours, git: git, checked: git})
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
