package registry

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

type thing struct{ name string }

func (t *thing) Key() string { return t.name }

// TestTable compares the table with a map at random.
func TestTable(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var table Table[*thing]
	model := map[string]*thing{}
	for step := range 200_000 {
		// The table alternately grows and shrinks.
		grow := step/20_000%2 == 0
		name := fmt.Sprint(rnd.IntN(3000))
		x := model[name]
		if got := table.Get(name); got != x {
			t.Fatalf("step %d: %q is %v, not %v", step, name, got, x)
		}
		switch {
		case x == nil && (grow || rnd.IntN(4) == 0):
			x = &thing{name}
			model[name] = x
			table.Add(x)
		case x != nil && (!grow || rnd.IntN(4) == 0):
			delete(model, name)
			table.Remove(x)
			table.Remove(x) // no longer in the table
		}
		if table.Len() != len(model) {
			t.Fatalf("step %d: %d things, not %d", step, table.Len(), len(model))
		}
	}
	table.Each(func(x *thing) {
		if model[x.name] != x {
			t.Fatalf("%q is not in the model", x.name)
		}
		delete(model, x.name)
	})
	if len(model) > 0 {
		t.Fatalf("missing: %v", model)
	}
}

func BenchmarkTable(b *testing.B) {
	var table Table[*thing]
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("user:%d", i)
		table.Add(&thing{names[i]})
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		table.Get(names[i%len(names)])
		i++
	}
}
