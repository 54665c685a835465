package runtime

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"teal/deploy"
)

func TestWrongPortIsSeen(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	for mode, want := range map[string]string{"port3000": "127.0.0.1:3000", "": "[::]:8080"} {
		in := start(t, d, release("shop", len(mode)+1, mode), deploy.Blue)[0]
		eventually(t, 30*time.Second, want, func() bool {
			ports, err := d.ListeningPorts(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Equal(ports, []string{want})
		})
	}
}

func TestSocketTableIsRead(t *testing.T) {
	t.Parallel()
	table := "  sl  local_address rem_address   st tx_queue\n" +
		"   0: 0B00007F:A3F1 00000000:0000 0A 0\n" +
		"   1: 0100007F:0BB8 00000000:0000 0A 0\n" +
		"   2: 0100007F:0BB9 0100007F:0BB8 01 0\n" +
		"   3: B80D0120000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0\n" +
		"   4: zz:1F90 0:0 0A\n"
	if got := fmt.Sprint(parseListening([]byte(table))); got != "[127.0.0.1:3000 [2001:db8::1]:8080]" {
		t.Errorf("it reads %s", got)
	}
}
