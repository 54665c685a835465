package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
)

const (
	// registryPatience is how long a registry may take to say that it is there.
	registryPatience = 5 * time.Second
	// registryMemory is how long its silence is remembered.
	registryMemory = 5 * time.Minute
	// pullTimeout bounds one pull.
	pullTimeout = 10 * time.Minute
)

// answer is what is remembered of a registry that did not answer.
type answer struct {
	at  time.Time
	err error
}

// remoteDigest asks the image's registry, through the Engine, which image the
// name stands for now: the mirror first, when there is one. It is the quick way
// to see whether a registry can be reached at all; one that could not be is not
// asked again for a while.
func (s *Stack) remoteDigest(ctx context.Context, ref string) (string, error) {
	if name := mirrored(ref, s.mirror); name != "" {
		if digest, err := s.askRegistry(ctx, name); err == nil || ctx.Err() != nil {
			return digest, err
		}
	}
	return s.askRegistry(ctx, ref)
}

func (s *Stack) askRegistry(ctx context.Context, ref string) (string, error) {
	host := registryHost(ref)
	s.mu.Lock()
	known, ok := s.answered[host]
	s.mu.Unlock()
	if ok && s.now().Sub(known.at) < registryMemory {
		return "", known.err
	}
	logins, err := readLogins(s.registryConfig)
	if err != nil {
		return "", err
	}
	asked, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	found, err := s.engine.DistributionInspect(asked, ref, logins.encoded(ref))
	if err == nil {
		return string(found.Descriptor.Digest), nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if unreachable(asked, err) {
		s.mu.Lock()
		s.answered[host] = answer{at: s.now(), err: err}
		s.mu.Unlock()
	}
	return "", err
}

// online tells whether a container registry answers: then every version of a
// language can be had.
func (s *Stack) online(ctx context.Context) bool {
	s.mu.Lock()
	known, ok := s.answered[""]
	s.mu.Unlock()
	if ok && s.now().Sub(known.at) < registryMemory {
		return known.err == nil
	}
	_, err := s.remoteDigest(ctx, s.debianImage)
	if ctx.Err() == nil {
		s.mu.Lock()
		s.answered[""] = answer{at: s.now(), err: err}
		s.mu.Unlock()
	}
	return err == nil
}

// unreachable tells a registry that does not answer from one that says no.
func unreachable(asked context.Context, err error) bool {
	text := err.Error()
	return asked.Err() != nil || strings.Contains(text, "dial tcp") || strings.Contains(text, "no such host") ||
		strings.Contains(text, "i/o timeout") || strings.Contains(text, "Client.Timeout")
}

// registryHost is the part of an image name that says which registry has it.
func registryHost(ref string) string {
	first, _, more := strings.Cut(ref, "/")
	if more && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return "docker.io"
}

// pulledName begins the name that an image gets, beside its own, when Teal pulled
// it: the mark of what Teal may remove. One that was here before is someone's.
const pulledName = "teal-pulled/image:"

func pulledAs(id string) string { return pulledName + strings.TrimPrefix(id, "sha256:")[:12] }

// pull fetches an image and moves its name to what was fetched. One of Docker
// Hub comes from the mirror where that has it. The image that had the name before
// goes with its last name if Teal pulled that, too: by day after day of fresh bases
// the disk stays flat.
func (s *Stack) pull(ctx context.Context, ref string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pullTimeout, fmt.Errorf("pulling %s took longer than %s", ref, pullTimeout))
	defer cancel()
	name := mirrored(ref, s.mirror)
	before := s.named(ctx, ref, name)
	here, err := s.engine.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return engineError(ctx, s.engine, err)
	}
	if err := s.fetchFrom(ctx, ref, name); err != nil {
		return err
	}
	for _, now := range s.named(ctx, ref) {
		if slices.ContainsFunc(here, func(i image.Summary) bool { return i.ID == now.ID }) || pinnedTo(ref) != "" {
			continue
		}
		if err := s.engine.ImageTag(ctx, now.ID, pulledAs(now.ID)); err != nil {
			s.log.Warn("cannot mark an image as pulled: it stays when a newer one replaces it", "image", ref, "error", err)
		}
	}
	for _, old := range before {
		s.dropNameless(ctx, old)
	}
	return nil
}

// fetchFrom fetches an image from the mirror, where that has a name for it, or
// from its own registry.
func (s *Stack) fetchFrom(ctx context.Context, ref, name string) error {
	if name == "" {
		return s.fetch(ctx, ref)
	}
	err := s.fetch(ctx, name)
	if err == nil {
		err = s.engine.ImageTag(ctx, name, ref)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the mirror does not have the image; asking its registry", "image", ref, "error", err)
		return s.fetch(ctx, ref)
	}
	return err
}

func (s *Stack) fetch(ctx context.Context, ref string) error {
	logins, err := readLogins(s.registryConfig)
	if err != nil {
		return err
	}
	stream, err := s.engine.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: logins.encoded(ref)})
	if err != nil {
		return engineError(ctx, s.engine, err)
	}
	defer stream.Close()
	return drain(ctx, stream)
}

// named gives the images that have these names now.
func (s *Stack) named(ctx context.Context, names ...string) (found []image.InspectResponse) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if i, err := s.engine.ImageInspect(ctx, name); err == nil {
			found = append(found, i)
		}
	}
	return found
}

// dropNameless removes an image that Teal pulled, and that had a name until a pull
// moved that to another one. It stays while a container was made of it, while it has
// another tag, and when it was also pulled under a name of another repository.
func (s *Stack) dropNameless(ctx context.Context, old image.InspectResponse) {
	mark := pulledAs(old.ID)
	now, err := s.engine.ImageInspect(ctx, old.ID)
	if err != nil || !slices.Equal(now.RepoTags, []string{mark}) {
		return
	}
	moved := map[string]bool{}
	for _, tag := range old.RepoTags {
		moved[tag[:max(0, strings.LastIndex(tag, ":"))]] = true
	}
	for _, digest := range now.RepoDigests {
		repository, _, _ := strings.Cut(digest, "@")
		if !moved[repository] {
			return
		}
	}
	if used, err := usedBy(ctx, s.engine, old.ID); err != nil || used {
		return
	}
	s.discard(ctx, mark)
	for _, digest := range now.RepoDigests {
		s.discard(ctx, digest) // the image goes with the last one
	}
}

// drain reads a stream of progress messages to its end and gives the error in it.
func drain(ctx context.Context, stream io.Reader) error {
	for in := json.NewDecoder(stream); ; {
		var e event
		switch err := in.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("read the Engine's answer: %w", err)
		case e.Error != "":
			return errors.New(e.Error)
		}
	}
}
