package runtime

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/system"
)

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	well := system.Info{
		LiveRestoreEnabled: true, ServerVersion: "27.3.1", MemoryLimit: true, SwapLimit: true, PidsLimit: true,
		CPUCfsQuota: true, SecurityOptions: []string{"name=seccomp,profile=builtin", "name=cgroupns"},
	}
	if got := examine(well); len(got) != 0 {
		t.Errorf("a good Engine is told of: %q", got)
	}
	for want, spoil := range map[string]func(*system.Info){
		"live-restore":     func(i *system.Info) { i.LiveRestoreEnabled = false },
		"19.03.8 is older": func(i *system.Info) { i.ServerVersion = "19.03.8" },
		"limit memory":     func(i *system.Info) { i.MemoryLimit = false },
		"limit processes":  func(i *system.Info) { i.PidsLimit = false },
		"CPU time":         func(i *system.Info) { i.CPUCfsQuota = false },
		"seccomp":          func(i *system.Info) { i.SecurityOptions = nil },
		"rootless":         func(i *system.Info) { i.SecurityOptions = append(i.SecurityOptions, "name=rootless") },
	} {
		ill := well
		spoil(&ill)
		if got := examine(ill); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("for %s it says %q", want, got)
		}
	}
}

func TestDoctorAsksTheRealEngine(t *testing.T) {
	t.Parallel()
	if _, err := newDocker(t).Doctor(t.Context()); err != nil {
		t.Error(err)
	}
}
