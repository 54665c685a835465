package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const tree = "/root/shop"

// push is the first one.
func push(ctx context.Context) error {
	for _, args := range [][]string{{"init", "-q"}, {"remote", "add", "teal", "ssh://git@localhost:2222/shop"}} {
		if r := git(ctx, args...); r.code != 0 {
			return fmt.Errorf("git %v: %s", args, r.out)
		}
	}
	r := deploy(ctx, "one", nil)
	claim(r.code == 0 && answers(ctx) == http.StatusOK, "an app that is pushed to the unit is built, goes live and answers", r.out)
	if r.code != 0 {
		return fmt.Errorf("the first push was refused")
	}
	return nil
}

// spinning is a build that wants all processors, and says where it runs.
const spinning = `package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		panic(http.ListenAndServe(":8080", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	where, _ := os.ReadFile("/proc/self/cgroup")
	fmt.Print(string(where))
	for range 4 {
		go func() {
			for {
			}
		}()
	}
	time.Sleep(20 * time.Second)
}
`

// greedy is one that wants all memory.
const greedy = `package main

func main() {
	var all [][]byte
	for {
		part := make([]byte, 16<<20)
		for i := 0; i < len(part); i += 4096 {
			part[i] = 1
		}
		all = append(all, part)
	}
}
`

const dockerfile = `FROM teal/go
COPY . .
RUN ["go", "build", "-o", "/bin/step", "./step"]
RUN ["/bin/step", "now"]
ENTRYPOINT ["/bin/step"]
`

// hungryBuild looks at the control groups of its steps while they run.
func hungryBuild(ctx context.Context) error {
	done := make(chan result, 1)
	go func() {
		done <- deploy(ctx, "hungry", map[string]string{"Dockerfile": dockerfile, "step/main.go": spinning})
	}()
	idle, bounded, seen := false, false, ""
	for {
		select {
		case r := <-done:
			claim(r.code == 0, "a build that wants all processors ends, and its app goes live", r.out)
			claim(idle, "its steps have the processor time that nobody else wants, and no more", seen)
			claim(bounded, "its steps have a ceiling of memory and of processes", seen)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		steps, _ := filepath.Glob("/sys/fs/cgroup/system.slice/*:docker:*")
		for _, dir := range steps {
			now := fmt.Sprintf("%s: cpu.idle %s, memory.max %s, pids.max %s", filepath.Base(dir), read(dir, "cpu.idle"), read(dir, "memory.max"), read(dir, "pids.max"))
			if now != seen {
				seen = now
				say("%s", seen)
			}
			idle = idle || read(dir, "cpu.idle") == "1"
			bounded = bounded || read(dir, "memory.max") != "max" && read(dir, "memory.max") != "" && read(dir, "pids.max") == "4096"
		}
	}
}

// greedyBuild is to be killed at its ceiling, with words for it, and nothing else is.
func greedyBuild(ctx context.Context) error {
	r := deploy(ctx, "greedy", map[string]string{"step/main.go": greedy})
	claim(r.code != 0 && strings.Contains(r.out, "ran out of memory: it was killed at the ceiling of builds"), "a build that wants all memory is refused, with the reason", r.out)
	all := run(ctx, "ssh", "-p", "2222", "localhost", "deployments", "shop", "--json").out
	claim(strings.Contains(all, `"class": "build-oom"`), "the failure has its class", all)
	claim(answers(ctx) == http.StatusOK, "the app serves on", "")
	return nil
}

// restart asks for the app all the time while the unit is restarted.
func restart(ctx context.Context) {
	done := make(chan result, 1)
	go func() { done <- run(ctx, "systemctl", "restart", "teal") }()
	asked, failed, last := 0, 0, 0
	var end time.Time
	for end.IsZero() || time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
		asked++
		if status := answers(ctx); status != http.StatusOK {
			failed, last = failed+1, status
		}
		select {
		case r := <-done:
			claim(r.code == 0, "the unit restarts", r.out)
			end = time.Now().Add(10 * time.Second)
		default:
		}
	}
	claim(failed == 0, fmt.Sprintf("no request fails while the unit is restarted (%d asked)", asked), fmt.Sprintf("%d failed, the last with status %d", failed, last))
}

// deploy commits the files and pushes.
func deploy(ctx context.Context, subject string, files map[string]string) result {
	for path, text := range files {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return result{err.Error(), -1}
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return result{err.Error(), -1}
		}
	}
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", subject}} {
		if r := git(ctx, args...); r.code != 0 {
			return r
		}
	}
	return git(ctx, "push", "teal", "HEAD:main")
}

func git(ctx context.Context, args ...string) result {
	return run(ctx, "git", append([]string{"-C", tree}, args...)...)
}

// answers gives the status of GET / of the app; 0: no answer.
func answers(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil)
	if err != nil {
		return 0
	}
	req.Host, req.Close = "shop.localhost", true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func read(dir, file string) string {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
