// Command vict is the app that the end-to-end tests deploy: it does what its
// flags say, well or badly.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

var (
	version     = flag.String("version", "none", "what /version answers")
	status      = flag.Int("status", 200, "what / answers")
	port        = flag.String("port", "8080", "where it listens")
	listenAfter = flag.Duration("listen-after", 0, "how long it does not listen")
	exitAfter   = flag.Duration("exit-after", 0, "when it ends by itself; 0: never")
	exitCode    = flag.Int("exit", 0, "how it ends by itself")
	ignoreTerm  = flag.Bool("ignore-term", false, "does not end on SIGTERM")
	hog         = flag.Int("hog", 0, "MiB that it takes at start")
	show        = flag.String("show", "", "environment variable that it prints at start")
	report      = flag.String("report", "", "port of the host that it tells of each POST")
	sleep       = flag.Duration("sleep", 0, "sleep and end, or end on SIGUSR1, as a build step or a release command")
	stamp       = flag.String("stamp", "", "write the time into that file and end, as a build step")
	once        = flag.String("once", "", "file that it makes at start, and with which it does not start again")
	forks       = flag.Bool("forks", false, "start itself again until that fails, as a build step")
	flood       = flag.Bool("flood", false, "write without end, as a build step")
	burn        = flag.Duration("burn", 0, "use all processors, and memory, for that long and end, as a build step")
	cat         = flag.String("cat", "", "file that it prints, as a build step")
	fetch       = flag.String("fetch", "", "URL that it asks once, as a build step")
	lock        = flag.String("lock", "", "file that it holds a lock on while it runs; without it, it ends with 9")
	errs        = flag.Int("errs", 0, "percent of the requests for /version that it answers with 500")
	needs       = flag.String("needs", "", "text without which in dpkg's status it does not start")
	fail        = flag.Bool("fail", false, "end with -exit at once")
)

var (
	requests atomic.Int64
	held     []byte // what -hog took
)

func main() {
	flag.Parse()
	if *show != "" {
		fmt.Printf("%s is %s\n", *show, os.Getenv(*show))
	}
	if task() {
		return
	}
	if *once != "" {
		if _, err := os.OpenFile(*once, os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(8)
		}
	}
	if *lock != "" {
		f, err := os.OpenFile(*lock, os.O_CREATE|os.O_RDWR, 0o600)
		if err == nil {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "two at once:", err)
			os.Exit(9)
		}
		defer f.Close() // not before the end
	}
	if status, _ := os.ReadFile("/var/lib/dpkg/status"); !bytes.Contains(status, []byte(*needs)) {
		fmt.Fprintf(os.Stderr, "vict needs %q\n", *needs)
		os.Exit(7)
	}
	if *exitAfter > 0 {
		time.AfterFunc(*exitAfter, func() {
			fmt.Println("vict ends by itself")
			os.Exit(*exitCode)
		})
	}
	if *hog > 0 {
		held = make([]byte, *hog<<20)
		for i := range held {
			held[i] = byte(i)
		}
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	time.Sleep(*listenAfter)
	fmt.Printf("vict %s listens on :%s\n", *version, *port)
	go func() {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+*port, handler()))
		os.Exit(3)
	}()
	for {
		<-term
		fmt.Println("vict was told to end")
		if !*ignoreTerm {
			return
		}
	}
}

// task does what is done once, and tells whether there was something.
func task() bool {
	switch {
	case *forks:
		for n := 0; ; n++ {
			if err := exec.Command("/vict", "-sleep", "10m").Start(); err != nil {
				fmt.Fprintln(os.Stderr, "vict got no further than", n, err)
				os.Exit(6)
			}
		}
	case *flood:
		line := bytes.Repeat([]byte(strings.Repeat("flood ", 20)+"\n"), 1000)
		for {
			os.Stdout.Write(line)
		}
	case *burn > 0:
		burnFor(*burn)
	case *cat != "":
		b, err := os.ReadFile(*cat)
		fmt.Printf("%s is %s %v\n", *cat, b, err)
	case *fetch != "":
		client := http.Client{Timeout: 2 * time.Second}
		if _, err := client.Get(*fetch); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(4)
		}
	case *stamp != "":
		if err := os.WriteFile(*stamp, []byte(time.Now().Format(time.RFC3339Nano)), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case *sleep > 0:
		fmt.Printf("vict sleeps %s\n", *sleep)
		sleepUntilWoken(*sleep)
	case *fail:
		fmt.Fprintf(os.Stderr, "vict fails with %d\n", *exitCode)
	default:
		return false
	}
	os.Exit(*exitCode)
	return true
}

// sleepUntilWoken ends early on SIGUSR1.
func sleepUntilWoken(d time.Duration) {
	woken := make(chan os.Signal, 1)
	signal.Notify(woken, syscall.SIGUSR1)
	select {
	case <-woken:
	case <-time.After(d):
	}
}

// burnFor keeps twice as many threads busy as there are processors, each going
// through memory that no cache holds.
func burnFor(d time.Duration) {
	end := time.Now().Add(d)
	var all sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		all.Go(func() {
			part := make([]byte, 64<<20)
			for i := 0; time.Now().Before(end); i++ {
				for k := i % 64; k < len(part); k += 64 {
					part[k]++
				}
			}
		})
	}
	all.Wait()
}

func handler() http.Handler {
	tell := reporter()
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		code := *status
		if b, err := os.ReadFile("/base"); err == nil && strings.Contains(string(b), "broken") {
			code = http.StatusInternalServerError
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "vict %s says %d\n", *version, code)
	})
	var asked atomic.Int64
	m.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		if int(asked.Add(1)%100) < *errs {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, *version)
	})
	m.HandleFunc("GET /env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("k"))) })
	m.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, r.FormValue("p")) })
	m.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, requests.Load()) })
	m.HandleFunc("GET /slow", slow)
	m.HandleFunc("GET /ws", socket)
	m.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		tell(r.Header.Get("X-Request"))
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s\n%s", *version, body)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "teal-check" {
			requests.Add(1)
		}
		m.ServeHTTP(w, r)
	})
}

// slow answers after d, and says at once that it will.
func slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "begun")
	_ = http.NewResponseController(w).Flush()
	time.Sleep(d)
	fmt.Fprint(w, *version)
}

// socket sends back what it gets, after its version.
func socket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, append([]byte(*version+" "), b...)); err != nil {
			return
		}
	}
}

// reporter gives a function that tells the host of a POST that arrived. The host
// is where the default route leads.
func reporter() func(id string) {
	if *report == "" {
		return func(string) {}
	}
	gateway, err := defaultGateway()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	c, err := net.Dial("tcp", net.JoinHostPort(gateway, *report))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(5)
	}
	lines := make(chan string, 1<<16)
	go func() {
		for id := range lines {
			if _, err := fmt.Fprintf(c, "%s %s\n", *version, id); err != nil {
				os.Exit(6)
			}
		}
	}()
	return func(id string) { lines <- id }
}

func defaultGateway() (string, error) {
	b, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		var n uint32
		if _, err := fmt.Sscanf(f[2], "%x", &n); err != nil {
			return "", err
		}
		return net.IPv4(byte(n), byte(n>>8), byte(n>>16), byte(n>>24)).String(), nil
	}
	return "", errors.New("there is no default route")
}
