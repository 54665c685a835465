package builder

import (
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/moby/docker-image-spec/specs-go/v1"
)

func TestBaseThatWasMadeAgainAndHoldsTheSameIsNotNewer(t *testing.T) {
	t.Parallel()
	found := func(id, holds string) image.InspectResponse {
		config := &v1.DockerOCIImageConfig{}
		config.Labels = map[string]string{labelPackages: holds}
		return image.InspectResponse{ID: id, Config: config}
	}
	for _, c := range []struct {
		was  baseRef
		now  image.InspectResponse
		want bool
	}{
		{baseRef{ID: "a", Holds: "x"}, found("a", "x"), true},
		{baseRef{ID: "a", Holds: "x"}, found("b", "x"), true},
		{baseRef{ID: "a", Holds: "x"}, found("b", "y"), false},
		{baseRef{ID: "a"}, found("b", ""), false},
		{baseRef{ID: "a", Holds: "x"}, image.InspectResponse{ID: "b"}, false},
	} {
		if got := c.was.isStill(c.now); got != c.want {
			t.Errorf("%+v and %s %v: %t", c.was, c.now.ID, c.now.Config, got)
		}
	}
}
