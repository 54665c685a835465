package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// connections is how many clients ask at the same time.
const connections = 64

// load is what a load tool counted.
type load struct {
	requests int
	perSec   float64
	p50, p99 time.Duration
}

// browser is what a browser sends along.
var browser = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	"Accept: text/html,application/xhtml+xml,*/*;q=0.8",
	"Accept-Language: en-US,en;q=0.5",
	"Accept-Encoding: gzip, deflate, br",
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
	"Referer: http://localhost/",
	"Cache-Control: no-cache",
	"Sec-Fetch-Dest: document",
	"Sec-Fetch-Mode: navigate",
}

var (
	wrkCount   = regexp.MustCompile(`(?m)^\s*(\d+) requests in`)
	wrkPerSec  = regexp.MustCompile(`(?m)^Requests/sec:\s*([\d.]+)`)
	wrkP50     = regexp.MustCompile(`(?m)^\s*50%\s+(\S+)`)
	wrkP99     = regexp.MustCompile(`(?m)^\s*99%\s+(\S+)`)
	wrkTrouble = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
)

// wrk asks over HTTP/1.1 with keep-alive connections. The script is Lua, "" for none.
func wrk(ctx context.Context, url, script, dir string, d time.Duration) (load, error) {
	args := []string{"-c", strconv.Itoa(connections), "-t", "1", "-d", strconv.Itoa(int(d.Seconds())) + "s", "--latency", "--timeout", "10s"}
	if script != "" {
		file := filepath.Join(dir, "wrk.lua")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			return load{}, err
		}
		args = append(args, "-s", file)
	}
	for _, field := range browser {
		args = append(args, "-H", field)
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk %s: %w\n%s", url, err, out)
	}
	if trouble := wrkTrouble.Find(out); trouble != nil {
		return load{}, fmt.Errorf("wrk %s: %s", url, strings.TrimSpace(string(trouble)))
	}
	var l load
	err = errors.Join(
		number(out, wrkCount, func(v string) (err error) { l.requests, err = strconv.Atoi(v); return }),
		number(out, wrkPerSec, func(v string) (err error) { l.perSec, err = strconv.ParseFloat(v, 64); return }),
		number(out, wrkP50, func(v string) (err error) { l.p50, err = time.ParseDuration(v); return }),
		number(out, wrkP99, func(v string) (err error) { l.p99, err = time.ParseDuration(v); return }),
	)
	return l, err
}

var (
	h2loadCount  = regexp.MustCompile(`(?m)^requests: .* (\d+) done, (\d+) succeeded, 0 failed, 0 errored, 0 timeout`)
	h2loadPerSec = regexp.MustCompile(`(?m)^finished in \S+, ([\d.]+) req/s`)
)

// h2load asks over HTTP/2 and TLS: 16 connections with four streams each.
func h2load(ctx context.Context, url, dir string, d time.Duration) (load, error) {
	log := filepath.Join(dir, "h2load.log")
	_ = os.Remove(log) // it appends
	args := []string{
		"-c", strconv.Itoa(connections / 4), "-m", "4", "-t", "1", "-D", strconv.Itoa(int(d.Seconds())), "--log-file", log,
	}
	for _, field := range browser {
		args = append(args, "-H", field)
	}
	out, err := exec.CommandContext(ctx, "h2load", append(args, url)...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("h2load %s: %w\n%s", url, err, out)
	}
	var l load
	err = errors.Join(
		number(out, h2loadCount, func(v string) (err error) { l.requests, err = strconv.Atoi(v); return }),
		number(out, h2loadPerSec, func(v string) (err error) { l.perSec, err = strconv.ParseFloat(v, 64); return }),
	)
	if err == nil {
		l.p50, l.p99, err = h2loadLatency(log)
	}
	return l, err
}

// h2loadLatency reads the log of requests: start in µs, status, duration in µs.
func h2loadLatency(log string) (p50, p99 time.Duration, err error) {
	f, err := os.Open(log)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var took []int
	for s := bufio.NewScanner(f); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) != 3 {
			continue
		}
		us, err := strconv.Atoi(words[2])
		if err != nil || words[1] != "200" {
			return 0, 0, fmt.Errorf("h2load logged %q", s.Text())
		}
		took = append(took, us)
	}
	if len(took) == 0 {
		return 0, 0, errors.New("h2load logged no request")
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return time.Duration(took[len(took)*percent/100]) * time.Microsecond }
	return at(50), at(99), nil
}

// number hands what the expression finds in a tool's output to a parser.
func number(out []byte, re *regexp.Regexp, parse func(string) error) error {
	m := re.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("no %s in\n%s", re, out)
	}
	return parse(string(m[1]))
}
