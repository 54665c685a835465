// Package commands holds the verbs that a user types over SSH:
//
//	ssh -p 2222 teal.example.com apps
//	ssh -p 2222 teal.example.com logs -f shop
//
// It knows nothing of SSH: a [Set] is made of a [Config], and [Set.Run] runs
// one [Call], which is a verified user, words and three streams. What commands
// there are stands in one table (table.go); help, the count of words, the
// authorization and "did you mean" all follow from a command's row. A call is
// authorized in one place (job.go), before anything of it runs.
//
// # Exit codes
//
//	0  done
//	1  the deployment failed, or what was asked is not possible now
//	2  wrong words: the usage is printed
//	3  not found (or not to be seen by this user)
//	4  not allowed
//	5  busy, or someone was first: try again
//	6  Teal itself failed: container engine away, store not writable
//
// What went wrong is printed to Stderr in two lines: "teal: what happened" and
// "next: what to type".
//
// # Documents
//
// With --json a command prints one JSON object to Stdout. Names are
// snake_case, times RFC 3339 in UTC or null, durations seconds (…_s) or
// milliseconds (…_ms), lists never null. Fields are added, never renamed.
//
//	apps         {"apps": [APP]}
//	ps           {"apps": [{"name", "active", "colors": [COLOR]}], "engine_away"}
//	releases     {"app", "releases": [{"release", "commit", "subject", "author", "cause", "by",
//	             "created_at", "image", "live", "previous", "staged", "gone"}]}
//	deployments  {"app", "deployments": [DEPLOYMENT]}
//	receipt      DEPLOYMENT
//	sbom         {"app", "release", "image", "system", "packages": [{"kind", "name", "version", "arch",
//	             "source", "source_version"}], "unknown": ["what could not be told"]}
//	stack        {"images": [{"name", "version", "source", "size", "made_at", "apps"}]}; size in bytes
//	config list  {"app", "config": [{"key", "value"}]}; value is there with --show only
//	domains list {"app", "url", "domains": ["shop.example.com"]}
//	access list  {"app", "access": [{"user", "right"}]}
//	keys list    {"user", "keys": [{"fingerprint", "type", "comment", "created_at", "last_used_at"}]}
//	users list   {"users": [{"name", "email", "admin", "may_create", "keys", "created_at", "last_used_at"}]}
//	alerts       {"mail_set", "alerts": [{"id", "channel", "state", "app", "deployment", "step", "reason",
//	             "commit", "attempts", "last_error", "created_at", "next_at", "done_at"}]};
//	             state is "waiting", "sent" or "gave up"
//	audit        {"records": [{"id", "at", "user", "verb", "app", "allowed"}]}
//	whoami       {"name", "email", "admin", "may_create", "apps": [{"name", "right"}]}
//
//	APP          {"name", "url", "preview_url", "active", "live", "previous", "staged", "since", "branch",
//	             "domains", "patch_schedule", "patch_pinned", "created_at", "created_by", "last_deployment": DEPLOYMENT or null}
//	COLOR        {"color", "role", "release", "state", "commit", "since", "instances": [{"index", "id",
//	             "running", "exit_code", "oom"}]}; role is "serves", "deploying", "staged", "kept" or "empty"
//	DEPLOYMENT   {"id", "app", "cause", "state", "color", "release", "replaces", "by", "ref", "commit", "subject",
//	             "author", "note", "created_at", "started_at", "promoted_at", "finished_at", "duration_s",
//	             "failure": {"step", "reason", "hint", "log"} or null, "receipt": the fields of deploy.Receipt or null}
package commands
