package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// sample is one proxy in one round of a row.
type sample struct {
	load
	cpu      float64 // µs per request, user and system
	rss, pss int64   // bytes, under the load's end
}

// result holds the samples of a row, by the proxy's name, in the order of the rounds.
type result struct {
	row     row
	samples map[string][]sample
}

// compare runs all rows and prints the tables.
func compare(ctx context.Context, o options) error {
	peers, notes := takePart(ctx, o)
	dir, err := os.MkdirTemp("", "teal-bench-router-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("Starting %d proxies, each before an app of its own\n", len(peers))
	stations, stop, err := startStations(ctx, peers, dir, o)
	defer stop()
	if err != nil {
		return err
	}
	began := time.Now()
	var results []result
	for _, r := range rows {
		if !o.rows.MatchString(r.name) {
			continue
		}
		fmt.Printf("%-36s", r.name)
		res, err := measure(ctx, r, stations[r.hosts], o)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, res)
		fmt.Println(res.brief(peers))
	}
	printTables(peers, results, notes, o, time.Since(began))
	return nil
}

// takePart gives the proxies that the options name, Teal first.
func takePart(ctx context.Context, o options) (peers []peer, notes []string) {
	all := []peer{teal(o.profile), haproxy, nginx, reverseProxy}
	if o.peers.MatchString("kamal-proxy") {
		if program, err := kamalProgram(ctx); err != nil {
			notes = append(notes, fmt.Sprintf("kamal-proxy took no part (%v). A run with both measured 158 µs for it against 100 µs for ReverseProxy.", err))
		} else {
			all = append(all, kamalProxy(program))
		}
	}
	for _, p := range all {
		if o.peers.MatchString(p.name) {
			peers = append(peers, p)
		}
	}
	return peers, notes
}

func kamalProgram(ctx context.Context) (string, error) {
	cache, err := filepath.Abs(filepath.Join(".teal", "bench"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	return buildKamalProxy(ctx, cache)
}

// startStations starts the proxies once for each number of hosts that a row wants.
func startStations(ctx context.Context, peers []peer, dir string, o options) (by map[int][]*station, stop func(), err error) {
	by = map[int][]*station{}
	stop = func() {
		for _, stations := range by {
			for _, s := range stations {
				s.stop()
			}
		}
	}
	for _, r := range rows {
		if by[r.hosts] != nil || !o.rows.MatchString(r.name) {
			continue
		}
		for _, p := range peers {
			if r.hosts > 1 && !p.manyHosts {
				continue
			}
			began := time.Now()
			s, err := startStation(ctx, p, filepath.Join(dir, fmt.Sprintf("%s-%d", p.name, r.hosts)), r.hosts)
			if err != nil {
				return by, stop, err
			}
			by[r.hosts] = append(by[r.hosts], s)
			if r.hosts > 1 {
				fmt.Printf("%s started with %d hosts in %s\n", p.name, r.hosts, time.Since(began).Round(10*time.Millisecond))
			}
		}
	}
	return by, stop, nil
}

// measure loads the proxies in turns. Each round begins with another one, so
// that what changes on the machine meanwhile is no one's luck.
func measure(ctx context.Context, r row, stations []*station, o options) (result, error) {
	res := result{row: r, samples: map[string][]sample{}}
	for _, s := range stations { // warm-up; not counted
		if _, err := r.ask(ctx, s, time.Second); err != nil {
			return res, err
		}
	}
	for round := range o.rounds {
		for i := range stations {
			s := stations[(round+i)%len(stations)]
			one, err := measureOne(ctx, r, s, o.each)
			if err != nil {
				return res, err
			}
			res.samples[s.name] = append(res.samples[s.name], one)
		}
	}
	return res, nil
}

func measureOne(ctx context.Context, r row, s *station, d time.Duration) (sample, error) {
	if r.idle > 0 {
		closeIdle, err := s.openIdle(r.idle)
		if err != nil {
			return sample{}, err
		}
		defer closeIdle()
	}
	before, err := s.proxy.cpu()
	if err != nil {
		return sample{}, err
	}
	l, err := r.ask(ctx, s, d)
	if err != nil {
		return sample{}, err
	}
	after, err := s.proxy.cpu()
	if err != nil {
		return sample{}, err
	}
	one := sample{load: l, cpu: float64((after - before).Microseconds()) / float64(l.requests)}
	one.rss, one.pss = s.proxy.memory()
	return one, nil
}
