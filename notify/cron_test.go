package notify

import (
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestAnAlertAboutAScheduledCommandSaysWhichHowAndWhatToType(t *testing.T) {
	t.Parallel()
	a := deploy.Alert{
		Episode: "shop/cron/nightly/abc/1", App: "shop", At: failedAt, Serving: deploy.Blue, ServingV: 3,
		Cron: &deploy.CronRecord{
			App: "shop", Name: "nightly", Schedule: "30 3 * * *", Begun: failedAt.Add(-90 * time.Second), Ended: failedAt,
			Release: 3, Color: deploy.Blue, Outcome: deploy.CronFailed, Exit: deploy.Exit{Code: 3}, Reason: "exit code 3",
		},
		Failure: deploy.Failure{Step: deploy.StepCron, Reason: "exit code 3", Log: []string{"no such table"}},
	}
	m, err := config().compose(delivery(ChannelMail, a), []string{"anna@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	text := config().describe(a).Subject
	for _, part := range m.GetParts() {
		b, err := part.GetContent()
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	for _, want := range []string{"[teal] shop: scheduled command nightly failed: exit code 3", "Production is not touched", "v3 on blue", "1m30s", "no such table", "cron shop run nightly", "cron shop --log nightly"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	p := config().payload(delivery(ChannelWebhook, a))
	if p.Event != "cron.failed" || p.Cron == nil || p.Cron.Exit != 3 || p.Console != "" {
		t.Errorf("payload: %+v", p)
	}
}
