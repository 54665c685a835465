package commands

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestStackImagesAreListedWithTheAppsThatOneMaySee(t *testing.T) {
	w := newWorld(t)
	w.run("nick", "stack").want(t, ExitDone, "No base image is there yet")
	w.set.Stack = func(context.Context) ([]StackImage, error) {
		return []StackImage{{
			Name: "teal/node:24", Version: "7244a2a89ec5", Source: "Node 24.1.0; packages of Debian bookworm", Size: 190e6,
			MadeAt: noon.Add(-2 * time.Hour), Apps: []deploy.AppName{"shop"},
		}}, nil
	}
	w.run("vera", "stack").want(t, ExitDone, "teal/node:24", "7244a2a89ec5", "190 MB", "Node 24.1.0", "shop")
	oneObject(t, w.run("vera", "stack", "--json").out)
	if r := w.run("nick", "stack"); strings.Contains(r.out, "shop") {
		t.Errorf("an app is shown to who may not see it:\n%s", r.out)
	}
	w.set.Stack = func(context.Context) ([]StackImage, error) { return nil, errors.New("no answer") }
	w.run("vera", "stack").want(t, ExitTeal)
}
