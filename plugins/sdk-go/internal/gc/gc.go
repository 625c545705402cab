// Package gc runs the garbage collector where it may run: between hooks.
package gc

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The collector asks for the time, and while the host lowers arguments into the plugin nothing may be asked: a collection that begins
// then ends the instance. So it is off, and hooks end with a collection when there is something to collect.
const (
	// Collect after so many bytes that came or went.
	passedMax = 1 << 20
	// Look at the heap after so many hooks, and collect when it has so many bytes more than after the last collection.
	hooksMax = 64
	grownMax = 8 << 20
	// Above this the collector runs at any time: what one hook allocates by itself is collected while it runs.
	softLimit = 40 << 20
)

var (
	passed int
	hooks  int
	live   uint64
	heap   = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
)

func init() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(softLimit)
}

// Passed tells the collector of bytes that came or went.
func Passed(bytes int) {
	passed += bytes
}

// Run collects garbage when enough has come together. Called at the end of each hook.
func Run() {
	// What a call takes by itself.
	passed += 512
	hooks++
	if passed < passedMax && (hooks < hooksMax || heapSize() < live+grownMax) {
		if hooks >= hooksMax {
			hooks = 0
		}
		return
	}
	runtime.GC()
	passed, hooks, live = 0, 0, heapSize()
}

func heapSize() uint64 {
	metrics.Read(heap)
	return heap[0].Value.Uint64()
}
