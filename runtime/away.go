package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/docker/docker/client"

	"teal/deploy"
)

// sayAway makes an error of the client wrap deploy.ErrEngineAway when the
// Engine could not be reached, broke off or did not answer in time. When the
// caller's own context has ended that is the error, whatever the client said.
func sayAway(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, deploy.ErrEngineAway):
		return err
	case unreachable(err):
		return fmt.Errorf("%w: %w", deploy.ErrEngineAway, err)
	}
	return err
}

func unreachable(err error) bool {
	var timeout net.Error
	return client.IsErrConnectionFailed(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &timeout)
}
