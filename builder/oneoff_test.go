package builder

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"teal/deploy"
)

// What a push starts must not be what people run by hand: "db:reset", say.
func TestLinesOfAProcfileThatAreNoWorkersAreToldApart(t *testing.T) {
	for _, c := range []struct {
		as    runs
		lines []string // "name: command"
	}{
		{always, []string{
			"worker: bundle exec rails db:migrate", "worker: bundle exec rake db:migrate && bundle exec sidekiq", "clock: node clock.js", "scheduler: php artisan schedule:work",
			"sidekiq: bundle exec sidekiq", "celery: celery -A app worker", "beat: celery -A app beat", "queue: php artisan queue:work", "mailer: ./bin/mailer", "jobs: bundle exec rake jobs:work",
			"thing: bin/console messenger:consume async", "thing: npm run worker", "thing: npm run db:worker", "db-worker: ./sync", "thing: node queue.js", "thing: python manage.py qcluster",
			"thing: rails runner Loop.run", "thing: python -m worker", "thing: sh ./start.sh", "assets: yarn watch", "db-proxy: ./cloud_sql_proxy", "db: ./pocketbase serve", "db_replicator: ./x", "changes: bun db/changes.ts", "cdc: bun db.ts", "thing: bun run worker", "thing: while true; do rake db:stats; sleep 9; done", "test-server: ./x",
		}},
		{byHand, []string{
			"seed: rails db:reset db:seed", "migrate: ./x", "db-migrate: ./x", "db_backup: ./x", "thing: npm run db:push", "thing: bun seed.ts", "thing: bun run seed", "worker-reset: ./x", "tests: ./x", "setup: ./x", "rake: bundle exec rake", "users_seed: ./x",
			"thing: bundle exec rails db:prepare", "thing: RAILS_ENV=production bin/rake db:seed", "thing: bundle exec rake", "thing: bundle exec rake data:migrate", "thing: python manage.py migrate --noinput",
			"thing: python3 ./manage.py createsuperuser", "thing: poetry run python manage.py loaddata x", "thing: alembic upgrade head", "thing: flask db upgrade", "thing: exec npx prisma migrate deploy",
			"thing: npx --no-install sequelize db:migrate", "thing: knex migrate:latest", "thing: npm run db:migrate", "thing: yarn migrate", "thing: pnpm run seed:demo", "thing: npm test",
			"thing: php artisan migrate --force", "thing: bin/console doctrine:migrations:migrate", "thing: bin/migrate up", "thing: node scripts/seed.js", "thing: echo hello && ./migrate.sh",
			"thing: env A=1 B=2 goose up", "thing: typeorm -d dist/db.js migration:run",
		}},
		{atTerminal, []string{
			"console: bundle exec rails console", "shell: ./x", "bash: bash", "sh: sh", "thing: bundle exec rails c", "thing: python manage.py shell", "thing: node repl", "thing: node",
			"thing: bash -l", "thing: php artisan tinker", "thing: psql $DATABASE_URL", "rails-console: ./x", "thing: bin/console", "thing: flask shell",
		}},
	} {
		for _, line := range c.lines {
			name, command, _ := strings.Cut(line, ": ")
			if got := oneOff(name, command); got != c.as {
				t.Errorf("%s is taken as %d, not %d", line, got, c.as)
			}
		}
	}
}

const oneOffs = "web: bin/web\nconsole: bundle exec rails console\nseed: rails db:reset db:seed\nworker: bin/work\n"

func processes(s deploy.Settings) (all []string) {
	for _, w := range s.Workers {
		all = append(all, w.Name)
	}
	for _, c := range s.Cron {
		all = append(all, c.Name+" "+c.Schedule)
	}
	return all
}

func TestOneOffLinesOfAProcfileRunByHandUnlessANumberIsSaid(t *testing.T) {
	s, notes, err := declaredOf(t, files("Procfile", oneOffs))
	if err != nil || !reflect.DeepEqual(processes(s), []string{"worker", "seed @manual"}) {
		t.Errorf("%q, %v", processes(s), err)
	}
	contains(t, strings.Join(notes, "\n"), "console is not started: it looks like a command to type into", "seed is not started: it looks like a one-off command. Run it with: cron APP run seed.", "[formation] seed = 1")

	s, _, err = declaredOf(t, files("Procfile", oneOffs, "app.json", `{"formation": {"seed": {"quantity": 2}, "worker": {"quantity": 0}, "console": {"quantity": 0}}}`))
	if err != nil || !reflect.DeepEqual(processes(s), []string{"seed", "worker @manual"}) || s.Workers[0].Instances != 2 {
		t.Errorf("app.json: %q, %v", processes(s), err)
	}
}

func TestFormationOfTealTomlGoesOverThatOfAppJSON(t *testing.T) {
	opened := func(toml string) (*job, error) {
		source := files("Procfile", oneOffs, "app.json", `{"formation": {"worker": {"quantity": 3}}}`, "teal.toml", toml)
		b := &Builder{config: Config{CheckCron: func(s string) error { return errors.New(s + " is checked") }}}
		j := &job{Builder: b, req: deploy.BuildRequest{Source: source, Defaults: deploy.DefaultSettings()}}
		err := j.open(t.Context())
		return j, err
	}
	j, err := opened("[formation]\nworker = 2\nconsole = 1\n[cron.seed]\nschedule = '@manual'\ncommand = 'bin/ours'\n")
	if err != nil {
		t.Fatal(err)
	}
	s := deploy.Settings{}
	j.declared.settle(&s, nil)
	want := []deploy.Process{{Name: "console", Argv: []string{"bundle", "exec", "rails", "console"}, Instances: 1}, {Name: "worker", Argv: []string{"bin/work"}, Instances: 2}}
	if !reflect.DeepEqual(s.Workers, want) || len(s.Cron) != 1 || s.Cron[0].Argv[0] != "bin/ours" {
		t.Errorf("%+v, %+v", s.Workers, s.Cron)
	}
	for toml, say := range map[string]string{
		"[formation]\nmailer = 1":  "teal.toml: formation.mailer: the Procfile has no such process",
		"[formation]\nweb = 2":     "the key instances",
		"[formation]\nworker = 99": "formation.worker = 99 is out of range: 0 to 10",
	} {
		_, err := opened(toml)
		var f *deploy.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Reason, say) {
			t.Errorf("%s: %v", toml, err)
		}
	}
}
