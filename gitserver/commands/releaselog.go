package commands

import (
	"context"
	"strings"

	"teal/deploy"
)

// What a deployment's log says around the output of the release command.
const (
	releaseBegins = "==> Release command: "
	step          = "==> "
)

// releaseLog shows what the release command of a deployment wrote, alone.
func (j *job) releaseLog(ctx context.Context, d deploy.Deployment) error {
	last, inside, found := 0, false, false
	for {
		lines, err := j.Store.Log(ctx, d.ID, last, logPage)
		if err != nil {
			return err
		}
		for _, l := range lines {
			last = l.N
			switch begins := strings.HasPrefix(l.Text, releaseBegins); {
			case begins && !found:
				inside, found = true, true
			case inside && strings.HasPrefix(l.Text, step):
				return nil
			case inside:
				j.say("%s", deploy.Clean(l.Text, 4096))
			}
		}
		if len(lines) < logPage {
			break
		}
	}
	if !found {
		j.remark("Deployment %d ran no release command, or its log is gone.", d.ID)
	}
	return nil
}
