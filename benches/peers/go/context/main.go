// What Go's context costs, for the rows of `cargo bench --bench context`: one line per row, its name and nanoseconds.
package main

import (
	"context"
	"fmt"
	"sort"
	"time"
)

type key string

const million = 1_000_000

func main() {
	parent, stop := context.WithCancel(context.Background())
	defer stop()
	row("child + cancel + drop", func() {
		_, cancel := context.WithCancel(parent)
		cancel()
	})
	row("child with timeout + cancel + drop", func() {
		_, cancel := context.WithTimeout(parent, time.Hour)
		cancel()
	})
	row("err of a live node", func() { sinkErr = parent.Err() })
	for _, depth := range []int{1, 4, 16} {
		ctx, end := below(depth)
		row(fmt.Sprintf("value at depth %d", depth), func() { sinkAny = ctx.Value(key("number")) })
		end()
	}
	deep, end := below(100)
	row("missing value at depth 100", func() { sinkAny = deep.Value(key("missing")) })
	end()
	row("request + value + attempt, two timeouts", func() {
		exchange, done := context.WithTimeout(parent, time.Hour)
		carrying := context.WithValue(exchange, key("number"), 17)
		attempt, tried := context.WithTimeout(carrying, time.Hour/2)
		sinkErr = attempt.Err()
		tried()
		done()
	})
	siblings()
}

// A value at the top of a chain of cancellable contexts.
func below(depth int) (context.Context, func()) {
	ctx := context.WithValue(context.Background(), key("number"), 7)
	var ends []context.CancelFunc
	for i := 1; i < depth; i++ {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		ends = append(ends, end)
	}
	return ctx, func() {
		for _, end := range ends {
			end()
		}
	}
}

func siblings() {
	var rounds []float64
	for i := 0; i < 5; i++ {
		top, cancel := context.WithCancel(context.Background())
		nodes := make([]context.Context, million)
		for i := range nodes {
			// The parent's cancel is what is timed.
			nodes[i], _ = context.WithCancel(top)
		}
		begun := time.Now()
		cancel()
		rounds = append(rounds, float64(time.Since(begun).Nanoseconds())/million)
		sinkAny = nodes
	}
	sort.Float64s(rounds)
	fmt.Printf("cancel a million siblings\t%.1f\n", rounds[len(rounds)/2])
}

var (
	sinkErr error
	sinkAny any
)

// row prints the median of several rounds of some milliseconds, as the Rust side does.
func row(name string, work func()) {
	run := func(count int) time.Duration {
		begun := time.Now()
		for i := 0; i < count; i++ {
			work()
		}
		return time.Since(begun)
	}
	count := 1000
	for run(count) < 5*time.Millisecond {
		count *= 2
	}
	var rounds []float64
	for i := 0; i < 15; i++ {
		rounds = append(rounds, float64(run(count).Nanoseconds())/float64(count))
	}
	sort.Float64s(rounds)
	fmt.Printf("%s\t%.1f\n", name, rounds[len(rounds)/2])
}
