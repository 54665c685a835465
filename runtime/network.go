package runtime

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"teal/deploy"
)

// lanBits is the size of an app's network: a /26 has 64 addresses. The first is
// the network's, the second the bridge's, the next 46 are given to instances
// for life (two colors of 10 instances, and as much again while one replaces
// the other), and the Engine hands out the last 16 to throw-away containers.
const (
	lanBits     = 26
	firstFixed  = 2
	firstLoose  = 48
	looseBits   = 28
	subnetTries = 64
)

// lan is the network of an app.
type lan struct {
	id     string
	name   string
	subnet netip.Prefix
}

// endpoint attaches a container to the network; the zero Addr lets the Engine
// choose one that is no instance's.
func (l lan) endpoint(addr netip.Addr) *network.NetworkingConfig {
	e := &network.EndpointSettings{NetworkID: l.id}
	if addr.IsValid() {
		e.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: addr.String()}
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{l.name: e}}
}

// free gives an address for an instance that is not in use. Where the search
// begins depends on the release, so that a new release rarely gets an address
// that an old one has just left.
func (l lan) free(used map[netip.Addr]bool, release, index int) (netip.Addr, error) {
	const n = firstLoose - firstFixed
	for i := range n {
		addr := nth(l.subnet.Addr(), firstFixed+(release*deploy.MaxInstances+index-1+i)%n)
		if !used[addr] {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all %d addresses of network %s are in use: remove old releases first", n, l.name)
}

// nth is the address n places after a.
func nth(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// network gives the app's network and makes it when there is none.
func (d *Docker) network(ctx context.Context, app deploy.AppName) (lan, error) {
	if l, found, err := d.findNetwork(ctx, app); found || err != nil {
		return l, err
	}
	release, err := d.nets.acquire(ctx, "")
	if err != nil {
		return lan{}, err
	}
	defer release()
	if l, found, err := d.findNetwork(ctx, app); found || err != nil {
		return l, err
	}
	return d.makeNetwork(ctx, app)
}

func (d *Docker) findNetwork(ctx context.Context, app deploy.AppName) (l lan, found bool, err error) {
	list, err := d.networks(ctx, d.mine(app))
	if err != nil {
		return lan{}, false, fmt.Errorf("cannot look up the network of %s: %w", app, err)
	}
	for _, n := range list {
		if subnets := subnetsOf(n); len(subnets) > 0 && n.Name == d.networkName(app) {
			return lan{n.ID, n.Name, subnets[0]}, true, nil
		}
	}
	return lan{}, false, nil
}

// makeNetwork tries subnets until the Engine takes one: between looking and
// making, someone else may have taken what looked free.
func (d *Docker) makeNetwork(ctx context.Context, app deploy.AppName) (lan, error) {
	name := d.networkName(app)
	all, err := d.networks(ctx, filters.Args{})
	if err != nil {
		return lan{}, fmt.Errorf("cannot list networks: %w", err)
	}
	taken := hostRoutes(d.config.Subnets)
	for _, n := range all {
		taken = append(taken, subnetsOf(n)...)
	}
	for range subnetTries {
		subnet, err := pickSubnet(d.config.Subnets, taken, name)
		if err != nil {
			return lan{}, fmt.Errorf("cannot make a network for %s: %w", app, err)
		}
		id, err := d.createNetwork(ctx, app, subnet)
		switch {
		case err == nil:
			return lan{id, name, subnet}, nil
		case errdefs.IsConflict(err):
			return lan{}, fmt.Errorf("cannot make a network for %s: a network %s that is not Teal's is there: remove or rename it: %w", app, name, err)
		case !strings.Contains(err.Error(), "overlap"):
			return lan{}, fmt.Errorf("cannot make network %s: %w", name, err)
		}
		taken = append(taken, subnet)
	}
	return lan{}, fmt.Errorf("cannot make a network for %s: the Engine refused %d subnets of %s: choose another range", app, subnetTries, d.config.Subnets)
}

func (d *Docker) createNetwork(ctx context.Context, app deploy.AppName, subnet netip.Prefix) (id string, err error) {
	err = d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
		made, err := d.engine.NetworkCreate(ctx, d.networkName(app), network.CreateOptions{
			Driver: "bridge",
			Labels: map[string]string{labelNamespace: d.config.Namespace, labelApp: string(app)},
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{
				Subnet:  subnet.String(),
				Gateway: nth(subnet.Addr(), 1).String(),
				IPRange: netip.PrefixFrom(nth(subnet.Addr(), firstLoose), looseBits).String(),
			}}},
		})
		id = made.ID
		return err
	})
	return id, err
}

func (d *Docker) networks(ctx context.Context, f filters.Args) (list []network.Summary, err error) {
	err = d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
		list, err = d.engine.NetworkList(ctx, network.ListOptions{Filters: f})
		return err
	})
	return list, err
}

func subnetsOf(n network.Summary) []netip.Prefix {
	var subnets []netip.Prefix
	for _, c := range n.IPAM.Config {
		if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
			subnets = append(subnets, p.Masked())
		}
	}
	return subnets
}

// pickSubnet gives a subnet of the pool that overlaps with nothing taken. Where
// it begins depends on the name: two installations on one host then rarely
// reach for the same one.
func pickSubnet(pool netip.Prefix, taken []netip.Prefix, name string) (netip.Prefix, error) {
	if !pool.Addr().Is4() || pool.Bits() > lanBits {
		return netip.Prefix{}, fmt.Errorf("%s is no IPv4 range that a /%d fits into", pool, lanBits)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	n := 1 << (lanBits - pool.Bits())
	for i := range n {
		at := (int(h.Sum32()%uint32(n)) + i) % n
		subnet := netip.PrefixFrom(nth(pool.Masked().Addr(), at<<(32-lanBits)), lanBits)
		if !slices.ContainsFunc(taken, subnet.Overlaps) {
			return subnet, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free /%d is left in %s: choose a wider range", lanBits, pool)
}

// Forget removes the app's network and what throw-away containers may have
// been left. The app's instances have to be gone before.
func (d *Docker) Forget(ctx context.Context, app deploy.AppName) error {
	if err := d.sweep(ctx, app); err != nil {
		return fmt.Errorf("cannot forget %s: %w", app, err)
	}
	list, err := d.networks(ctx, d.mine(app))
	if err != nil {
		return fmt.Errorf("cannot forget %s: %w", app, err)
	}
	for _, n := range list {
		err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error {
			return d.engine.NetworkRemove(ctx, n.ID)
		})
		if err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("cannot remove network %s: %w", n.Name, err)
		}
	}
	return nil
}
