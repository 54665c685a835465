package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// solve is one run of BuildKit.
type solve struct {
	engine     *client.Client
	upload     func(ctx context.Context, w io.Writer) error // writes the context as a tar stream
	dockerfile string                                       // its path in the context
	target     string                                       // the stage that counts; "": the last one
	args       map[string]string
	labels     map[string]string
	tags       []string
	secrets    map[string][]byte
	logins     logins
	noCache    bool
	log        *slog.Logger
}

// solveError is what BuildKit itself said of a build that failed.
type solveError struct{ message string }

func (e *solveError) Error() string { return e.message }

// run builds and returns the image's content address. An Engine whose cache names
// a layer that is gone (its image was removed while a build went on: moby) is
// asked once more, to use no cache. Errors are those of once.
func (s solve) run(ctx context.Context, p *progress) (string, error) {
	image, err := s.once(ctx, p)
	var failed *solveError
	if errors.As(err, &failed) && failed.lostLayer() && !s.noCache {
		p.say("the Engine's cache names a layer that is gone: building once more, without the cache")
		s.noCache = true
		return s.once(ctx, p)
	}
	return image, err
}

// lostLayer tells whether the Engine itself, not a step, missed a layer.
func (e *solveError) lostLayer() bool {
	return e.message == "layer does not exist" || strings.HasPrefix(e.message, "failed to get layer sha256:")
}

// once builds. The error is a *solveError when the build failed, the context's when that ended, that of the
// upload when the commit could not be read, and wraps ErrEngineAway when the
// Engine is gone.
func (s solve) once(ctx context.Context, p *progress) (string, error) {
	session, err := openSession(ctx, s.engine, s.upload, s.secrets, s.logins, s.log)
	if err != nil {
		return "", engineError(ctx, s.engine, err)
	}
	defer session.close()
	response, err := s.engine.ImageBuild(ctx, nil, s.options(session))
	if err != nil {
		return "", engineError(ctx, s.engine, err)
	}
	defer response.Body.Close()
	image, err := follow(response.Body, p)
	var failed *solveError
	switch {
	case err == nil:
		return image, nil
	case ctx.Err() != nil:
		// Leaving closes the request, and with it the Engine kills the running step.
		return "", context.Cause(ctx)
	case session.failed() != nil:
		return "", session.failed()
	case errors.As(err, &failed):
		return "", err
	default:
		return "", engineError(ctx, s.engine, err)
	}
}

func (s solve) options(session *session) build.ImageBuildOptions {
	args := make(map[string]*string, len(s.args))
	for k, v := range s.args {
		args[k] = &v
	}
	return build.ImageBuildOptions{
		Version:       build.BuilderBuildKit,
		SessionID:     session.id,
		RemoteContext: session.context(),
		Dockerfile:    s.dockerfile,
		Target:        s.target,
		BuildArgs:     args,
		Labels:        s.labels,
		Tags:          s.tags,
		NoCache:       s.noCache,
		Remove:        true,
		ForceRemove:   true,
	}
}

// event is one JSON message of the Engine's answer.
type event struct {
	ID          string          `json:"id"`
	Aux         json.RawMessage `json:"aux"`
	Error       string          `json:"error"`
	ErrorDetail struct {
		Message string `json:"message"`
	} `json:"errorDetail"`
}

// follow reads a build's answer to its end and returns the image.
func follow(r io.Reader, p *progress) (string, error) {
	image := ""
	for in := json.NewDecoder(r); ; {
		var e event
		err := in.Decode(&e)
		switch {
		case errors.Is(err, io.EOF) && image != "":
			return image, nil
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("the build ended without an image: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return "", fmt.Errorf("read the build's answer: %w", err)
		case e.Error != "" || e.ErrorDetail.Message != "":
			message := e.ErrorDetail.Message
			if message == "" {
				message = e.Error
			}
			return "", &solveError{message}
		case e.ID == "moby.image.id":
			var result build.Result
			if err := json.Unmarshal(e.Aux, &result); err != nil {
				return "", fmt.Errorf("read the image's address: %w", err)
			}
			image = result.ID
		case e.ID == "moby.buildkit.trace":
			var msg []byte // base64 in JSON
			if err := json.Unmarshal(e.Aux, &msg); err != nil {
				return "", fmt.Errorf("read the build's progress: %w", err)
			}
			t, err := decodeTrace(msg)
			if err != nil {
				return "", fmt.Errorf("read the build's progress: %w", err)
			}
			p.take(t)
		}
	}
}

// engineError tells an Engine that is gone from one that answered with an
// error: a connection that broke in the middle looks the same in the first error.
func engineError(ctx context.Context, engine *client.Client, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	away := client.IsErrConnectionFailed(err)
	if !away {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, pingErr := engine.Ping(ctx)
		away = pingErr != nil
	}
	if away {
		return fmt.Errorf("%w: %w", deploy.ErrEngineAway, err)
	}
	return err
}
