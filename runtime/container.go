package runtime

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"teal/deploy"
)

// body is all that the Engine is told about one new container.
type body struct {
	config *container.Config
	host   *container.HostConfig
	net    *network.NetworkingConfig
}

// instanceBody is the container of one instance.
func (d *Docker) instanceBody(spec deploy.Spec, s seat, lan lan) body {
	b := s.badge
	config := common(spec.Release, spec.Color)
	if len(s.argv) > 0 {
		config.Entrypoint, config.Cmd = s.argv, nil
	}
	config.Hostname = fmt.Sprintf("%s-%s-%d", b.app, b.color, b.index)
	if b.process != "" {
		config.Hostname = fmt.Sprintf("%s-%s-%s-%d", b.app, b.color, b.process, b.index)
	}
	config.Labels = d.labels(b)
	return body{config, d.hardened(spec.Release, lan), lan.endpoint(b.address)}
}

func common(r deploy.Release, color deploy.Color) *container.Config {
	stop := seconds(r.Settings.Stop)
	return &container.Config{
		Image:       r.Image,
		Env:         environment(r, color),
		StopTimeout: &stop,
		// Teal's own probe decides. The Engine's would cost a process per
		// interval and change nothing.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// environment is what the app declares, the release's over it, and what Teal
// says, which wins.
func environment(r deploy.Release, color deploy.Color) []string {
	own := maps.Clone(r.Settings.Env)
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, r.Env)
	env := make([]string, 0, len(own)+5)
	for key, value := range own {
		if key != "PORT" && !strings.HasPrefix(key, "TEAL_") {
			env = append(env, key+"="+value)
		}
	}
	env = append(env,
		"PORT="+strconv.Itoa(deploy.Port),
		"TEAL_APP="+string(r.App),
		"TEAL_COLOR="+string(color),
		"TEAL_RELEASE="+r.Name(),
		"TEAL_COMMIT="+r.Commit.ID,
	)
	slices.Sort(env)
	return env
}

// hardened is what every container gets, throw-away ones too: no capability, no
// way to gain one, limits on all that can be limited.
func (d *Docker) hardened(r deploy.Release, lan lan) *container.HostConfig {
	s := r.Settings
	initProcess := true
	host := &container.HostConfig{
		NetworkMode: container.NetworkMode(lan.id),
		CapDrop:     []string{"ALL"},
		SecurityOpt: []string{"no-new-privileges"},
		// A process 1 that reaps children and passes signals on: without it an
		// app that does not handle SIGTERM never hears it.
		Init: &initProcess,
		LogConfig: container.LogConfig{Type: "local", Config: map[string]string{
			"max-size": "10m", "max-file": "3",
		}},
		// When the host runs out of memory, apps go before Teal and the Engine.
		OomScoreAdj: 500,
		Mounts:      d.mounts(r),
		// Answers that nobody takes wait in the app's own send buffers: 4 MiB for
		// each slow reader by default, and the kernel's memory for TCP, which all
		// apps share, would be used up by some hundred. On the way to the internet
		// 512 KiB are 40 Mbit/s at a round trip of 100 ms.
		Sysctls: map[string]string{"net.ipv4.tcp_wmem": "4096 16384 524288"},
		Tmpfs:   map[string]string{"/tmp": fmt.Sprintf("rw,exec,nosuid,nodev,mode=1777,size=%d", tmpSize(s))},
		Resources: container.Resources{
			Memory:     s.Memory,
			MemorySwap: s.Memory, // the same number: no swap on top
			NanoCPUs:   int64(s.CPUs * 1e9),
		},
	}
	if s.PIDs > 0 {
		host.PidsLimit = &s.PIDs
	}
	if n := d.config.OpenFiles; n > 0 {
		host.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: n, Hard: n}}
	}
	return host
}

// tmpSize is a quarter of the memory limit, which it counts against.
func tmpSize(s deploy.Settings) int64 {
	if s.Memory == 0 {
		return 128 << 20
	}
	return max(s.Memory/4, 4<<20)
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
