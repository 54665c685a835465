package gitserver

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// hostKeys are the kinds of key that the server proves itself with. The names
// are sshd's, so that an admin knows what they are.
var hostKeys = []struct {
	file       string
	generate   func() (crypto.PrivateKey, error)
	algorithms []string
}{
	{
		"ssh_host_ed25519_key",
		func() (crypto.PrivateKey, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
		[]string{ssh.KeyAlgoED25519},
	},
	{
		"ssh_host_rsa_key",
		func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) },
		[]string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}, // not ssh-rsa, which is SHA-1
	},
}

// loadHostKeys reads the server's keys from dir, and makes those that are
// missing: clients remember them, so they must be the same at every start.
func loadHostKeys(dir string) ([]ssh.MultiAlgorithmSigner, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory for host keys: %w", err)
	}
	var signers []ssh.MultiAlgorithmSigner
	for _, k := range hostKeys {
		path := filepath.Join(dir, k.file)
		signer, err := readHostKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			if err = makeHostKey(path, k.generate); err == nil {
				signer, err = readHostKey(path)
			}
		}
		if err != nil {
			return nil, err
		}
		restricted, err := restrict(signer, k.algorithms)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", path, err)
		}
		signers = append(signers, restricted)
	}
	return signers, nil
}

func readHostKey(path string) (ssh.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the host key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("host key %s can be read by others (mode %04o): chmod 600 it, or remove it so that a new one is made", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the host key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read host key %s: %w", path, err)
	}
	return signer, nil
}

func makeHostKey(path string, generate func() (crypto.PrivateKey, error)) error {
	key, err := generate()
	if err != nil {
		return fmt.Errorf("cannot make host key %s: %w", path, err)
	}
	block, err := ssh.MarshalPrivateKey(key, "teal")
	if err != nil {
		return fmt.Errorf("cannot make host key %s: %w", path, err)
	}
	if err := writeDurably(path, ".host-key-*", pem.EncodeToMemory(block), 0o600); err != nil {
		return fmt.Errorf("cannot store host key %s: %w", path, err)
	}
	return nil
}

// restrict makes the signer offer these signature algorithms alone.
func restrict(signer ssh.Signer, algorithms []string) (ssh.MultiAlgorithmSigner, error) {
	as, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("a %s key can't choose its signature algorithm", signer.PublicKey().Type())
	}
	return ssh.NewSignerWithAlgorithms(as, algorithms)
}
