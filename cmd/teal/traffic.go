package main

import (
	"teal/console"
	"teal/router"
)

// traffic hands the router's view of the apps to the console.
func traffic(apps []router.AppStats) []console.Traffic {
	out := make([]console.Traffic, len(apps))
	for i, a := range apps {
		out[i] = console.Traffic{
			App: a.App, Hosts: a.Hosts, Share: a.Share, Held: a.Held, Waiting: a.Waiting,
			Live: trafficOf(a.Live), Preview: trafficOf(a.Preview),
		}
	}
	return out
}

func trafficOf(b router.BackendStats) console.TrafficSide {
	out := console.TrafficSide{Color: b.Color, Release: b.Release, Figures: b.Figures, Rate: b.Rate}
	for _, in := range b.Instances {
		out.Instances = append(out.Instances, console.TrafficInstance{
			Index: in.Index, Addr: in.Addr, InFlight: in.InFlight, Sockets: in.Sockets, Idle: in.Idle, Requests: in.Requests,
			Up: in.Up, Since: in.Since, Check: in.Check, CheckAt: in.CheckAt,
		})
	}
	return out
}
