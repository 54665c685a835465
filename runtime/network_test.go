package runtime

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"

	"teal/deploy"
)

func TestAppsCannotReachEachOther(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	blog := start(t, d, release("blog", 1, ""), deploy.Blue)[0]
	shop := start(t, d, release("shop", 1, ""), deploy.Blue)[0]
	get(t, blog.Addr, "/")
	get(t, shop.Addr, "/")
	for app, want := range map[string]int{"shop": 0, "blog": 1} {
		var out bytes.Buffer
		exit, err := d.Once(t.Context(), release(app, 1, ""), []string{"/app", "dial", shop.Addr.String()}, &out)
		if err != nil || exit.Code != want {
			t.Errorf("from %s to shop: %+v %v, %s", app, exit, err, out.String())
		}
	}
}

func TestNetworkIsSmallAndItsFixedAddressesAreNotHandedOut(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	l, err := d.network(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.network(t.Context(), "shop")
	if err != nil || again != l {
		t.Errorf("asked again it is %+v, was %+v, %v", again, l, err)
	}
	if l.subnet.Bits() != 26 || !d.config.Subnets.Overlaps(l.subnet) {
		t.Errorf("its subnet is %s", l.subnet)
	}
	n, err := engine.NetworkInspect(t.Context(), l.id, network.InspectOptions{})
	if err != nil || n.IPAM.Config[0].IPRange != nth(l.subnet.Addr(), 48).String()+"/28" {
		t.Errorf("the Engine hands out %+v, %v", n.IPAM.Config, err)
	}
}

// ownSubnet fills in a number of this test run: what another one has left is not
// in the way.
func ownSubnet(pattern string) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf(pattern, rand.IntN(256)))
}

func TestForeignNetworkOfTheSameNameIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	made, err := engine.NetworkCreate(t.Context(), d.networkName("shop"), network.CreateOptions{
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: ownSubnet("10.219.%d.192/28").String()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.NetworkRemove(t.Context(), made.ID) })
	defer func() {
		if err := engine.NetworkRemove(t.Context(), made.ID); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}()
	if _, err := d.Start(t.Context(), deploy.Spec{Release: release("shop", 1, ""), Color: deploy.Blue}); err == nil || !strings.Contains(err.Error(), "not Teal's") {
		t.Errorf("Start says %v", err)
	}
	if err := d.Forget(t.Context(), "shop"); err != nil {
		t.Error(err)
	}
}

func TestTakenSubnetsAreGoneAround(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	d.config.Subnets = ownSubnet("10.218.%d.0/24")
	seen := map[netip.Prefix]bool{}
	for _, app := range []deploy.AppName{"one", "two", "three", "four"} {
		l, err := d.network(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		seen[l.subnet] = true
	}
	if len(seen) != 4 {
		t.Errorf("4 networks have the subnets %v", seen)
	}
	if _, err := d.network(t.Context(), "five"); err == nil || !strings.Contains(err.Error(), "choose a wider range") {
		t.Errorf("the fifth of four gives %v", err)
	}
}

func TestPickedSubnetOverlapsWithNothingTaken(t *testing.T) {
	t.Parallel()
	pool := netip.MustParsePrefix("10.213.0.0/20")
	var taken []netip.Prefix
	for i := range 64 {
		p, err := pickSubnet(pool, taken, "teal-main-shop")
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		for _, other := range taken {
			if p.Overlaps(other) {
				t.Fatalf("%s overlaps %s", p, other)
			}
		}
		taken = append(taken, p)
	}
	if _, err := pickSubnet(pool, taken, "x"); err == nil {
		t.Error("a full pool gives a subnet")
	}
	if _, err := pickSubnet(netip.MustParsePrefix("fd00::/48"), nil, "x"); err == nil {
		t.Error("an IPv6 pool gives a subnet")
	}
}

func TestNewReleaseAvoidsTheAddressesOfTheLast(t *testing.T) {
	t.Parallel()
	l := lan{subnet: netip.MustParsePrefix("10.213.4.64/26")}
	used := map[netip.Addr]bool{}
	for index := 1; index <= firstLoose-firstFixed; index++ {
		a, err := l.free(used, 1, index)
		if err != nil || used[a] || a.Less(netip.MustParseAddr("10.213.4.66")) || !a.Less(netip.MustParseAddr("10.213.4.112")) {
			t.Fatalf("index %d gets %s, %v", index, a, err)
		}
		used[a] = true
	}
	if _, err := l.free(used, 1, 1); err == nil {
		t.Error("a full network gives an address")
	}
	a, _ := l.free(map[netip.Addr]bool{}, 1, 1)
	b, _ := l.free(map[netip.Addr]bool{}, 2, 1)
	if a == b {
		t.Error("the next release gets the same address")
	}
}

func TestHostRoutesAreRead(t *testing.T) {
	t.Parallel()
	table := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"tun0\t4004D50A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\t0\t0\t0\n"
	got := parseRoutes([]byte(table))
	if len(got) != 2 || got[0] != netip.MustParsePrefix("0.0.0.0/0") || got[1] != netip.MustParsePrefix("10.213.4.64/26") {
		t.Errorf("it reads %v", got)
	}
}
