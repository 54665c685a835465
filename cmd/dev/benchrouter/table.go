package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// of gives a figure of all samples of a proxy.
func (r result) of(name string, figure func(sample) float64) []float64 {
	var out []float64
	for _, s := range r.samples[name] {
		out = append(out, figure(s))
	}
	return out
}

// ratios gives Teal's CPU per request over the other's, round by round: both
// met the same machine.
func (r result) ratios(other string) []float64 {
	var out []float64
	for i, s := range r.samples[other] {
		out = append(out, r.samples["Teal"][i].cpu/s.cpu)
	}
	return out
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func cpuOf(s sample) float64 { return s.cpu }

func (r result) brief(peers []peer) string {
	var out []string
	for _, p := range peers {
		if cpu := r.of(p.name, cpuOf); cpu != nil {
			out = append(out, fmt.Sprintf("%s %.0f µs", p.name, median(cpu)))
		}
	}
	return strings.Join(out, ", ")
}

// printTables prints what docs/BENCHMARKS.md shows, in Markdown.
func printTables(peers []peer, results []result, notes []string, o options, took time.Duration) {
	fmt.Printf("\nCPU-µs per request, user and system; medians of %d rounds of %s; %s in all. "+
		"The ratios are medians of the rounds' own ratios, lowest and highest in brackets.\n\n", o.rounds, o.each, took.Round(time.Second))
	printCPU(peers, results)
	fmt.Printf("\nRequests per second · p50 / p99 in ms:\n\n")
	printCells(peers, results, func(r result, p peer) string {
		ms := func(d func(sample) time.Duration) float64 {
			return median(r.of(p.name, func(s sample) float64 { return float64(d(s).Microseconds()) / 1000 }))
		}
		return fmt.Sprintf("%.0f · %.1f / %.1f", median(r.of(p.name, func(s sample) float64 { return s.perSec })),
			ms(func(s sample) time.Duration { return s.p50 }), ms(func(s sample) time.Duration { return s.p99 }))
	})
	fmt.Printf("\nMemory at the end of the load, RSS / PSS in MB, highest of the rounds:\n\n")
	printCells(peers, results, func(r result, p peer) string {
		mb := func(bytes func(sample) int64) float64 {
			return slices.Max(r.of(p.name, func(s sample) float64 { return float64(bytes(s)) / 1e6 }))
		}
		return fmt.Sprintf("%.0f / %.0f", mb(func(s sample) int64 { return s.rss }), mb(func(s sample) int64 { return s.pss }))
	})
	for _, n := range notes {
		fmt.Printf("\n%s\n", n)
	}
}

func printCPU(peers []peer, results []result) {
	fmt.Print("| |")
	for _, p := range peers {
		fmt.Printf(" %s |", p.name)
	}
	for _, p := range peers[1:] {
		fmt.Printf(" Teal / %s |", p.name)
	}
	fmt.Printf("\n|%s\n", strings.Repeat("---|", 2*len(peers)))
	for _, r := range results {
		fmt.Printf("| %s |", r.row.name)
		for _, p := range peers {
			if cpu := r.of(p.name, cpuOf); cpu != nil {
				fmt.Printf(" %.1f |", median(cpu))
			} else {
				fmt.Print(" – |")
			}
		}
		for _, p := range peers[1:] {
			if v := r.ratios(p.name); v != nil {
				fmt.Printf(" %.2f (%.2f–%.2f) |", median(v), slices.Min(v), slices.Max(v))
			} else {
				fmt.Print(" – |")
			}
		}
		fmt.Println()
	}
}

func printCells(peers []peer, results []result, cell func(result, peer) string) {
	fmt.Print("| |")
	for _, p := range peers {
		fmt.Printf(" %s |", p.name)
	}
	fmt.Printf("\n|%s\n", strings.Repeat("---|", 1+len(peers)))
	for _, r := range results {
		fmt.Printf("| %s |", r.row.name)
		for _, p := range peers {
			if r.samples[p.name] == nil {
				fmt.Print(" – |")
				continue
			}
			fmt.Printf(" %s |", cell(r, p))
		}
		fmt.Println()
	}
}
