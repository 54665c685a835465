package certs

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// debugLog gives certmagic a logger that writes debug lines: what a person
// should know of an attempt comes back as its error, and is told once.
func debugLog(log *slog.Logger) *zap.Logger { return zap.New(debugCore{log: log}) }

// debugCore is a zapcore.Core that hands entries to slog.
type debugCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func (c debugCore) Enabled(zapcore.Level) bool {
	return c.log.Enabled(context.Background(), slog.LevelDebug)
}

func (c debugCore) With(fields []zapcore.Field) zapcore.Core {
	return debugCore{c.log, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c debugCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c debugCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(values)
	}
	c.log.Debug("certmagic: "+e.Message, "level", e.Level.String(), "fields", values.Fields)
	return nil
}

func (debugCore) Sync() error { return nil }
