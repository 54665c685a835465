package builder

import "strings"

// toolSource is a program for RUN lines of tests: the bases have no shell.
const toolSource = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "say":
		fmt.Println(strings.ReplaceAll(strings.Join(os.Args[2:], " "), "\\e", "\x1b"))
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		for i := range 40 {
			fmt.Println("line", i+1)
		}
		fmt.Fprintln(os.Stderr, "\x1b[31mthe last word\x1b[0m")
		os.Exit(code)
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(10 * time.Minute)
	case "spin":
		count, _ := strconv.Atoi(os.Args[2])
		long, _ := time.ParseDuration(os.Args[3])
		for range count {
			go func() {
				for {
				}
			}()
		}
		time.Sleep(long)
	case "work": // so much processor time, however long that takes
		much, _ := time.ParseDuration(os.Args[2])
		var used syscall.Rusage
		for time.Duration(used.Utime.Nano()) < much {
			syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		}
	case "flood":
		for i := range 20000 {
			fmt.Println("flood", i)
		}
	case "hog":
		var all [][]byte
		for i := range 256 { // 16 GiB, every page of it
			part := make([]byte, 64<<20)
			for k := 0; k < len(part); k += 4096 {
				part[k] = 1
			}
			all = append(all, part)
			fmt.Println("hog", i)
		}
		fmt.Println(len(all))
	case "fork":
		for n := 0; ; n++ {
			if err := exec.Command("/tool", "sleep").Start(); err != nil {
				fmt.Println("after", n, err)
				os.Exit(1)
			}
		}
	case "aside": // waits until it was moved to the control group that its argument names
		for range 600 {
			text, _ := os.ReadFile("/proc/self/cgroup")
			if strings.Contains(string(text), os.Args[2]) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		os.Exit(1)
	case "list":
		for _, dir := range os.Args[2:] {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				fmt.Println("found", e.Name())
			}
		}
	case "write":
		if err := os.WriteFile(os.Args[2], []byte(os.Args[3]), 0o644); err != nil {
			panic(err)
		}
	case "grep":
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			panic(err)
		}
		for _, word := range os.Args[3:] {
			fmt.Printf("%s: %d times\n", word, strings.Count(string(text), word))
		}
	case "show":
		text, err := os.ReadFile(os.Args[2])
		fmt.Printf("%s: %.60q %v\n", os.Args[2], text, err)
	}
}
`

// withTool is a tree whose Dockerfile goes on, on scratch, from a stage that has
// the tool as /tool.
func withTool(pairs []string, lines ...string) fsSource {
	dockerfile := append([]string{
		"FROM teal/go AS tool",
		"COPY tool.go .",
		`RUN ["go", "build", "-o", "/tool", "tool.go"]`,
		"FROM scratch",
		"COPY --from=tool /tool /tool",
	}, lines...)
	return files(append([]string{"tool.go", toolSource, "Dockerfile", strings.Join(dockerfile, "\n") + "\n"}, pairs...)...)
}
