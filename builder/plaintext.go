package builder

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// plain gives a small file's text as it was meant: without the byte order mark
// that editors on Windows put in front, out of UTF-16 where its mark says so (the
// shell there writes it: "echo web: … > Procfile"), lines ended by \n.
func plain(data []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		data = bytes.TrimPrefix(data, []byte(byteOrderMark))
		return strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	units := make([]uint16, 0, len(data)/2)
	for i := 2; i+1 < len(data); i += 2 {
		units = append(units, order.Uint16(data[i:]))
	}
	return strings.ReplaceAll(string(utf16.Decode(units)), "\r\n", "\n")
}

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\ufeff"

// versionIn gives the first line of a version file that is no comment, without a
// comment behind it.
func versionIn(text string) string {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
