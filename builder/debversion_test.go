package builder

import (
	"os/exec"
	"testing"
)

func TestVersionsAreOrderedAsDpkgDoes(t *testing.T) {
	t.Parallel()
	versions := []string{
		"1.0", "1.0-1", "1.0-1+deb12u1", "1.0-1~bpo1", "1:0.9", "0:1.0-1", "1.0~rc1-1", "1.0.10-1", "1.0.9-1", "1.00-1",
		"20230311+deb12u1", "20250419~deb12u2", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2", "2.6.1", "1.0a-1", "1.0+a-1", "1.0-1.1", "5.36.0-7+deb12u3",
	}
	for _, a := range versions {
		for _, b := range versions {
			want := 0
			if exec.Command("dpkg", "--compare-versions", a, "lt", b).Run() == nil {
				want = -1
			} else if exec.Command("dpkg", "--compare-versions", a, "gt", b).Run() == nil {
				want = 1
			}
			if got := compareVersions(a, b); got != want {
				t.Errorf("%s and %s: %d, dpkg says %d", a, b, got, want)
			}
		}
	}
}
