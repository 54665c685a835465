package console

import (
	"testing"
	"time"

	"teal/deploy"
)

func TestScheduledCommandsAreShownByHowTheyWent(t *testing.T) {
	now := time.Now()
	for want, r := range map[string]deploy.CronRecord{
		"runs":               {Begun: now},
		"ok in 1s":           {Begun: now, Ended: now.Add(time.Second), Outcome: deploy.CronOK},
		"failed after 2s":    {Begun: now, Ended: now.Add(2 * time.Second), Outcome: deploy.CronFailed},
		"timeout after 1m0s": {Begun: now, Ended: now.Add(time.Minute), Outcome: deploy.CronTimeout},
		"cut short":          {Begun: now, Ended: now, Outcome: deploy.CronCanceled},
	} {
		if got := cronState(r).Word; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
