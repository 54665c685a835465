// Command app is the app that the tests run in containers. MODE says how it
// behaves; with arguments it is a release command.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		command(os.Args[1:])
		return
	}
	addr := ":8080"
	switch os.Getenv("MODE") {
	case "exit":
		fmt.Println("giving up: no database")
		os.Exit(3)
	case "once": // works the first time only
		if _, err := os.Stat("/was-here"); err == nil {
			os.Exit(3)
		}
		_ = os.WriteFile("/was-here", nil, 0o600)
	case "oom":
		eat()
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "port3000":
		addr = "127.0.0.1:3000"
	case "chatty":
		go chat()
	}
	fmt.Println("listening on", addr)
	fmt.Fprintln(os.Stderr, "\x1b[31mready\x1b[0m")
	serve(addr)
}

func command(args []string) {
	switch args[0] {
	case "say": // say N CODE: N lines on both outputs, then the exit code
		n, _ := strconv.Atoi(args[1])
		for i := 1; i <= n; i++ {
			fmt.Println("out", i)
			fmt.Fprintln(os.Stderr, "err", i)
		}
		code, _ := strconv.Atoi(args[2])
		os.Exit(code)
	case "env":
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
	case "dial":
		conn, err := net.DialTimeout("tcp", args[1], 2*time.Second)
		if err != nil {
			fmt.Println("cannot reach", args[1])
			os.Exit(1)
		}
		conn.Close()
		fmt.Println("reached", args[1])
	case "append": // append FILE: add a line, and say how many there are
		f, err := os.OpenFile(args[1], os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintln(f)
		at, _ := f.Seek(0, 2)
		fmt.Println(at)
	case "oom":
		eat()
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Hour)
	}
}

func eat() {
	var all [][]byte
	for {
		b := make([]byte, 4<<20)
		for i := range b {
			b[i] = 1
		}
		all = append(all, b)
	}
}

func chat() {
	for i := 1; ; i++ {
		fmt.Println("line", i)
		time.Sleep(50 * time.Millisecond)
	}
}

func serve(addr string) {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/say", func(w http.ResponseWriter, r *http.Request) { fmt.Println(r.URL.Query().Get("line")) })
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(os.Environ()) })
	http.HandleFunc("/die", func(w http.ResponseWriter, r *http.Request) { os.Exit(7) })
	http.HandleFunc("/status", file("/proc/self/status"))
	http.HandleFunc("/mounts", file("/proc/self/mounts"))
	http.HandleFunc("/limits", file("/proc/self/limits"))
	http.HandleFunc("/adj", file("/proc/self/oom_score_adj"))
	http.HandleFunc("/wmem", file("/proc/sys/net/ipv4/tcp_wmem"))
	http.HandleFunc("/fork", fork)
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(r.URL.Query().Get("path"), []byte("x"), 0o600); err != nil {
			http.Error(w, err.Error(), 500)
		}
	})
	if err := http.ListenAndServe(addr, nil); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(name)
		if err != nil {
			http.Error(w, err.Error(), 500)
		}
		w.Write(b)
	}
}

// fork starts sleeping processes until the kernel refuses, and tells how many it were.
func fork(w http.ResponseWriter, r *http.Request) {
	for i := range 500 {
		c := exec.Command("/app", "sleep")
		if err := c.Start(); err != nil {
			fmt.Fprintln(w, i, strings.ReplaceAll(err.Error(), "\n", " "))
			return
		}
		defer func() {
			_ = c.Process.Kill()
			_ = c.Wait()
		}()
	}
	fmt.Fprintln(w, 500, "no limit")
}
