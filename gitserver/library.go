package gitserver

import (
	"io"
	"net"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// connectionKey finds our connection in the library's context.
type connectionKey struct{}

// library configures the SSH library for handshakes. Sessions are ours
// (session.go): the library's own take any number of env requests, acknowledge
// agent forwarding and let a panic end the process.
func (s *Server) library() *ssh.Server {
	return &ssh.Server{
		Version: agent,
		ConnCallback: func(ctx ssh.Context, nc net.Conn) net.Conn {
			ctx.SetValue(connectionKey{}, nc)
			return nc
		},
		// Without a handler the library lets everyone in.
		PublicKeyHandler: func(ctx ssh.Context, key ssh.PublicKey) bool {
			return s.offered(ctx, key) == nil
		},
		ServerConfigCallback: s.handshake,
		ConnectionFailedCallback: func(_ net.Conn, err error) {
			s.log.Debug("SSH handshake failed", "error", err)
		},
		ChannelHandlers: map[string]ssh.ChannelHandler{
			"session": func(_ *ssh.Server, conn *gossh.ServerConn, nc gossh.NewChannel, ctx ssh.Context) {
				if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
					s.session(c, conn, nc)
				}
			},
		},
		// None: a client asks for forwarding and the like in vain.
		RequestHandlers: map[string]ssh.RequestHandler{},
	}
}

// handshake is the configuration of one connection's handshake.
func (s *Server) handshake(ctx ssh.Context) *gossh.ServerConfig {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	config := &gossh.ServerConfig{
		Config:                  gossh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		PublicKeyAuthAlgorithms: userKeyProofs,
		MaxAuthTries:            6,
		VerifiedPublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey, _ *gossh.Permissions, _ string) (*gossh.Permissions, error) {
			perms, err := s.verified(ctx, key)
			if err == nil {
				s.gate.verified(c, perms.Extensions[grantUser], perms.Extensions[grantKey])
			}
			return perms, err
		},
		AuthLogCallback: func(_ gossh.ConnMetadata, method string, err error) {
			// Every client begins with "none" to learn the methods, and most
			// name several keys: what counts is a connection that gives up.
			if err != nil && method != "none" {
				c.tried()
			}
		},
	}
	for _, k := range s.signers {
		config.AddHostKey(countingSigner{k, c})
	}
	return config
}

// countingSigner is a host key in one connection. It signs each key exchange, and
// nothing else: what the SSH library does not tell of them is known here.
type countingSigner struct {
	gossh.MultiAlgorithmSigner
	c *connection
}

// Sign signs a key exchange.
func (s countingSigner) Sign(rand io.Reader, data []byte) (*gossh.Signature, error) {
	if err := s.c.exchange(); err != nil {
		return nil, err
	}
	return s.MultiAlgorithmSigner.Sign(rand, data)
}

// SignWithAlgorithm signs a key exchange.
func (s countingSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*gossh.Signature, error) {
	if err := s.c.exchange(); err != nil {
		return nil, err
	}
	return s.MultiAlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}
