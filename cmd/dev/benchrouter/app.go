package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
)

// The bodies that the app answers with, by path.
const (
	smallPath, smallBody = "/some/path?with=query", 13
	largePath, largeBody = "/large", 64 << 10
)

// serveApp is the app behind every proxy: it answers with bytes made before and
// does as little else as can be, so that the proxies are what is measured.
//
//	benchrouter app ADDR
func serveApp(ctx context.Context, args []string) error {
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	small, large := appAnswer(smallBody), appAnswer(largeBody)
	for {
		c, err := l.Accept()
		if err != nil {
			return nil // closed: the end
		}
		go func() {
			defer c.Close()
			_ = answerAll(c, small, large)
		}()
	}
}

func appAnswer(body int) []byte {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n"+
		"Server: app\r\nContent-Length: %d\r\n\r\n", body)
	return append([]byte(head), bytes.Repeat([]byte("x"), body)...)
}

// answerAll answers the requests of a connection until it ends.
func answerAll(c net.Conn, small, large []byte) error {
	br := bufio.NewReader(c)
	for {
		wantsLarge, upload, err := readRequestHead(br)
		if err != nil {
			return err
		}
		if _, err := br.Discard(upload); err != nil {
			return err
		}
		answer := small
		if wantsLarge {
			answer = large
		}
		if _, err := c.Write(answer); err != nil {
			return err
		}
	}
}

// readRequestHead reads a head and gives the length of the body that follows.
// The proxies send bodies with a Content-Length here, since their clients do.
func readRequestHead(br *bufio.Reader) (large bool, upload int, err error) {
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return false, 0, err
		}
		if first {
			large = bytes.Contains(line, []byte(" "+largePath))
		}
		if len(line) <= 2 {
			return large, upload, nil
		}
		const field = "content-length:"
		if len(line) > len(field) && bytes.EqualFold(line[:len(field)], []byte(field)) {
			if upload, err = strconv.Atoi(string(bytes.TrimSpace(line[len(field):]))); err != nil {
				return false, 0, err
			}
		}
	}
}
