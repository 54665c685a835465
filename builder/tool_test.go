package builder

import "strings"

// toolSource is a program for RUN lines of tests: the bases have no shell.
const toolSource = `package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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
	case "flood":
		for i := range 20000 {
			fmt.Println("flood", i)
		}
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
