package builder

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// pinnedGo is the toolchain that is fetched when the host has none; apps that
// ask for a newer one in go.mod get it by GOTOOLCHAIN=auto.
const pinnedGo = "1.26.8"

// pinnedGoSums are the checksums of its module, as in a go.sum, by architecture.
var pinnedGoSums = map[string]string{
	"amd64": "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=",
	"arm64": "h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc=",
}

// maxToolchain bounds the archive, which has about 75 MB.
const maxToolchain = 400 << 20

// toolchainModule is the module's name and version, as in its archive.
func toolchainModule() string {
	return fmt.Sprintf("golang.org/toolchain@v0.0.1-go%s.linux-%s", pinnedGo, runtime.GOARCH)
}

// tempArchive is a file that goes when it is closed.
type tempArchive struct{ *os.File }

func (t tempArchive) Close() error {
	return errors.Join(t.File.Close(), os.Remove(t.Name()))
}

// fetchToolchain downloads the archive into a temporary file and checks it.
func fetchToolchain(ctx context.Context, proxy, sum string) (tempArchive, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, version, _ := strings.Cut(toolchainModule(), "@")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy+"/golang.org/toolchain/@v/"+version+".zip", nil)
	if err != nil {
		return tempArchive{}, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return tempArchive{}, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return tempArchive{}, 0, fmt.Errorf("the proxy answered %s", response.Status)
	}
	file, err := os.CreateTemp("", "teal-go-*.zip")
	if err != nil {
		return tempArchive{}, 0, err
	}
	archive := tempArchive{file}
	size, err := io.Copy(file, io.LimitReader(response.Body, maxToolchain))
	if err == nil {
		err = checkModule(file, size, sum)
	}
	if err != nil {
		return tempArchive{}, 0, errors.Join(err, archive.Close())
	}
	return archive, size, nil
}

// checkModule compares the archive with a checksum of the kind "h1": the hash of
// the sorted list of the files' hashes (golang.org/x/mod/sumdb/dirhash).
func checkModule(archive io.ReaderAt, size int64, want string) error {
	in, err := zip.NewReader(archive, size)
	if err != nil {
		return err
	}
	var lines []string
	for _, f := range in.File {
		file, err := f.Open()
		if err != nil {
			return err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%s|%x  %s\n", f.Name, hash.Sum(nil), f.Name))
	}
	slices.Sort(lines) // by name: each line begins with it
	all := sha256.New()
	for _, line := range lines {
		_, entry, _ := strings.Cut(line, "|")
		_, _ = io.WriteString(all, entry)
	}
	if got := "h1:" + base64.StdEncoding.EncodeToString(all.Sum(nil)); got != want {
		return fmt.Errorf("checksum of %s is %s and not %s", toolchainModule(), got, want)
	}
	return nil
}
