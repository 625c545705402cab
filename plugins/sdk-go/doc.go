// Package socklet writes Socklet plugins in Go: what behaviors and authenticators have in common. What a connection does is in
// socklet/behavior, who may connect in socklet/authenticator.
//
// The garbage collector runs at the end of hooks, and within one only above 40 MiB: a collection that begins while the host hands over
// arguments would end the instance. Goroutines run while a hook runs.
package socklet
