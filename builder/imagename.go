package builder

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// pinnedTo is the digest that a reference itself names, as "node@sha256:…" does;
// "": it names none, and may stand for another image tomorrow.
func pinnedTo(ref string) string {
	_, digest, _ := strings.Cut(ref, "@")
	return digest
}

// repositoryOf is an image's name as registries have it, without tag and digest:
// "node:20" and "docker.io/library/node" are both "docker.io/library/node".
func repositoryOf(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if slash, colon := strings.LastIndex(name, "/"), strings.LastIndex(name, ":"); colon > slash {
		name = name[:colon]
	}
	host := plainRegistry(registryHost(ref))
	if first, rest, _ := strings.Cut(name, "/"); first == registryHost(ref) && rest != "" {
		name = rest
	}
	if host == hubHosts[0] && !strings.Contains(name, "/") {
		name = "library/" + name
	}
	return host + "/" + name
}

// digestsOf are the digests under which the registry of ref, or its mirror,
// knows the image: several when that lists the same one anew. None: the image did
// not come from there.
func digestsOf(found image.InspectResponse, ref, mirror string) (all []string) {
	if digest := pinnedTo(ref); digest != "" {
		return []string{digest}
	}
	from := []string{repositoryOf(ref)}
	if copied := mirrored(ref, mirror); copied != "" {
		from = append(from, repositoryOf(copied))
	}
	for _, d := range found.RepoDigests {
		name, digest, ok := strings.Cut(d, "@")
		if ok && slices.Contains(from, repositoryOf(name)) && !slices.Contains(all, digest) {
			all = append(all, digest)
		}
	}
	return all
}
