// Package store keeps Teal's facts in one SQLite file. Everything else that
// Teal knows follows from it and from the labels on the containers.
//
// # Files
//
// All in Config.Dir, which Open makes with mode 0700:
//
//	teal.db, teal.db-wal, teal.db-shm   the database
//	teal.lock                           held by the daemon, with its pid inside
//	secret.key                          32 random bytes that seal the env values
//
// A backup is a file made by DB.Backup and a copy of secret.key. Without the
// key the database opens only when no env value is in it.
//
// # Schema
//
// migrations/ has one numbered file per step of the schema, applied in order
// at Open, each in a transaction of its own. A file that was released is never
// edited: a change is a new file. A database with a higher number than the
// newest file was written by a newer Teal, and is refused.
//
//   - apps: one row per app, with the active color and the live, previous and
//     staged release. The active color changes in Activate alone. Domains have a
//     table of their own, so that one host belongs to one app.
//   - releases: numbered per app from 1. Rows are never removed before their
//     app is, so a number is never given twice; for a new app of the same name
//     numbering begins again.
//   - deployments: numbered over all apps. version counts writes; a write that
//     was made from an older one is refused with deploy.ErrConflict.
//   - log_lines and events: what was said, in the same transaction as the
//     change it tells of (events) or in batches (log lines).
//   - outbox: alerts on their way, one row per episode and channel, written in
//     the transaction that ends the deployment.
//   - users, keys, access, audit: who may do what, and who asked. Audit records
//     refer to nothing, and outlive user and app.
//   - login_tokens, sessions: SHA-256 of the tokens, never the tokens.
//   - meta: installation id and the check value of secret.key.
//
// Everything that hangs on an app or a user goes with it by foreign keys.
//
// # Writing
//
// There is one writer connection and a small pool of connections that can
// only read. A write waits for its turn as long as its context allows; once
// it has begun it runs to its end whatever becomes of the context, so the answer
// is always the truth: an error means that nothing was stored.
//
// A write is either durable or progress. Both survive the death of the
// process at any moment. A durable one (PRAGMA synchronous=FULL) is on the disk
// when the method returns and survives a power cut; a progress one
// (synchronous=NORMAL) may be lost by a power cut, in order: all writes before
// a durable one are as durable as it is, since the write-ahead log is one
// sequence.
//
//   - durable: Activate; an UpdateDeployment that ends, stages or completes a
//     deployment or carries an alert; CreateDeployment but for rollbacks, whose
//     Activate follows within milliseconds; everything about apps, env, domains,
//     users, keys, rights, tokens, sessions, outbox and slots.
//   - progress: other state changes, releases, log lines, events, audit records
//     (the durable write of an allowed action comes after its record), the time
//     a key was last used.
//
// # Secrets
//
// Env values of apps and releases are sealed one by one with AES-256-GCM under
// secret.key, bound to the app and the variable's name, so that a value moved to
// another place in the file does not open. Names are not secret.
package store
