// Command systemd starts a program as systemd does with the sockets of a unit: it
// says whose they are (LISTEN_PID) and becomes the program.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

func main() {
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
	os.Exit(1)
}
