package commands

import (
	"context"
	"fmt"
	"testing"

	"teal/deploy"
)

func TestBuildPlanIsOfTheLiveCommitOrOfTheOnePushedLast(t *testing.T) {
	w := newWorld(t)
	w.set.BuildPlan = nil
	w.run("vera", "build-plan", "shop").want(t, ExitTeal, "cannot tell")
	var fault error
	w.set.BuildPlan = func(_ context.Context, app deploy.AppName, commit string) (string, error) {
		return fmt.Sprintf("# %s %s\nFROM teal/static\n", app, commit), fault
	}
	w.run("vera", "build-plan", "shop").want(t, ExitDone, "FROM teal/static", "v14, live:")
	w.run("vera", "build-plan", "shop", "--pushed").want(t, ExitDone, "FROM teal/static", "Deployed last:")
	w.run("nick", "build-plan", "shop").want(t, ExitNotFound)
	w.run("anna", "build-plan", "blog").want(t, ExitFailed, "nothing was pushed to blog yet", "git push")
	fault = &deploy.Failure{Step: deploy.StepBuild, Reason: "there is no Dockerfile", Hint: "add one"}
	w.run("vera", "build-plan", "shop").want(t, ExitFailed, "can't be built: there is no Dockerfile", "add one")
	fault = fmt.Errorf("commit: %w", deploy.ErrNotFound)
	w.run("vera", "build-plan", "shop").want(t, ExitNotFound, "push it again")
}
